"""nowcast compare as a user types it: files, versions, runs, and what is no run."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from power_nowcast import cli, mlflow_client
from tests.cli.test_tables import check_digits
from tests.small_job import job_of, write_region

pytestmark = pytest.mark.slow  # evaluate/test_comparison.py has the figures and the page in `make test`


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, ["compare", *(str(one) for one in arguments)])


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    """A region with two evaluated versions."""
    folder = work_in(tmp_path_factory.mktemp("comparing"))
    file = write_region(folder, "pairland")
    commands = [["ingest"], ["features", "--every", "60", "--valid-days", "14", "--test-days", "14"]]
    for number, model in enumerate(("persistence", "persistence_ramp"), 1):
        commands += [["train", "-m", model], ["evaluate", "--version", str(number)]]
    for one in commands:
        done = CliRunner().invoke(cli.app, [*one, "-r", str(file)])
        assert done.exit_code == 0, done.output
    return file


def test_versions_are_compared_in_tables_with_a_page(toml: Path) -> None:
    done = call("1", "2", "-r", toml)
    assert done.exit_code == 0, done.output
    plain = " ".join(done.stdout.split())
    assert "persistence_ramp v2 against persistence v1: absolute error" in plain
    assert "smaller absolute error than persistence v1" in plain
    assert "Diebold and Mariano, adjusted (Holm) for the 6 tests" in plain
    page = Path("reports/pairland/compare/compare.html").read_text()
    assert "pairland-nowcast version 2 (persistence_ramp)" in page
    assert "power" in page  # the tables that hold the truth
    assert len(list(Path("reports/pairland/compare").glob("*.png"))) == 2


def test_a_terminal_of_80_columns_shows_every_digit(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_digits(monkeypatch, "compare", "1", "2", "-r", toml)


def test_a_file_a_version_and_a_run_are_the_same_predictions(toml: Path, tmp_path: Path) -> None:
    run_id = mlflow_client.find(job_of(toml).region, "2").run_id
    file = Path("reports/pairland/persistence_ramp/predictions.parquet")
    done = call(file, "2", run_id, "-r", toml, "--json", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    assert values["reference"] == "predictions"
    assert len(values["runs"]) == 2
    assert all(row["difference"] == 0 and row["p"] == 1 for row in values["cells"])
    assert Path(values["page"]) == tmp_path / "out" / "compare.html"


def test_fewer_quantiles_and_one_series_will_do(toml: Path, tmp_path: Path) -> None:
    table = pl.read_parquet("reports/pairland/persistence/predictions.parquet")
    peer = table.select("series", pl.col("issue_time").dt.replace_time_zone(None), "horizon_min", "q10", "q50", "q90")
    peer.write_parquet(tmp_path / "peer.parquet")
    done = call(tmp_path / "peer.parquet", "2", "-r", toml, "--series", "ALL", "--json", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    values = json.loads(done.stdout)
    assert values["quantiles"] == [0.1, 0.5, 0.9]
    assert {row["series"] for row in values["cells"]} == {"ALL"}


def test_what_is_no_run_is_said(toml: Path, tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no Parquet")
    pl.DataFrame({"series": ["ALL"]}).write_parquet(tmp_path / "poor.parquet")
    table = pl.read_parquet("reports/pairland/persistence/predictions.parquet")
    pl.concat([table.head(3), table.head(3)]).write_parquet(tmp_path / "twice.parquet")
    table.head(3).with_columns(pl.lit("ALL").alias("issue_time")).write_parquet(tmp_path / "timeless.parquet")
    for name, code, text in (
        ("no/such.parquet", 2, "no file"),
        (tmp_path / "text.parquet", 1, "not a Parquet file"),
        (tmp_path / "poor.parquet", 1, "no column issue_time, horizon_min, q50"),
        (tmp_path / "twice.parquet", 1, "twice"),
        (tmp_path / "timeless.parquet", 1, "is not a time"),
        ("9", 1, "no version '9'"),
        ("0" * 32, 1, "refused"),
    ):
        done = call("1", name, "-r", toml)
        assert done.exit_code == code, done.output
        assert text in " ".join(done.stderr.split()), name
    assert call("1", "-r", toml).exit_code == 2
    assert call("1", "2", "-r", toml, "--series", "NOWHERE").exit_code == 2


def test_a_run_without_predictions_is_said(toml: Path) -> None:
    region = job_of(toml).region
    with mlflow_client.run(region, "nothing") as run:
        run.json("note.json", {})
    done = call("1", run.id, "-r", toml)
    assert done.exit_code == 1
    assert "has logged no predictions" in " ".join(done.stderr.split())
    assert "nowcast evaluate" in done.stderr
