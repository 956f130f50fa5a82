"""The four grids: each is asked as its own script asks it, at issue times that meet every slot of the day alike."""

import ast
from math import gcd
from pathlib import Path

import numpy as np
import pytest
from peers.base import Job
from peers.grids import POWER_GRIDS, PowerGrid
from protocol import minute

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.parametrize("name", POWER_GRIDS)


@pytest.fixture
def grid(name: str) -> PowerGrid:
    return POWER_GRIDS[name]


@pytest.fixture
def job(grid: PowerGrid, tmp_path: Path) -> Job:
    return grid.job(grid.region(tmp_path), "test", threads=1)


def test_a_grid_is_the_protocol_of_the_script_of_its_name(name: str, grid: PowerGrid, job: Job) -> None:
    script = ROOT / "benchmarks" / f"{name}.py"
    assert '__name__ == "__main__"' in script.read_text()
    assert job.grid == name
    assert (job.train_end, job.first, job.last) == tuple(
        str(minute(text)) for text in (grid.protocol.train_end, grid.protocol.first, grid.protocol.last)
    )
    assert job.series == grid.protocol.series
    assert Job.from_json(job.to_json()) == job


def test_steps_are_those_of_the_region(grid: PowerGrid, job: Job, tmp_path: Path) -> None:
    region = grid.region(tmp_path)
    assert job.interval_min == region.interval_minutes
    assert set(job.series) <= set(region.series)
    assert [step * job.interval_min for step in job.steps] == list(job.horizons_min)
    assert max(job.horizons_min) == 60


def test_issue_times_meet_every_slot_of_the_day_alike(grid: PowerGrid, job: Job) -> None:
    every = grid.protocol.issue_every_min
    slots = 1440 // every
    assert grid.every_min % every == 0
    assert gcd(grid.every_min // every, slots) == 1
    met = np.bincount(job.issues.astype(np.int64) // every % slots, minlength=slots)
    assert met.min() >= met.max() - 1 > 0


def test_validation_ends_before_the_test_begins(grid: PowerGrid) -> None:
    train_end, first, last = (minute(text) for text in grid.validation)
    assert train_end <= first < last
    assert last + np.timedelta64(60, "m") <= minute(grid.protocol.train_end)


def test_only_power_of_the_sun_has_a_floor_and_a_capacity(name: str, grid: PowerGrid, job: Job) -> None:
    is_sun = "solar" in name
    assert (job.floor == 0.0) == is_sun
    assert (grid.score == "nMAE") == is_sun


def test_our_model_of_class_b_is_that_of_the_script(name: str, grid: PowerGrid) -> None:
    """The script's default, which `--model` changes."""
    tree = ast.parse((ROOT / "benchmarks" / f"{name}.py").read_text())
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call)]
    defaults = [one for one in calls if getattr(one.func, "attr", "") == "set_defaults"]
    named = [word.value.value for one in defaults for word in one.keywords if word.arg == "model"]
    assert grid.model == (named[0] if named else "lightgbm")
