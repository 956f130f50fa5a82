"""The record that later runs add to: nothing is lost, nothing of another protocol is mixed in, and it reads back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nyiso_2019h2 import PROTOCOL
from peers import ours
from peers.base import Job
from peers.record import configuration, entry, merged, read
from peers.registry import PEERS
from peers.results import Result, told
from peers.table import markdown

from power_nowcast.contracts import PREDICTIONS
from power_nowcast.regions import load
from tests.benchmarks import toy_grid

RECORD = Path(__file__).parents[2] / "benchmarks" / "results" / "peers_nyiso_2019h2.json"

FIGURES = {"title": "Some", "versions": {"somelib": "1.2"}, "train_s": 1.5, "predict_s": 0.2, "peak_mb": 100, "rows": 4}


@pytest.fixture
def job() -> Job:
    return Job(**toy_grid.job_of(series=("TOTAL",)))


def rows_of(*peers: str, error: float = 0.25) -> pl.DataFrame:
    figures = {"n": 9, "missing": 0, "MAPE": error, "pinball": 2 * error, "coverage": 0.8}
    return pl.DataFrame(
        [
            {"class": "a", "peer": name, "series": "TOTAL", "horizon_min": h, **figures}
            for name in peers
            for h in (15, 60)
        ]
    )


def test_a_record_reads_back_as_it_was_written(job: Job) -> None:
    results = [Result("nhits", "a", "TOTAL", FIGURES, None), Result("openstef", "a", "TOTAL", {}, None, "no memory")]
    record, older = merged(None, job, results, rows_of("nhits"))
    assert older == 0
    found, rows = read(json.loads(json.dumps(record)))
    assert [(one.name, one.failed) for one in found] == [("openstef", "no memory"), ("nhits", "")]
    assert rows.select(sorted(rows.columns)).equals(rows_of("nhits").select(sorted(rows.columns)))
    assert "| Some 1.2 | .250 | .250 |" in markdown(found, rows, "TOTAL", (15, 60))


def test_a_later_run_replaces_its_own_rows_only(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    both = [Result(name, "a", "TOTAL", FIGURES, None) for name in ("persistence", "nhits")]
    path.write_text(json.dumps(merged(path, job, both, rows_of("persistence", "nhits"))[0]))
    again, older = merged(path, job, both[1:], rows_of("nhits", error=0.125))
    assert older == 1
    assert [one["peer"] for one in again["entries"]] == ["persistence", "nhits"]
    assert [one["horizons"][0]["MAPE"] for one in again["entries"]] == [0.25, 0.125]


def test_rows_of_another_protocol_are_refused(job: Job, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(merged(None, job, [], pl.DataFrame())[0]))
    with pytest.raises(ValueError, match="another protocol"):
        merged(path, replace(job, every_min=30), [], pl.DataFrame())


@pytest.mark.parametrize("name", PEERS)
def test_every_adapter_says_how_it_is_configured(name: str) -> None:
    assert len(configuration(name)) > 40


def test_our_row_is_read_from_what_a_benchmark_wrote(job: Job, tmp_path: Path) -> None:
    issues = pl.Series(job.issues.astype("datetime64[ns]")).dt.replace_time_zone("UTC")
    every = pl.DataFrame({"issue_time": [*issues, issues[0].replace(minute=5)]}, schema={"issue_time": issues.dtype})
    table = every.join(pl.DataFrame({"horizon_min": [15, 30, 45, 60, 75]}), how="cross")
    table = table.join(pl.DataFrame({"series": ["TOTAL", "SOUTH"]}), how="cross")
    table.with_columns(q10=pl.lit(1.0), q50=pl.lit(2.0), q90=pl.lit(3.0)).write_parquet(tmp_path / "p.parquet")
    seconds = {"ingest": 9.0, "panel": 1.0, "features": 2.0, "train": 30.0, "predict": 4.0}
    (tmp_path / "p.json").write_text(json.dumps({"seconds": seconds, "rows": []}))
    found = told(tmp_path / "p.parquet", job, "ours")
    assert found.predictions is not None
    assert len(found.predictions) == len(job.issues) * 4
    assert set(found.predictions["series"]) == {"TOTAL"}
    assert (found.figures["train_s"], found.figures["predict_s"]) == (33.0, 4.0)
    kept = entry(job, found, pl.DataFrame())
    assert kept["threads"] is None, "how many it was trained by is not known here"
    assert "one training of all series" in kept["configuration"]
    assert entry(job, replace(found, figures={"train_s": 1.0}), pl.DataFrame())["threads"] == job.threads


def test_the_committed_record_says_how_our_rows_were_made() -> None:
    record = json.loads(RECORD.read_text())
    mine = {(one["class"], one["series"]): one for one in record["entries"] if one["peer"] == "ours"}
    assert set(mine) == {("a", "NYCA"), ("a", "N.Y.C."), ("b", "NYCA"), ("b", "N.Y.C."), ("b", "NORTH")}
    for (inputs, _), one in mine.items():
        assert one["threads"] == (1 if inputs == "a" else None)
        assert ("nyiso_2019h2.py" in one["configuration"]) == (inputs == "b")


def test_our_ensemble_is_that_of_the_protocol(monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path) -> None:
    """What `make peers` trains by itself has the options of the model whose row is committed."""
    asked: list[dict[str, Any]] = []
    nothing = PREDICTIONS.to_frame()
    monkeypatch.setattr(ours.PowerNowcast, "_run", lambda *_, **options: asked.append(options) or nothing)
    (tmp_path / "region.json").write_text(load("nyiso").model_dump_json())
    ours.PowerNowcast(replace(job, inputs="b"), tmp_path).predict(None, job.issues)
    assert asked == [{"model": "ensemble", "options": {"members": PROTOCOL.members}}]
    assert asked[0]["options"]["members"]["mlp_local"]["by_series"] == {"NORTH": {"learning_rate": 1e-3, "networks": 2}}
