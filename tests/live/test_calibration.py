"""A calibration that is followed in the process: checkpoints are few, and a restart goes on with the same bits."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration_state import unpack
from power_nowcast.contracts import Panel
from power_nowcast.live.calibration import FollowedCalibration
from power_nowcast.live.nowcaster import calibration_in_force
from power_nowcast.store import Store
from power_nowcast.store.tables import CALIBRATIONS
from tests.toy import toy_bundle, toy_panel, toy_region

NOW = datetime(2024, 5, 1, tzinfo=UTC)
EVERY = 6


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return toy_bundle(toy_region())


@pytest.fixture(scope="module")
def panel() -> Panel:
    return toy_panel(toy_region(), days=64)


def issues_after(bundle: Bundle, panel: Panel, count: int) -> np.ndarray:
    """The first issue times that no outcome of the frozen calibration reaches."""
    return panel.times[panel.times > bundle.calibration.as_of][:count]


def test_the_store_has_a_checkpoint_now_and_then(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    store = Store(tmp_path)
    running = FollowedCalibration(store, bundle, every=EVERY)
    assert running.calibration is bundle.calibration
    issues = issues_after(bundle, panel, 4 * EVERY)
    ids = [running.follow(panel, issue, now=NOW).id for issue in issues]
    assert len(set(ids)) == len(ids)  # every interval brings outcomes
    kept = store.records[CALIBRATIONS].read("toy")
    assert len(kept) == 4
    assert kept["calibration_id"].to_list() == ids[EVERY - 1 :: EVERY]
    assert calibration_in_force(store, bundle).id == ids[-1]


def test_a_restart_at_any_interval_goes_on_with_the_same_bits(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    running = FollowedCalibration(whole, bundle, every=EVERY)
    for issue in issues_after(bundle, panel, 3 * EVERY):
        expected = running.follow(panel, issue, now=NOW)
        again = FollowedCalibration(broken, bundle, every=EVERY).follow(panel, issue, now=NOW)
        assert again.id == expected.id
        assert again.as_of == expected.as_of == issue


def test_an_interval_that_was_missed_is_caught_up(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    issues = issues_after(bundle, panel, EVERY - 1)
    running = FollowedCalibration(Store(tmp_path / "a"), bundle, every=EVERY)
    ids = [running.follow(panel, issue, now=NOW).id for issue in issues]
    late = FollowedCalibration(Store(tmp_path / "b"), bundle, every=EVERY)
    assert late.follow(panel, issues[-1], now=NOW).id == ids[-1]


def test_what_is_followed_in_steps_is_near_one_replay(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    """Each outcome counts once, though a checkpoint comes between its issue and it."""
    store, issues = Store(tmp_path), issues_after(bundle, panel, 60)
    running = FollowedCalibration(store, bundle, every=EVERY)
    for issue in issues:
        running.follow(panel, issue, now=NOW)
    before = issues[0] - np.arange(2, 0, -1) * np.timedelta64(30, "m")
    replayed = bundle.follow(bundle.calibration, panel, np.concatenate([before, issues]))
    stepwise = running.calibration
    moved = np.abs(replayed.base - bundle.calibration.base).max()
    assert moved > 0.05
    assert np.abs(stepwise.base - replayed.base).max() < 0.2 * moved
    assert np.abs(stepwise.balance - replayed.balance).max() < 0.02


def test_without_history_the_checkpoint_stays_in_force(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    store = Store(tmp_path)
    running = FollowedCalibration(store, bundle)
    early = panel.times[panel.times <= bundle.calibration.as_of][-1]
    assert running.follow(panel, early, now=NOW) is bundle.calibration
    assert store.read_calibration("toy", bundle.digest) is None


def test_a_checkpoint_is_compact_text(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    store = Store(tmp_path)
    running = FollowedCalibration(store, bundle, every=1)
    followed = running.follow(panel, issues_after(bundle, panel, 1)[0], now=NOW)
    state = store.read_calibration("toy", bundle.digest)
    assert state is not None
    assert unpack(state).id == followed.id
