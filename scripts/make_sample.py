"""Make the embedded sample from the publishers' files: `python scripts/make_sample.py --data FOLDER`.

FOLDER holds `nyiso/pal`, `nyiso/isolf`, `nyiso/weather` (monthly archives of mis.nyiso.com, airport reports) and
`victoria/elecdemand_2014.csv.gz`. The same files give the same bytes.
"""

import argparse
import gzip
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from power_nowcast import regions
from power_nowcast.ingest.sources import nyiso

START = datetime(2019, 2, 1, 5, tzinfo=UTC)
"""Midnight of 2019-02-01 in New York."""
END = datetime(2019, 7, 1, tzinfo=UTC)
"""Exclusive: later values belong to the test period of the public benchmark."""
OUT = Path(__file__).resolve().parent.parent / "src/power_nowcast/ingest/sources/sample_data"
MONTHS = tuple(f"2019{month:02d}01" for month in range(2, 8))


def main() -> None:
    """Write the five files and print their sizes."""
    parser = argparse.ArgumentParser(description="Make the embedded sample from the publishers' files.")
    parser.add_argument("--data", type=Path, required=True, help="folder with nyiso/ and victoria/")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    made = {
        "nyiso_power": load(arguments.data / "nyiso"),
        "nyiso_forecast": forecast(arguments.data / "nyiso"),
        "nyiso_weather": weather(arguments.data / "nyiso"),
        **victoria(arguments.data / "victoria"),
    }
    for name, table in made.items():
        file = arguments.out / f"{name}.parquet"
        write(table, file)
        print(f"{file.name}: {table.num_rows} rows, {file.stat().st_size} bytes")


def load(folder: Path) -> pa.Table:
    """Load of the zones in tenths of MW with the publisher's stamps, also stamps off the grid."""
    files = [folder / "pal" / f"{month}pal_csv.zip" for month in MONTHS]
    rows = pl.concat(nyiso.parse_load(file.read_bytes(), origin=file.name) for file in files if file.exists())
    rows = rows.filter(pl.col("at") >= START, pl.col("at") < END)
    wide = rows.select("at", "series", "value").pivot("series", index="at", values="value").sort("at")
    if len(wide) * (len(wide.columns) - 1) != len(rows):
        raise SystemExit("A stamp without all zones would read as empty cells.")
    return pack(wide, dict.fromkeys(wide.columns[1:], 10), empty="published")


def forecast(folder: Path) -> pa.Table:
    """The operator's forecast, every vintage written before the end that reaches into the period."""
    region = regions.load("nyiso")
    files = [folder / "isolf" / f"{month}isolf_csv.zip" for month in ("20190101", *MONTHS)]
    rows = pl.concat(
        nyiso.parse_forecast(file.read_bytes(), region=region, origin=file.name) for file in files if file.exists()
    )
    rows = rows.filter(pl.col("at").max().over("written") >= START, pl.col("written") < END)
    wide = rows.select("written", "at", "series", "value").pivot("series", index=["written", "at"], values="value")
    wide = wide.sort("written", "at").select("written", "at", *region.series)
    return pack(wide, dict.fromkeys(region.series, 1), empty="absent")


def weather(folder: Path) -> pa.Table:
    """LaGuardia's reports of the period, and of the day before."""
    text = gzip.decompress((folder / "weather/klga_observations_2018_2019.csv.gz").read_bytes())
    rows = pl.read_csv(text).select("utc", *nyiso.REPORT_COLUMNS, "cloud_code").rename(nyiso.REPORT_COLUMNS)
    rows = rows.with_columns(at=pl.col("utc").str.to_datetime(time_unit="us").dt.replace_time_zone("UTC")).drop("utc")
    rows = rows.filter(pl.col("at") >= START.replace(day=1, hour=0), pl.col("at") < END)
    scales = dict.fromkeys(nyiso.REPORT_COLUMNS.values(), 100)
    return pack(rows.select("at", *scales, "cloud_code"), scales, empty="absent", station="KLGA")


def victoria(folder: Path) -> dict[str, pa.Table]:
    """Demand of Victoria and temperature of Melbourne in 2014."""
    rows = pl.read_csv(gzip.decompress((folder / "elecdemand_2014.csv.gz").read_bytes()))
    at = pl.col("utc").str.to_datetime("%Y-%m-%dT%H:%MZ", time_unit="us").dt.replace_time_zone("UTC")
    # Six temperatures are thirds of a degree, so this column is not scaled.
    demand = rows.select(at.alias("at"), pl.col("demand_mw").alias("VIC"))
    temperature = rows.select(at.alias("at"), pl.col("temperature_c").alias("MELBOURNE.temperature_c"))
    return {
        "victoria_power": pack(demand, {"VIC": 1000}, empty="published"),
        "victoria_weather": pack(temperature, {}, empty="absent"),
    }


def pack(rows: pl.DataFrame, scales: dict[str, int], *, empty: str, station: str | None = None) -> pa.Table:
    """Times as seconds since 1970, numbers as scaled integers; exits if that is not exact."""
    whole = rows.with_columns(
        *(pl.col(name).dt.epoch("s") for name in ("at", "written") if name in rows.columns),
        *((pl.col(name) * scale).round().cast(pl.Int32) for name, scale in scales.items()),
    )
    for name, scale in scales.items():
        kept = whole[name].cast(pl.Float64).to_numpy() / scale
        if not np.array_equal(kept, rows[name].cast(pl.Float64).to_numpy(), equal_nan=True):
            raise SystemExit(f"{name} has more decimals than its scale keeps.")
    metadata = {f"scale.{name}": str(scale) for name, scale in scales.items()} | {"empty": empty}
    if station:
        metadata["station"] = station
    return whole.to_arrow(compat_level=pl.CompatLevel.oldest()).replace_schema_metadata(metadata)


def write(table: pa.Table, file: Path) -> None:
    """Write Parquet of delta-encoded integers; the same table gives the same bytes."""
    numbers = {name for name in table.column_names if pa.types.is_integer(table.schema.field(name).type)}
    buffer = BytesIO()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=22,
        use_dictionary=[name for name in table.column_names if name not in numbers],
        column_encoding=dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
        write_statistics=False,
        row_group_size=1 << 20,
    )
    file.write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main()
