"""The naive peers, in this process, and what every adapter is made of."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from peers.base import Grid, Job, calendar, forward, lags, rows
from peers.registry import CLASSES, PEERS, peer

from tests.benchmarks import toy_grid

NAIVE = ("persistence", "last-week", "last-week-ramp")


@pytest.fixture(scope="module")
def grid() -> Grid:
    return Grid(toy_grid.grid())


@pytest.fixture(scope="module")
def job() -> Job:
    return Job(**toy_grid.job_of())


def fitted(name: str, job: Job, grid: Grid):
    made = peer(name)(job)
    made.fit(Grid(grid.frame[: grid.row(job.train_end)]))
    return made


@pytest.mark.parametrize("name", NAIVE)
def test_a_naive_peer_answers_every_pair_in_order(name: str, job: Job, grid: Grid) -> None:
    found = fitted(name, job, grid).predict(grid, job.issues)
    assert len(found) == len(job.issues) * len(job.series) * len(job.horizons_min)
    assert found.columns == ["series", "issue_time", "horizon_min", "q10", "q50", "q90"]
    assert found.filter((pl.col("q10") > pl.col("q50")) | (pl.col("q50") > pl.col("q90"))).is_empty()
    assert not found.select(pl.struct("series", "issue_time", "horizon_min").is_duplicated().any()).item()


@pytest.mark.parametrize("name", NAIVE)
def test_a_naive_peer_sees_nothing_after_its_issue_time(name: str, job: Job, grid: Grid) -> None:
    made = fitted(name, job, grid)
    middle = job.issues[len(job.issues) // 2]
    later = pl.col("valid_at") > pl.lit(middle.astype("datetime64[us]").item()).dt.replace_time_zone("UTC")
    changed = Grid(
        grid.frame.with_columns(pl.when(later).then(pl.exclude("valid_at") * 3).otherwise(pl.exclude("valid_at")))
    )
    before = pl.col("issue_time") <= pl.lit(middle.astype("datetime64[us]").item()).dt.replace_time_zone("UTC")
    whole = Grid(grid.frame.with_columns(pl.exclude("valid_at") * 3))
    was, now, other = (made.predict(one, job.issues) for one in (grid, changed, whole))
    assert was.filter(before).equals(now.filter(before))
    assert not was.filter(before).equals(other.filter(before))


def test_naive_medians_are_what_their_names_say(job: Job, grid: Grid) -> None:
    y, at = grid.filled("TOTAL"), grid.rows(job.issues)
    wanted = {
        "persistence": y[at],
        "last-week": y[at + 12 - 2016],
        "last-week-ramp": y[at] + y[at + 12 - 2016] - y[at - 2016],
    }
    for name, values in wanted.items():
        found = fitted(name, job, grid).predict(grid, job.issues)
        hour = found.filter(pl.col("series") == "TOTAL", pl.col("horizon_min") == 60)["q50"]
        np.testing.assert_allclose(hour.to_numpy(), values)


def test_naive_medians_follow_the_step_of_the_grid() -> None:
    coarse, job = Grid(toy_grid.grid(step=30)), Job(**toy_grid.half_hours())
    assert (coarse.interval_min, job.steps, job.day, job.week) == (30, (1, 2), 48, 336)
    y, at = coarse.filled("TOTAL"), coarse.rows(job.issues)
    assert (coarse.times[at] == job.issues).all()
    found = fitted("last-week-ramp", job, coarse).predict(coarse, job.issues)
    hour = found.filter(pl.col("series") == "TOTAL", pl.col("horizon_min") == 60)["q50"]
    np.testing.assert_allclose(hour.to_numpy(), y[at] + y[at + 2 - 336] - y[at - 336])


def test_lags_reach_as_far_back_on_every_grid() -> None:
    """Three hours or twelve steps, then the same times of days and weeks before."""
    fine, quarter, half = (lags(Job(**toy_grid.job_of(interval_min=step, horizons_min=(60,)))) for step in (5, 15, 30))
    assert fine[:36] == list(range(1, 37))
    assert fine[36:39] == [285, 288, 291]
    assert quarter[:15] == [*range(1, 13), 95, 96, 97]
    assert half[:15] == [*range(1, 13), 47, 48, 49]
    for found, week in ((fine, 2016), (quarter, 672), (half, 336)):
        assert {week, 2 * week} <= set(found)
        assert found == sorted(set(found))
        assert max(found) == 2 * week + (week // 672 or 1)


def test_no_answer_is_below_the_floor(job: Job) -> None:
    values = {"TOTAL": np.array([[[-3.0, -1.0, 2.0]] * 4])}
    assert rows(replace(job, floor=0.0), job.issues[:1], values).row(0)[3:] == (0.0, 0.0, 2.0)
    assert rows(job, job.issues[:1], values).row(0)[3:] == (-3.0, -1.0, 2.0)


def test_every_peer_has_a_place_in_a_class() -> None:
    assert set(PEERS) == {name for names in CLASSES.values() for name in names}
    for name in NAIVE:
        assert peer(name).inputs == "a"


def test_a_job_survives_its_json_and_spreads_its_issue_times(job: Job) -> None:
    assert Job.from_json(job.to_json()) == job
    assert job.issues[0] == np.datetime64(job.first)
    assert job.issues[-1] <= np.datetime64(job.last)
    assert set(np.diff(job.issues).astype(int)) == {195}
    # 13 quarter hours on, and again, meets each of the 96 quarter hours of a day alike.
    many = Job(**toy_grid.job_of(last="2019-04-17T00:00")).issues.astype(np.int64) // 15 % 96
    assert np.bincount(many, minlength=96).min() >= np.bincount(many).max() - 1 > 0


def test_holes_are_filled_from_before(grid: Grid) -> None:
    y = grid.load("TOTAL")
    (first, *others) = np.flatnonzero(np.isnan(y))
    assert len(others) == 2
    np.testing.assert_array_equal(grid.filled("TOTAL")[first : first + 3], y[first - 1])
    assert forward(np.array([np.nan, np.nan])).tolist() == [0, 0]


def test_inputs_are_the_series_own_and_everybodys(grid: Grid) -> None:
    assert set(grid.inputs("SOUTH")) == {"operator", "operator_ramp_5", "temperature_c"}
    assert grid.inputs("SOUTH")["operator"].max() < 5000 < grid.inputs("TOTAL")["operator"].max()


def test_rows_put_levels_in_order_unless_told_otherwise(job: Job) -> None:
    values = {"TOTAL": np.array([[[3.0, 2.0, 1.0]] * 4])}
    assert rows(job, job.issues[:1], values).row(0)[3:] == (1.0, 2.0, 3.0)
    assert rows(job, job.issues[:1], values, crossing=True).row(0)[3:] == (3.0, 2.0, 1.0)


def test_the_calendar_is_local_and_knows_holidays(job: Job) -> None:
    times = np.array(["2019-01-01T05:00", "2019-01-02T04:55", "2019-07-03T12:00"], "datetime64[m]")
    found = calendar(times, job)
    assert found["minute"].tolist() == [0, 1435, 480]
    assert found["holiday"].tolist() == [1, 1, 0]
