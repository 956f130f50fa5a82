"""Real hours of New York, interval by interval, by two processes with three SIGKILLs: their backtest to the last bit.

`make test-week` follows a whole week, which takes about half an hour of processor time.
"""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.train import examples, train_bundle
from power_nowcast.collect import write_all
from power_nowcast.contracts import Table
from power_nowcast.features.panel import history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.live.records import newest, published
from power_nowcast.models.kinds import create
from power_nowcast.regions import load
from power_nowcast.store import Store
from power_nowcast.store.tables import NOWCASTS
from tests.live.week_process import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
REPO = Path(__file__).parents[2]
LENGTH = timedelta(hours=float(os.environ.get("FOLLOWED_HOURS", "4")))
KILLS = (0.2, 0.45, 0.7)
"""Shares of the time that are published when a process is killed."""
MODELS = 0.99
"""Share of the answers that are the model's, at least: its limits, from hourly examples, hold some back."""
HISTORY, TRAINING = timedelta(days=40), timedelta(days=60)


def test_two_processes_and_three_kills_give_the_bits_of_the_backtest(tmp_path: Path) -> None:
    region, whole = load("nyiso"), Store(tmp_path / "whole")
    write_all(whole, region)
    until = whole.last(Table.POWER, region.name)
    assert until is not None
    begin = until - LENGTH
    bundle = _trained(whole, begin)
    bundle.save(tmp_path / "bundle")
    (tmp_path / "digest").write_text(bundle.digest)
    store = Store(tmp_path / "data")
    for table in region.specs:
        rows = whole.versions(table, region.name, start=begin - HISTORY)
        store.append(table, rows.filter(pl.col("available_at") <= begin).select(ROWS), now=begin, are_versions=True)
    _followed(tmp_path, store, begin, until)
    found = published(store, region.name, begin, until)
    count = LENGTH // region.interval + 1
    assert [one.issue_time for one in found] == [begin + n * region.interval for n in range(count)]
    assert len(store.records[NOWCASTS].read(region.name)) == count * len(region.series)
    panel = history(whole, region, begin - HISTORY, until)
    replayed, _ = bundle.replay(panel, np.array([one.nowcast.issue_time for one in found]))
    is_model = np.array([[rung.is_model for rung in one.nowcast.rungs] for one in found])
    values = np.array([one.nowcast.values for one in found])
    np.testing.assert_array_equal(values[is_model], replayed.values[is_model])
    # A backtest has no checks before publishing: where one holds the model's answer back, the next rung answers.
    for n, s in np.argwhere(~is_model):
        assert any("held back" in why for why in found[n].nowcast.reasons[s]), found[n].nowcast.reasons[s]
    assert is_model.mean() > MODELS


def _trained(whole: Store, begin: datetime):
    region, spec = load("nyiso"), FeatureSpec.for_interval(5)
    panel = history(whole, region, begin - TRAINING, begin)
    issues = panel.times[panel.times >= panel.start + np.timedelta64(spec.minimum_history_minutes, "m")][::12]
    known = examples(panel, region, issues, spec)
    cut = issues[len(issues) * 3 // 4]
    parts = known.during(issues[0], cut, 90), known.during(cut, issues[-1], 90)
    return train_bundle(region, spec, create("lightgbm", region.series, spec.knots, n_estimators=10), *parts)[0]


def _followed(folder: Path, store: Store, begin: datetime, until: datetime) -> None:
    """Let two processes follow the time; at three times one of them is killed and begins again."""
    command = [sys.executable, "-m", "tests.live.week_process", str(folder), begin.isoformat(), until.isoformat()]
    with (folder / "log").open("a") as log:
        processes = [subprocess.Popen(command, cwd=REPO, stdout=log, stderr=log) for _ in range(2)]
        try:
            for turn, share in enumerate(KILLS):
                while (found := newest(store, "nyiso")) is None or found.issue_time < begin + share * (until - begin):
                    assert any(one.poll() is None for one in processes), (folder / "log").read_text()[-3000:]
                    time.sleep(0.1)
                processes[turn % 2].send_signal(signal.SIGKILL)
                processes[turn % 2].wait()
                processes[turn % 2] = subprocess.Popen(command, cwd=REPO, stdout=log, stderr=log)
            for one in processes:
                assert one.wait() == 0, (folder / "log").read_text()[-3000:]
        finally:
            for one in processes:
                one.kill()
                one.wait()
