import importlib.util
import subprocess
import sys
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest import fetch, with_source
from power_nowcast.ingest.sources import nyiso
from power_nowcast.ingest.sources.sample import unpack
from power_nowcast.regions import Region

SCRIPT = Path(__file__).parents[3] / "scripts/make_sample.py"
FOLDER = Path(str(files("power_nowcast.ingest.sources"))) / "sample_data"
START, END = datetime(2019, 2, 1, 5, tzinfo=UTC), datetime(2019, 7, 1, tzinfo=UTC)


def test_it_is_small_and_names_its_sources() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 4_000_000
    text = (FOLDER / "SOURCES.md").read_text()
    assert all(file.name in text for file in FOLDER.glob("*.parquet"))


def test_new_york_has_every_zone_and_vintage(nyiso: Region) -> None:
    batches = {batch.table: batch for batch in fetch(nyiso)}
    power = batches[Table.POWER]
    assert power.rows["series"].n_unique() == 11
    assert (power.rows["valid_at"].min(), power.rows["valid_at"].max()) == (
        START,
        datetime(2019, 6, 30, 23, 55, tzinfo=UTC),
    )
    assert power.superseded > 1000, "stamps off the grid are in it"
    assert set(power.quarantined["reason"]) == {"not a number"}
    assert power.raw is None
    forecast = batches[Table.FORECAST].rows
    assert set(forecast["series"]) == set(nyiso.series)
    vintages = forecast.filter(pl.col("series") == "NYCA").group_by("valid_at").len()["len"]
    assert vintages.median() == 6
    assert set(forecast["basis"]) == {"written"}
    assert forecast["available_at"].max() < END
    assert set(batches[Table.WEATHER].rows["series"]) == set(nyiso.weather.variables if nyiso.weather else ())


def test_the_clock_change_is_whole(nyiso: Region) -> None:
    (power,) = fetch(nyiso, tables=[Table.POWER])
    spring = power.rows.filter(
        pl.col("valid_at").dt.convert_time_zone("America/New_York").dt.date() == date(2019, 3, 10)
    )
    assert spring.filter(pl.col("series") == "N.Y.C.").height == 276


def test_victoria_is_a_year_of_half_hours(victoria: Region) -> None:
    power, weather = fetch(victoria)
    assert len(power.rows) == len(weather.rows) == 17520
    assert power.rows["value"][0] == 3914.647
    assert power.quarantined.is_empty()
    assert weather.rows["series"].unique().to_list() == ["MELBOURNE.temperature_c"]


def test_a_region_without_a_sample_is_told_so(nyiso: Region) -> None:
    with pytest.raises(ConfigurationError, match="another source"):
        list(fetch(nyiso.model_copy(update={"name": "atlantis"})))
    borrowed = with_source(nyiso, "sample", sample="nyiso").model_copy(update={"name": "copy"})
    (batch,) = fetch(borrowed, tables=[Table.WEATHER])
    assert set(batch.rows["region"]) == {"copy"}


@pytest.mark.slow
def test_the_script_gives_the_same_bytes(bench_data: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), "--data", str(bench_data), "--out", str(tmp_path)], check=True)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert made == {file.name: file.read_bytes() for file in FOLDER.glob("*.parquet")}


def test_it_is_what_the_publisher_published(bench_data: Path) -> None:
    archive = bench_data / "nyiso/pal/20190301pal_csv.zip"
    columns = ["series", "at", "value", "text"]
    published = nyiso_rows(nyiso.parse_load(archive.read_bytes(), origin=archive.name)).select(columns)
    packed = unpack((FOLDER / "nyiso_power.parquet").read_bytes())
    first, last = published["at"].min(), published["at"].max()
    assert nyiso_rows(packed.filter(pl.col("at").is_between(first, last))).select(columns).equals(published)


def nyiso_rows(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("at", "series")


def test_packing_refuses_to_lose_decimals() -> None:
    spec = importlib.util.spec_from_file_location("make_sample", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    rows = pl.DataFrame({"at": [START], "A": [1.25]})
    with pytest.raises(SystemExit, match="more decimals"):
        script.pack(rows, {"A": 10}, empty="published")
    assert script.pack(rows, {"A": 100}, empty="published").column("A").to_pylist() == [125]
