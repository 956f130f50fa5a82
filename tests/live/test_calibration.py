"""A calibration that is followed in the process: checkpoints are few, and a restart goes on with the same bits."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration_state import unpack, unpack_pending
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


def known_at(panel: Panel, issue: np.datetime64) -> Panel:
    """The panel as it was at an issue time."""
    values = np.where(panel.times[:, None] <= issue, panel.power.values, np.nan)
    weather = np.where(panel.times[:, None] <= issue, panel.weather.values, np.nan)
    return replace(
        panel, power=replace(panel.power, values=values), weather=replace(panel.weather, values=weather), known_at=issue
    )


def run(following: FollowedCalibration, panel: Panel, issues: np.ndarray) -> list[str]:
    return [following.step(known_at(panel, issue), issue, now=NOW).id for issue in issues]


def test_the_store_has_a_checkpoint_now_and_then(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    store = Store(tmp_path)
    running = FollowedCalibration(store, bundle, every=EVERY)
    assert running.calibration is bundle.calibration
    ids = run(running, panel, issues_after(bundle, panel, 4 * EVERY))
    assert len(set(ids[1:])) == len(ids) - 1  # every interval but the first brings outcomes
    kept = store.records[CALIBRATIONS].read("toy")
    assert kept["calibration_id"].to_list() == ids[EVERY - 1 :: EVERY]
    assert calibration_in_force(store, bundle).id == ids[-1]


def test_interval_by_interval_gives_the_bits_of_a_backtest(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    issues = issues_after(bundle, panel, 60)
    running = FollowedCalibration(Store(tmp_path), bundle, every=EVERY)
    told = []
    for issue in issues:
        calibration = running.step(known_at(panel, issue), issue, now=NOW)
        told.append(bundle.predict(known_at(panel, issue), issue[None], calibration=calibration).values[0])
    replayed, after = bundle.replay(panel, issues)
    np.testing.assert_array_equal(np.array(told), replayed.values)
    assert running.calibration.id == after.id != bundle.calibration.id


@pytest.mark.parametrize("killed_after", [1, EVERY - 1, EVERY, 2 * EVERY + 3])
def test_a_restart_goes_on_with_the_same_bits(bundle: Bundle, panel: Panel, tmp_path: Path, killed_after: int) -> None:
    issues = issues_after(bundle, panel, 3 * EVERY)
    whole = run(FollowedCalibration(Store(tmp_path / "whole"), bundle, every=EVERY), panel, issues)
    run(FollowedCalibration(Store(tmp_path / "broken"), bundle, every=EVERY), panel, issues[:killed_after])
    again = FollowedCalibration(Store(tmp_path / "broken"), bundle, every=EVERY)
    rest = issues[issues > again.as_of]
    assert len(rest) == len(issues) - killed_after // EVERY * EVERY
    assert run(again, panel, rest) == whole[-len(rest) :]


def test_an_issue_time_that_is_counted_already_changes_nothing(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    running, issues = FollowedCalibration(Store(tmp_path), bundle), issues_after(bundle, panel, 5)
    ids = run(running, panel, issues)
    assert run(running, panel, issues[2:]) == [ids[-1]] * 3


def test_an_outcome_that_does_not_come_is_given_up(bundle: Bundle, panel: Panel, tmp_path: Path) -> None:
    store, issues = Store(tmp_path), issues_after(bundle, panel, 60)
    silent = panel.power.values.copy()
    silent[panel.times == issues[2], 1] = np.nan
    running = FollowedCalibration(store, bundle, every=60)
    run(running, replace(panel, power=replace(panel.power, values=silent)), issues)
    state = store.read_calibration("toy", bundle.digest)
    assert state is not None
    pending = unpack_pending(state)
    assert pending is not None
    assert pending.issue_times[0] >= issues[-1] - np.timedelta64(1, "D")
    assert unpack(state).id == running.calibration.id


def test_an_interval_is_predicted_once_for_both_questions(
    bundle: Bundle, panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, advance = list[np.datetime64](), Bundle.advance
    monkeypatch.setattr(Bundle, "advance", lambda *args: asked.append(args[-1]) or advance(*args))
    one, other = FollowedCalibration(Store(tmp_path), bundle), FollowedCalibration(Store(tmp_path), bundle)
    issues = issues_after(bundle, panel, 3)
    for issue in issues:
        window = known_at(panel, issue)
        ahead = one.ahead(window, issue)
        assert one.step(window, issue, now=NOW).id == ahead.id
        assert one.ahead(window, issue).id == ahead.id
    assert asked == list(issues)
    # Another panel is another question.
    other.ahead(known_at(panel, issues[0]), issues[0])
    other.ahead(known_at(panel, issues[0] - np.timedelta64(1, "D")), issues[0])
    assert asked == [*issues, issues[0], issues[0]]
