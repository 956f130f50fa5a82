"""Every library that is installed, on made-up data: it answers all, beats persistence, and sees no future."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from peers.base import Grid, Job
from peers.registry import CLASSES
from peers.results import Result, run

from tests.benchmarks import toy_grid

LIBRARIES = ("openstef", "nhits", "skforecast", "mlforecast", "fracast")
ASKED = [(name, inputs) for inputs, names in CLASSES.items() for name in names if name in LIBRARIES]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def mean_error(found: Result, grid: Grid, job: Job) -> pl.DataFrame:
    y = pl.DataFrame({"target": grid.frame["valid_at"], "y": grid.filled("TOTAL")})
    assert found.predictions is not None
    told = found.predictions.with_columns(target=pl.col("issue_time") + pl.duration(minutes=pl.col("horizon_min")))
    joined = told.join(y, on="target").group_by("horizon_min", maintain_order=True)
    return joined.agg(error=(pl.col("q50") - pl.col("y")).abs().mean(), n=pl.len())


@pytest.mark.parametrize("step", [5, 30])
@pytest.mark.parametrize(("name", "inputs"), ASKED)
def test_a_library_answers_beats_persistence_and_sees_no_future(
    name: str, inputs: str, step: int, tmp_path: Path, peers_python: Path
) -> None:
    made = toy_grid.job_of if step == 5 else toy_grid.half_hours
    job = Job(**made(series=("TOTAL",), inputs=inputs, every_min=390))
    grid = toy_grid.write(tmp_path, step=step)
    found = run(name, job, grid, tmp_path, peers_python, limit_s=1500)
    assert found.failed == ""
    assert found.figures["rows"] == len(job.issues) * len(job.horizons_min)
    stay = run(
        "persistence",
        replace(job, inputs="a"),
        grid,
        tmp_path,
        peers_python,
        limit_s=300,
    )
    read = Grid.read(grid)
    assert (mean_error(found, read, job)["error"] < mean_error(stay, read, job)["error"]).all()

    middle = pl.lit(job.issues[4].astype("datetime64[us]").item()).dt.replace_time_zone("UTC")
    now = pl.col("valid_at") > middle
    load = pl.col("load TOTAL")
    # Inputs of the hour after an issue time are known at it; load is not.
    changed = tmp_path / "changed.parquet"
    read.frame.with_columns(pl.when(now).then(load * 1.5).otherwise(load)).write_parquet(changed)
    other = run(name, job, changed, tmp_path / "changed", peers_python, limit_s=1500)
    assert other.predictions is not None
    assert found.predictions is not None
    before = pl.col("issue_time") <= middle
    was, is_now = (one.predictions.filter(before).select("q10", "q50", "q90").to_numpy() for one in (found, other))
    assert was == pytest.approx(is_now, rel=1e-5)
