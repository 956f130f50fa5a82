"""period: a model of what came before, nowcasts of what came after; the command writes what scorers read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.collect import write_all
from power_nowcast.errors import MissingDataError
from power_nowcast.evaluate.backtest import WRITTEN
from power_nowcast.jobs.period import Period, backtest, known_before
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.small_job import job_of, write_region

TRAIN_END, LAST = np.datetime64("2024-04-20T00:00", "m"), np.datetime64("2024-04-24T00:00", "m")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    return write_region(work_in(tmp_path_factory.mktemp("period")), "periodland")


def test_what_comes_after_the_training_changes_no_nowcast_before_it(file: Path, tmp_path: Path) -> None:
    """Rows after the last issue time may be anything."""
    region = job_of(file).region
    found = []
    for place, cut in (("whole", None), ("cut", datetime(2024, 4, 24, tzinfo=UTC))):
        store = Store(tmp_path / place)
        write_all(store, region, end=cut)
        nowcasts, _ = backtest(
            store, region, Period(TRAIN_END, TRAIN_END, LAST, every_minutes=60), model="persistence_ramp"
        )
        found.append(nowcasts)
    whole, cut_off = found
    assert whole.issue_times[0] < TRAIN_END  # the warm-up
    assert whole.issue_times[-1] == LAST
    np.testing.assert_array_equal(whole.values, cut_off.values)


def test_too_little_before_the_training_ends_is_told(file: Path, tmp_path: Path) -> None:
    region = job_of(file).region
    store = Store(tmp_path)
    with pytest.raises(MissingDataError, match="holds no power"):
        backtest(store, region, Period(TRAIN_END, TRAIN_END, LAST))
    write_all(store, region)
    with pytest.raises(MissingDataError, match="later --train-end"):
        backtest(store, region, Period(np.datetime64("2024-03-03T00:00", "m"), TRAIN_END, LAST))


def _with_gap(store: Store, region: Region, first: datetime, last: datetime) -> None:
    """The region's data without those between two times."""
    write_all(store, region, end=first)
    write_all(store, region, start=last)


@pytest.mark.parametrize("silent_days", [13, 14, 15])
def test_held_out_days_are_those_that_have_data(
    file: Path, tmp_path: Path, silent_days: int, caplog: pytest.LogCaptureFixture
) -> None:
    """60 days of data, cut short before the training ends: what is held out lies before the silence."""
    region = job_of(file).region
    store = Store(tmp_path)
    end = datetime(2024, 4, 20, tzinfo=UTC)
    silent_from = end - timedelta(days=silent_days)
    write_all(store, region, end=silent_from)
    write_all(store, region, start=end + timedelta(minutes=30))
    learnt = known_before(store, region, Period(TRAIN_END, TRAIN_END, LAST, valid_days=5))
    valid = learnt.valid.block.issue_times
    begins = np.datetime64(silent_from.replace(tzinfo=None), "m") - np.timedelta64(5, "D")
    assert valid[0] == begins
    assert learnt.train.block.issue_times[-1] < begins - np.timedelta64(90, "m")
    known = np.isfinite(learnt.valid.ramps).all(axis=(1, 2))
    assert np.unique(valid[known].astype("datetime64[D]")).size == 5
    assert "little data in the 5 days before" in caplog.text
    bundle = learnt.train_model("persistence_ramp")
    assert np.isfinite(bundle.golden_mw[0]).all()


def test_held_out_days_stay_where_most_of_them_have_data(file: Path, tmp_path: Path) -> None:
    region = job_of(file).region
    store = Store(tmp_path)
    end = datetime(2024, 4, 20, tzinfo=UTC)
    _with_gap(store, region, end - timedelta(days=7), end - timedelta(days=3))
    learnt = known_before(store, region, Period(TRAIN_END, TRAIN_END, LAST, valid_days=10))
    assert learnt.valid.block.issue_times[0] == TRAIN_END - np.timedelta64(10, "D")


def test_too_few_days_with_data_are_told_in_words(file: Path, tmp_path: Path) -> None:
    region = job_of(file).region
    store = Store(tmp_path)
    write_all(store, region, end=datetime(2024, 3, 11, tzinfo=UTC))
    with pytest.raises(MissingDataError, match=r"has 3 days with examples before 2024-04-20T00:00 UTC.*4 or more"):
        known_before(store, region, Period(TRAIN_END, TRAIN_END, LAST))


def test_the_command_writes_the_columns_of_the_protocols(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "predictions.parquet"
    times = ["--train-end", "2024-04-20", "--first", "2024-04-20", "--last", "2024-04-21T00:00"]
    done = CliRunner().invoke(
        cli.app, ["backtest", "-r", str(file), *times, "-m", "persistence_ramp", "--every", "30", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    table = pl.read_parquet(out)
    assert table.schema == WRITTEN
    assert table["issue_time"].n_unique() == 49
    assert table["issue_time"].min() == datetime(2024, 4, 20, tzinfo=UTC)
    assert sorted(table["horizon_min"].unique()) == [30, 60]
