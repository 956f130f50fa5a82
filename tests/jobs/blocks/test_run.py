"""The main job by blocks, on real tables; workers are this process, as the engine has tests of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import PromotionRefusedError
from power_nowcast.jobs.blocks import run as by_blocks
from power_nowcast.jobs.blocks.plan import Block, blocks_of
from power_nowcast.jobs.blocks.run import Outcome
from power_nowcast.jobs.job import Job
from power_nowcast.live.records import newest
from tests.jobs.blocks.small_grid import DAYS, PLAN, SMALL, START, STEP, ZONES, job_of, power, write_power, write_region


class Here:
    """Tasks one after the other in this process."""

    def each[Task, Result](
        self, work: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Result]]:
        for task in tasks:
            yield task, work(task)


@contextmanager
def here(name: str, count: int) -> Iterator[Here]:
    yield Here()


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_blocks, "engine", here)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    return write_region(work_in(tmp_path_factory.mktemp("blocks")))


@pytest.fixture(scope="module")
def outcome(file: Path) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_blocks, "engine", here)
        return by_blocks.run(job_of(file), PLAN, **SMALL)


def test_every_zone_is_nowcast_by_one_booster(file: Path, outcome: Outcome) -> None:
    job = job_of(file)
    assert outcome.zones == ZONES
    assert outcome.left_out == ()
    assert outcome.figures["MAE"] < 1
    boosters = set()
    for block in blocks_of(job):
        present = newest(block.store(), block.name)
        assert present is not None
        assert present.nowcast.series == block.region.series
        assert np.isfinite(present.nowcast.values).all()
        assert present.issue_time == START + timedelta(days=DAYS)
        boosters |= {(block.artifacts / "pooled/model/zone/series00-030min.txt").read_bytes()}
    (booster,) = boosters
    assert 1 <= booster.count(b"\nTree=") <= SMALL["options"]["n_estimators"], "the given options are those of training"


def test_nothing_is_made_again(file: Path, outcome: Outcome) -> None:
    job, before = job_of(file), {}
    for block in blocks_of(job):
        before |= {path: path.stat().st_mtime_ns for path in block.artifacts.rglob("*") if path.is_file()}
    again = by_blocks.run(job, PLAN, **SMALL)
    assert again.digest == outcome.digest
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(before) > 20


def test_an_interrupted_job_goes_on_to_the_same_digest(tmp_path: Path, work_in, outcome: Outcome) -> None:
    """It is stopped in the middle of each kind of task."""
    file = write_region(work_in(tmp_path))
    for moment in ("collect: 2 of 3", "features: 1 of 3", "calibrate: 2 of 3", "backtest: 1 of 3"):

        def stop(text: str, moment: str = moment) -> None:
            if text.startswith(moment):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            by_blocks.run(replace(job_of(file), progress=stop), PLAN, **SMALL)
    assert by_blocks.run(job_of(file), PLAN, **SMALL).digest == outcome.digest


def test_a_new_file_is_an_interval_of_all_blocks(tmp_path: Path, work_in) -> None:
    file = write_region(work_in(tmp_path))
    job = job_of(file)
    by_blocks.run(job, PLAN, **SMALL)
    end = START + timedelta(days=DAYS)
    write_power(tmp_path / "power-2.parquet", power(days=DAYS + 1)[DAYS * 48 :][:1], end)
    told = by_blocks.publish(job, Here(), blocks_of(job), end + STEP + timedelta(seconds=30), new=True)
    assert {one.issue_time for one in told} == {end + STEP}
    assert sum(one.zones for one in told) == ZONES
    assert by_blocks.new_files(job)[0] == (), "both files are noted"
    again = by_blocks.publish(job, Here(), blocks_of(job), end + STEP + timedelta(seconds=40), new=True)
    assert again == told, "what is published stands"
    _follow_with_a_silent_zone(job, tmp_path, end + STEP)


def _follow_with_a_silent_zone(job: Job, folder: Path, before: datetime) -> None:
    """A zone of the first block says nothing: its block waits half an interval, the others do not."""
    values = power(days=DAYS + 1)[DAYS * 48 :][1:2]
    values[:, 1] = np.nan
    write_power(folder / "power-3.parquet", values, before)
    issue, blocks = before + STEP, blocks_of(job)
    times = iter([issue + timedelta(seconds=31), issue + STEP / 2])
    seen: list[list[datetime]] = []

    def clock() -> datetime:
        seen.append([present(block) for block in blocks])
        return next(times)

    by_blocks.follow(job, lambda: len(seen) == 2, clock=clock, sleep=lambda _: None)
    assert seen == [[before] * 3, [before, issue, issue]]
    assert [present(block) for block in blocks] == [issue] * 3


def present(block: Block) -> datetime:
    found = newest(block.store(), block.name)
    assert found is not None
    return found.issue_time


def test_a_block_without_values_is_left_out_and_told(tmp_path: Path, work_in) -> None:
    file = write_region(work_in(tmp_path))
    values = power()
    values[:, 5:10] = np.nan  # the second block
    values[-8 * 48 :, 0] = np.nan  # and a zone that fell silent before the part for calibration
    write_power(tmp_path / "power-1.parquet", values)
    said: list[str] = []
    outcome = by_blocks.run(job_of(file, said=said), PLAN, **SMALL)
    assert outcome.zones == ZONES - 6
    assert outcome.left_out == ("F00",)
    assert any("grid.0001 is left out" in line for line in said)


def test_a_version_that_is_worse_than_the_last_value_does_not_answer(file: Path, outcome: Outcome) -> None:
    job = job_of(file)
    kept = job.store.documents.read("grid/production")
    for figures, said in (
        ({"MAE": 1.2, "coverage_80": 0.8}, "MAE is 1.20"),
        ({"MAE": 0.5, "coverage_80": 0.95}, "95%"),
    ):
        with pytest.raises(PromotionRefusedError, match=said):
            by_blocks.promote(job, "other", {}, figures)
    assert job.store.documents.read("grid/production") == kept


def test_a_long_file_gives_the_rows_of_a_wide_one(tmp_path: Path) -> None:
    wide, long = tmp_path / "wide", tmp_path / "long"
    found = []
    for folder in (wide, long):
        folder.mkdir()
        job = job_of(write_region(folder))
        if folder is long:
            file = folder / "power-1.parquet"
            table = pl.read_parquet(file).unpivot(index="time", variable_name="series", value_name="value")
            table.write_parquet(file)
        blocks = blocks_of(job, 5)
        by_blocks.collect(job, Here(), blocks)
        stored = blocks[1].store()
        rows = stored.as_of(Table.POWER, blocks[1].name).select("series", "valid_at", "value")
        found.append(rows)
        kept = [path for path in Path(blocks[1].address.root, "raw").rglob("*") if path.is_file()]
        assert len(kept) == 1
        assert kept[0].stat().st_size < (folder / "power-1.parquet").stat().st_size
    assert found[0].equals(found[1])
    assert len(found[0]) == 5 * DAYS * 48
