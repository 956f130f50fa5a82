import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle, Info
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.calibration_state import pack
from power_nowcast.bundle.train import examples, train_bundle
from power_nowcast.contracts import Grid, Panel, Table
from power_nowcast.contracts.rungs import Rung
from power_nowcast.errors import HistoryError, ModelError, StaleDataError
from power_nowcast.live.nowcaster import Nowcaster, Quality, calibration_in_force
from power_nowcast.models.kinds import create
from power_nowcast.store import Store
from tests.features.history import DAYS, SPEC, START, STEP, bulk, live, past, region

AT = START + 14 * 48 * STEP
ISSUE = np.datetime64(AT.replace(tzinfo=None), "m")


@pytest.fixture(scope="module")
def frames() -> dict[Table, pl.DataFrame]:
    return past(41, gaps=0, late=0, corrections=0)


@pytest.fixture(scope="module")
def bundle(frames: dict[Table, pl.DataFrame]) -> Bundle:
    panel = bulk(frames)
    known = examples(panel, region(), panel.times[9 * 48 : 14 * 48], SPEC)
    cut, end = panel.times[12 * 48], panel.times[14 * 48]
    model = create("lightgbm", region().series, SPEC.knots, n_estimators=20)
    made, _ = train_bundle(region(), SPEC, model, known.during(panel.times[0], cut, 90), known.during(cut, end, 90))
    return made


@pytest.fixture
def panel(frames: dict[Table, pl.DataFrame]) -> Panel:
    return live(frames, AT)


def unknown(grid: Grid) -> Grid:
    return replace(grid, values=np.full_like(grid.values, np.nan))


def from_slot(panel: Panel, first: int) -> Panel:
    """The panel without what lies before a slot of power."""
    power, weather = (
        replace(grid, values=grid.values[first:], start=grid.times[first]) for grid in (panel.power, panel.weather)
    )
    return replace(panel, power=power, weather=weather)


def blank(panel: Panel, column: int | slice, last: int) -> Panel:
    power = panel.power.values.copy()
    power[-last:, column] = np.nan
    if isinstance(column, int):
        power[-last:, 0] = np.nan
    return replace(panel, power=replace(panel.power, values=power))


def test_one_answer_equals_the_bulk(bundle: Bundle, panel: Panel, frames: dict[Table, pl.DataFrame]) -> None:
    answer = Nowcaster(bundle).nowcast(panel, ISSUE)
    whole = bundle.predict(bulk(frames), np.array([ISSUE]))
    assert np.allclose(answer.values, whole.values[0], atol=1e-9, rtol=0)
    assert set(answer.quality) == {Quality.FULL}
    assert answer.flags == ()
    assert answer.model_digest == bundle.digest
    assert answer.calibration_id == bundle.calibration.id
    assert (answer.age_minutes == 0).all()


def test_missing_families_and_gaps_are_told(bundle: Bundle, panel: Panel) -> None:
    caster = Nowcaster(bundle)
    dry = replace(panel, weather=unknown(panel.weather))
    assert caster.nowcast(dry, ISSUE).flags == ("no weather",)
    alone = replace(panel, forecast=unknown(panel.forecast))
    answer = caster.nowcast(alone, ISSUE)
    assert answer.flags == ("no operator forecast",)
    assert set(answer.quality) == {Quality.REDUCED}
    holes = panel.power.values.copy()
    holes[-6:-1:2] = np.nan
    assert (
        "gaps in the recent hours"
        in caster.nowcast(replace(panel, power=replace(panel.power, values=holes)), ISSUE).flags
    )
    short = from_slot(panel, -8 * 48)
    answer = caster.nowcast(short, ISSUE)
    assert "short history" in answer.flags
    assert np.isfinite(answer.values).all()


