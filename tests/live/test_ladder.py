"""The ladder: each fault has its rung and its reasons, and an answer that nobody would believe is held back."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.ladder import Ladder, Limits
from power_nowcast.contracts import MEDIAN, Grid, Panel
from power_nowcast.contracts.rungs import Rung
from power_nowcast.live import ladder as climb
from power_nowcast.live.nowcaster import HELD, Nowcast, Nowcaster, Quality
from power_nowcast.live.records import Published
from tests.toy import toy_bundle, toy_panel, toy_region

REGION = toy_region()


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return toy_bundle(REGION)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return toy_panel(REGION, days=64)


def blank(panel: Panel, last: int, *zones: str) -> Panel:
    """The panel without the last values of these zones, of all if none is named."""
    values = panel.power.values.copy(order="F")
    values[-last:, [panel.series.index(name) for name in zones or panel.series]] = np.nan
    values[-last:, 0] = np.nan
    return replace(panel, power=replace(panel.power, values=values))


def without_weather(panel: Panel) -> Panel:
    grid = panel.weather
    return replace(panel, weather=Grid(grid.start, grid.step_minutes, grid.names, np.full_like(grid.values, np.nan)))


def answer(bundle: Bundle, panel: Panel) -> Nowcast:
    return Nowcaster(bundle).nowcast(panel, panel.end)


def test_with_all_inputs_the_bits_are_those_of_the_model(bundle: Bundle, panel: Panel) -> None:
    told = answer(bundle, panel)
    assert told.rungs == (Rung.ALL,) * 3
    assert told.reasons == ((),) * 3
    np.testing.assert_array_equal(told.values, bundle.predict(panel, np.array([panel.end])).values[0])


def test_a_missing_family_has_the_width_that_was_measured(bundle: Bundle, panel: Panel) -> None:
    assert bundle.ladder is not None
    widths = {"weather": np.full_like(bundle.ladder.widths["weather"], np.log(2.0))}
    wider = replace(bundle, ladder=replace(bundle.ladder, widths=widths))
    dry = without_weather(panel)
    told, model = answer(wider, dry), bundle.predict(dry, np.array([panel.end])).values[0]
    assert told.rungs == (Rung.INPUTS,) * 3
    assert told.reasons == (("no weather",),) * 3
    assert set(told.quality) == {Quality.REDUCED}
    median = model[..., [MEDIAN]]
    np.testing.assert_allclose(told.values, median + 2 * (model - median), rtol=1e-12)


def test_late_load_is_told_by_its_minutes(bundle: Bundle, panel: Panel) -> None:
    told = answer(bundle, blank(panel, 1))
    assert told.rungs == (Rung.LATE,) * 3
    assert told.reasons == (("load 30 minutes late",),) * 3
    usual = REGION.model_copy(update={"power": REGION.power.model_copy(update={"delay_minutes": 30})})
    assert answer(replace(bundle, region=usual), blank(panel, 1)).rungs == (Rung.ALL,) * 3


@pytest.mark.parametrize("last", [1, 4, 8, 40])
def test_the_total_without_a_zone_comes_from_the_others(bundle: Bundle, panel: Panel, last: int) -> None:
    """Also where the zone itself has had no value for a day; the band is wider, and the estimate is near the truth."""
    told, whole = answer(bundle, blank(panel, last, "N.E.")), answer(bundle, panel)
    assert told.rungs[0] is Rung.ZONES
    assert told.rungs[2] is (Rung.ALL if last == 1 else Rung.INPUTS), "N.E. is a gap in the recent hours"
    assert told.reasons[0][0] == "N.E. missing: the total is from the others and their usual share"
    assert told.quality[0] is Quality.REDUCED
    assert told.age_minutes[0] == 0
    assert told.origin_mw[0] == pytest.approx(panel.power.values[-1, 0], rel=0.03)
    assert (np.diff(told.values[0], axis=-1) >= 0).all()
    width = [one.values[0, :, -1] - one.values[0, :, 0] for one in (told, whole)]
    assert (width[0] > width[1]).all()
    assert told.rungs[1] is (Rung.LATE if last == 1 else Rung.SEASONAL if last == 4 else Rung.REFUSED)


def test_too_small_a_share_does_not_make_a_total(bundle: Bundle, panel: Panel) -> None:
    told = answer(bundle, blank(panel, 4, "SOUTH 1"))
    assert told.rungs == (Rung.SEASONAL, Rung.INPUTS, Rung.SEASONAL)


def test_seasonal_persistence_has_the_errors_of_the_last_weeks(bundle: Bundle, panel: Panel) -> None:
    """Its 80 % band holds about 80 % of what came, at ages that the model does not reach."""
    inside, hits = [], 0
    for n in range(1, 121):
        cut = replace(panel, power=replace(panel.power, values=panel.power.values[: -5 * n]))
        told = answer(bundle, blank(cut, 4))
        hits += told.rungs == (Rung.SEASONAL,) * 3
        truth = panel.power.values[len(cut.power) + np.array([0, 1])].T if n > 0 else None
        inside.append((truth >= told.values[..., 1]) & (truth <= told.values[..., 5]))
    assert hits == 120
    assert 0.72 < np.mean(inside) < 0.88


def test_a_gap_in_one_week_leaves_the_usual_change_of_the_others(bundle: Bundle, panel: Panel) -> None:
    """Load that repeats every week, 10 MW higher each time: the change of any weeks is that of the next one."""
    week = 7 * 48
    values = 500 + 100 * np.sin(np.arange(len(panel.power)) * 2 * np.pi / week)[:, None] + np.zeros(3)
    values += 10 * (np.arange(len(values)) // week)[:, None]
    last = 8 * week + 100
    values = values[: last + 3]
    gap = last - 2 * week
    known = values[: last + 1].copy(order="F")
    known[gap - 6 : gap + 6] = np.nan
    power = replace(panel.power, values=known)
    told = answer(bundle, blank(replace(panel, power=power), 4))
    assert told.rungs == (Rung.SEASONAL,) * 3
    np.testing.assert_allclose(told.values[..., MEDIAN], values[last + 1 :].T, rtol=1e-9)


def test_without_weeks_of_history_the_last_value_answers(bundle: Bundle, panel: Panel) -> None:
    first = len(panel.power) - 10 * 48
    power = replace(panel.power, start=panel.times[first], values=panel.power.values[first:])
    weather = replace(panel.weather, start=panel.times[first], values=panel.weather.values[first:])
    told = answer(bundle, blank(replace(panel, power=power, weather=weather), 4))
    assert told.rungs == (Rung.PERSISTENCE,) * 3
    np.testing.assert_allclose(told.values[..., MEDIAN], told.origin_mw[:, None] + np.zeros(2))


def limited(bundle: Bundle, **limits: object) -> Bundle:
    assert bundle.ladder is not None
    return replace(bundle, ladder=replace(bundle.ladder, limits=replace(bundle.ladder.limits, **limits)))


def test_a_ramp_beyond_all_history_is_held_back_and_the_next_rung_answers(bundle: Bundle, panel: Panel) -> None:
    assert bundle.ladder is not None
    rise, fall = bundle.ladder.limits.rise.copy(), bundle.ladder.limits.fall.copy()
    rise[2] = fall[2] = 0.0
    told = answer(limited(bundle, rise=rise, fall=fall), panel)
    assert told.rungs[:2] == (Rung.ALL, Rung.ALL)
    assert told.rungs[2] in (Rung.PERSISTENCE, Rung.REFUSED), "the usual change is a ramp, too"
    held = [one for one in told.reasons[2] if one.startswith(HELD)]
    assert len(held) == 2
    assert "history has at most +0" in held[0]


def test_a_zigzag_and_a_load_below_zero_are_held_back(bundle: Bundle, panel: Panel) -> None:
    assert bundle.ladder is not None
    bend = bundle.ladder.limits.bend.copy()
    bend[1] = 0.0
    told = answer(limited(bundle, bend=bend), panel)
    assert told.rungs[1] is Rung.PERSISTENCE
    assert "a zig-zag of" in told.reasons[1][1]
    power = panel.power.values.copy(order="F")
    power[-1, 1], power[-1, 0] = 0.0, power[-1, 2]
    wide = limited(bundle, fall=np.full_like(bundle.ladder.limits.fall, -9e9))
    told = answer(wide, replace(panel, power=replace(panel.power, values=power)))
    assert told.rungs[1] is Rung.REFUSED
    assert "history has no less than" in told.reasons[1][-1]
    assert np.isnan(told.values[1]).all()


def test_a_total_far_from_its_zones_is_held_back(bundle: Bundle, panel: Panel) -> None:
    assert answer(bundle, panel).rungs[0] is Rung.ALL
    told = answer(limited(bundle, gap=np.full(3, -1.0)), panel)
    assert told.rungs == (Rung.SEASONAL, Rung.ALL, Rung.ALL)
    assert "off the sum of its zones" in told.reasons[0][1]


def test_an_answer_of_no_numbers_is_held_back(bundle: Bundle, panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = type(bundle.model).predict
    monkeypatch.setattr(type(bundle.model), "predict", lambda *given: whole(*given) * np.nan)
    told = answer(replace(bundle, ladder=None), panel)
    assert told.rungs == (Rung.SEASONAL,) * 3
    assert told.reasons[0][-1] == f"{HELD}the answer has values that are no numbers"


def test_a_bundle_without_a_ladder_still_answers(bundle: Bundle, panel: Panel, tmp_path) -> None:
    old = replace(bundle, ladder=None)
    old.save(tmp_path / "old")
    assert not (tmp_path / "old" / "ladder.json").exists()
    opened = Bundle.load(tmp_path / "old", old.digest)
    assert opened.ladder is None
    assert answer(opened, without_weather(panel)).rungs == (Rung.INPUTS,) * 3
    bundle.save(tmp_path / "new")
    kept = Bundle.load(tmp_path / "new", bundle.digest).ladder
    assert kept is not None
    assert bundle.ladder is not None
    assert kept.to_json() == bundle.ladder.to_json()
    assert Ladder.from_json(kept.to_json()).limits.knots == (30, 60, 90)


def test_rows_of_before_there_were_rungs_have_those_of_their_quality(bundle: Bundle, panel: Panel) -> None:
    told = replace(answer(bundle, panel), quality=tuple(Quality)[1:], rungs=(), reasons=())
    assert told.rungs == (Rung.INPUTS, Rung.PERSISTENCE, Rung.REFUSED)
    issue = datetime(2024, 5, 1, tzinfo=UTC)
    assert Published(told, "k", "1", 0, issue, issue, issue, True, "", {}).nowcast.reasons == ((),) * 3


def test_rungs_have_an_order() -> None:
    assert Rung.ALL.reaches(Rung.LATE)
    assert Rung.LATE.reaches(Rung.LATE)
    assert not Rung.SEASONAL.reaches(Rung.LATE)
    assert [one.is_model for one in Rung] == [True] * 4 + [False] * 4


def test_limits_are_the_worst_of_history_or_what_its_tail_reaches(bundle: Bundle) -> None:
    assert bundle.ladder is not None
    limits = bundle.ladder.limits
    assert (limits.rise > 0).all()
    assert (limits.fall < 0).all()
    assert limits.bend.shape == (3, 2)
    fall, rise = limits.ramps(1, np.array([30.0, 45.0, 120.0]))
    np.testing.assert_allclose(rise, [limits.rise[1, 0], limits.rise[1, :2].mean(), limits.rise[1, [2, 0]].sum()])
    assert (fall < 0).all()
    assert Limits.from_json(limits.to_json()).gap.tolist() == limits.gap.tolist()


def test_a_model_that_is_no_better_than_the_usual_change_is_left_out(bundle: Bundle, panel: Panel) -> None:
    """As training found it for a missing family; where history is too short for the usual change, it still answers."""
    assert bundle.ladder is not None
    assert bundle.ladder.left_out == (), "this baseline is no better with all inputs"
    out = replace(bundle, ladder=replace(bundle.ladder, left_out=("weather",)))
    assert answer(out, panel).rungs == (Rung.ALL,) * 3
    assert answer(out, without_weather(panel)).rungs == (Rung.SEASONAL,) * 3
    first = len(panel.power) - 10 * 48
    power = replace(panel.power, start=panel.times[first], values=panel.power.values[first:])
    weather = replace(panel.weather, start=panel.times[first], values=panel.weather.values[first:])
    short = without_weather(replace(panel, power=power, weather=weather))
    assert answer(out, short).rungs == (Rung.INPUTS,) * 3


def test_a_total_of_the_last_whole_sum_is_left_out_beside_that_of_the_zones(bundle: Bundle, panel: Panel) -> None:
    late = blank(panel, 1, "N.E.")
    nowcaster = Nowcaster(bundle)
    block = bundle.features(late, np.array([panel.end]))
    candidates = climb.Ladder(bundle, nowcaster.calibration, late, block).candidates(0)
    assert [one.rung for one in candidates] == [Rung.ZONES, Rung.SEASONAL, Rung.PERSISTENCE, Rung.REFUSED]