@pytest.mark.parametrize(("slots", "flagged"), [((0, 5), True), ((0, 6), False), ((6, 7, 8), False), ((4, 5), True)])
def test_gaps_count_in_the_three_hours_up_to_the_issue_time(
    bundle: Bundle, panel: Panel, slots: tuple[int, ...], flagged: bool
) -> None:
    """Of six slots one that is empty is within what is usual, two are not; nothing before and after them counts."""
    power = panel.power.values.copy()
    power[[-1 - slot for slot in slots]] = np.nan
    # A caller's rows may reach past the issue time.
    empty = np.full((20, power.shape[1]), np.nan)
    longer = replace(
        panel,
        power=replace(panel.power, values=np.concatenate([power, empty])),
        weather=replace(panel.weather, values=np.pad(panel.weather.values, ((0, 20), (0, 0)), constant_values=10.0)),
    )
    for one in (replace(panel, power=replace(panel.power, values=power)), longer):
        assert ("gaps in the recent hours" in Nowcaster(bundle).nowcast(one, ISSUE).flags) is flagged


@pytest.mark.parametrize(("hour", "flagged"), [(-1, False), (0, True), (1, True), (2, False)])
def test_the_operators_forecast_is_asked_of_the_interval_at_hand_and_the_next(
    bundle: Bundle, panel: Panel, hour: int, flagged: bool
) -> None:
    issue = ISSUE - np.timedelta64(30, "m")  # in the middle of an hour
    assert panel.forecast.step_minutes == 60
    ends = panel.forecast.start + np.arange(len(panel.forecast.values)) * np.timedelta64(60, "m")
    forecast = panel.forecast.values.copy()
    assert Nowcaster(bundle).nowcast(panel, issue).flags[:-1] == ()
    at_hand = int(np.flatnonzero(ends > issue)[0])
    forecast[at_hand + hour] = np.nan
    found = Nowcaster(bundle).nowcast(replace(panel, forecast=replace(panel.forecast, values=forecast)), issue)
    assert ("no operator forecast" in found.flags) is flagged
    assert set(found.quality) == {Quality.REDUCED if flagged else Quality.FULL}


def test_answers_for_times_that_the_model_has_learnt_from_say_so(
    bundle: Bundle, panel: Panel, frames: dict[Table, pl.DataFrame]
) -> None:
    first, last = bundle.info.training
    assert (f"{first}Z", f"{last}Z") == (bundle.info.train_start, bundle.info.train_end)
    step, caster = np.timedelta64(30, "m"), Nowcaster(bundle)

    def flags(issue: np.datetime64, info: Info = bundle.info) -> tuple[str, ...]:
        at = issue.item().replace(tzinfo=UTC)
        answer = Nowcaster(replace(bundle, info=info)).nowcast(live(frames, at), issue)
        assert set(answer.quality) == {Quality.FULL}, "its inputs are whole"
        return answer.flags

    assert caster.nowcast(panel, ISSUE).flags == ()
    assert flags(last) == (), "its outcomes come after all that was learnt"
    assert flags(last - step) == ("inside training data",)
    later = replace(bundle.info, train_start=f"{last - step}Z")
    assert flags(last - step, later) == ("inside training data",)
    assert flags(last - 2 * step, later) == ("before training data",)


def test_late_data_fall_back_to_persistence_with_wider_bands(bundle: Bundle, panel: Panel) -> None:
    caster = Nowcaster(bundle)
    fresh, late = caster.nowcast(panel, ISSUE), caster.nowcast(blank(panel, slice(None), 4), ISSUE)
    assert set(late.quality) == {Quality.PERSISTENCE}
    assert (late.age_minutes == 120).all()
    assert set(late.rungs) <= {Rung.OPERATOR, Rung.PERSISTENCE}, "two weeks are too short for the usual change"
    assert Rung.OPERATOR in late.rungs
    assert (np.diff(late.values, axis=-1) >= 0).all()
    width = [np.mean(one.values[..., -1] - one.values[..., 0]) for one in (fresh, late)]
    assert width[1] > width[0]


def test_a_little_late_is_still_the_model(bundle: Bundle, panel: Panel) -> None:
    answer = Nowcaster(bundle).nowcast(blank(panel, slice(None), 1), ISSUE)
    assert set(answer.quality) == {Quality.FULL}
    assert (answer.age_minutes == 30).all()
    assert np.isfinite(answer.values).all()


def test_a_dead_zone_is_refused_and_the_total_with_it(bundle: Bundle, panel: Panel) -> None:
    answer = Nowcaster(bundle).nowcast(blank(panel, 2, 8), ISSUE)
    quality = dict(zip(answer.series, answer.quality, strict=True))
    assert quality["B"] == quality["ALL"] == Quality.REFUSED
    assert quality["A"] == Quality.REDUCED
    rows = [answer.series.index(name) for name in ("ALL", "B")]
    assert np.isnan(answer.values[rows]).all()
    assert np.isfinite(answer.values[answer.series.index("A")]).all()


def test_paths_have_the_quantiles_of_each_step_and_none_of_a_refused_series(bundle: Bundle, panel: Panel) -> None:
    nowcaster = Nowcaster(bundle)
    answer = nowcaster.nowcast(blank(panel, 2, 8), ISSUE)
    drawn = nowcaster.paths(answer, 5000, seed=7)
    assert drawn.shape == (len(answer.series), 5000, len(answer.steps_minutes))
    refused = np.array([quality is Quality.REFUSED for quality in answer.quality])
    assert np.isnan(drawn[refused]).all()
    share = (drawn[~refused][..., None] <= answer.values[~refused][:, None]).mean(axis=1)
    assert np.abs(share - answer.quantiles).max() < 0.03
    assert (nowcaster.paths(answer, 5000, seed=7)[~refused] == drawn[~refused]).all()
    assert (nowcaster.paths(answer, 5000, seed=8)[~refused] != drawn[~refused]).any()


def test_paths_of_no_seed_are_those_of_seed_0(bundle: Bundle, panel: Panel) -> None:
    nowcaster = Nowcaster(bundle)
    answer = nowcaster.nowcast(panel, ISSUE)
    drawn = nowcaster.paths(answer, 10)
    assert np.isfinite(drawn).all()
    assert np.array_equal(drawn, nowcaster.paths(answer, 10, seed=0))
    assert not np.array_equal(drawn, nowcaster.paths(answer, 10, seed=1))


def test_stale_and_short_are_errors_with_facts(bundle: Bundle, panel: Panel) -> None:
    caster = Nowcaster(bundle)
    with pytest.raises(StaleDataError) as stale:
        caster.nowcast(panel, ISSUE + np.timedelta64(4, "h"))
    assert stale.value.fields["newest"] == f"{ISSUE}Z"
    tiny = from_slot(panel, -48)
    with pytest.raises(HistoryError) as short:
        caster.nowcast(tiny, ISSUE)
    assert short.value.fields["needed_minutes"] == bundle.minimum_history_minutes


def test_the_newest_kept_calibration_is_in_force(bundle: Bundle, tmp_path, frames: dict[Table, pl.DataFrame]) -> None:
    store = Store(tmp_path)
    assert calibration_in_force(store, bundle).id == bundle.calibration.id
    _, after = bundle.replay(bulk(frames), bulk(frames).times[14 * 48 : (DAYS - 1) * 48])
    as_of = AT + timedelta(days=1)
    for _ in range(2):  # kept once
        store.write_calibration("toy", bundle.digest, after.id, as_of, json.dumps(after.to_json()), now=as_of)
    assert calibration_in_force(store, bundle).id == after.id
    assert calibration_in_force(store, bundle, AT).id == bundle.calibration.id


def test_a_kept_calibration_that_is_damaged_is_refused(bundle: Bundle, tmp_path) -> None:
    store = Store(tmp_path)
    store.write_calibration("toy", bundle.digest, "c", AT, pack(bundle.calibration)[:-40], now=AT)
    with pytest.raises(ModelError, match="cannot be read"):
        calibration_in_force(store, bundle)


def test_a_kept_calibration_of_something_else_is_refused(bundle: Bundle) -> None:
    whole = bundle.calibration

    class Kept:
        def __init__(self, calibration: Calibration) -> None:
            self.calibration = calibration

        def read_calibration(self, region: str, model_digest: str, *, at: datetime | None = None) -> str:
            return json.dumps(self.calibration.to_json())

    assert calibration_in_force(Kept(whole), bundle).id == whole.id
    nowhere = whole.base.copy()
    nowhere[0, 0, 0] = np.nan
    for other in (
        replace(whole, series=("ALL", "B", "A")),
        replace(whole, leads=whole.leads[:-1]),
        replace(whole, base=nowhere),
        replace(whole, hourly=whole.hourly[:, :, 1:]),
        replace(whole, balance=whole.balance[:, :, 1:]),
    ):
        with pytest.raises(ModelError, match="is of another model"):
            calibration_in_force(Kept(other), bundle)
