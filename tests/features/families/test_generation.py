"""Wind and solar power: scales, nights, bounds, and the same features live as in bulk."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from power_nowcast.contracts import Table
from power_nowcast.features.build_features import build, targets
from power_nowcast.features.families import generation
from power_nowcast.features.panel import assemble
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.regions import Region
from power_nowcast.regions.sun import dark
from tests.features.history import DAYS, SPEC, START, STEP, bulk, live, past, region, rows
from tests.features.test_point_in_time import equal, minute

EASY = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SLOTS = st.lists(st.integers(9 * 48, DAYS * 48 - 1), min_size=1, max_size=5, unique=True)


def plants(a: str = "solar", b: str = "wind", label: str = "start") -> Region:
    """The region of `history`, its zones generating."""
    values = region().model_dump()
    for zone, kind in zip(values["zones"], (a, b), strict=True):
        zone["kind"] = kind
    values["power"]["label"] = label
    return Region.model_validate(values)


@EASY
@given(seed=st.integers(0, 1000), slots=SLOTS)
def test_bulk_equals_live_bit_for_bit(seed: int, slots: list[int]) -> None:
    frames, made = past(seed), plants()
    issues = [START + slot * STEP for slot in slots]
    together = build(bulk(frames), made, np.array([minute(t) for t in issues]), SPEC)
    for n, issue in enumerate(issues):
        alone = build(live(frames, issue), made, np.array([minute(issue)]), SPEC)
        assert equal(together.take(np.array([n])), alone)
        assert np.array_equal(together.scale_mw[n], alone.scale_mw[0])


@EASY
@given(seed=st.integers(0, 1000), slots=SLOTS, late=st.booleans())
def test_silent_nights_are_nothing_live_as_in_bulk(seed: int, slots: list[int], late: bool) -> None:
    """Nights that a publisher leaves out, or tells days later, are 0 MW from the end of each slot on."""
    frames, made = past(seed), plants(b="solar")
    frames[Table.POWER] = power = at_night(frames[Table.POWER], made, late=late)
    issues = [START + slot * STEP for slot in slots]
    together = build(bulk(frames, of=made), made, np.array([minute(t) for t in issues]), SPEC)
    for n, issue in enumerate(issues):
        window = live(frames, issue, of=made)
        alone = build(window, made, np.array([minute(issue)]), SPEC)
        assert equal(together.take(np.array([n])), alone)
        zone = made.zones[0]
        if dark(window.times[-1:], zone.latitude, zone.longitude, 30)[0]:
            known = power.filter(pl.col("series") == "A", pl.col("valid_at") == issue, pl.col("available_at") <= issue)[
                "value"
            ]
            assert (alone.origin_mw[0, 1], alone.age_minutes[0, 1]) == (known[-1] if len(known) else 0.0, 0.0)


def at_night(power: pl.DataFrame, of: Region, *, late: bool) -> pl.DataFrame:
    """Rows without those of the night, or with zeros in their place that are known three days later."""
    times = power["valid_at"].dt.replace_time_zone(None).to_numpy()
    night = pl.Series(np.all([dark(times, zone.latitude, zone.longitude, 30) for zone in of.zones], axis=0))
    if not late:
        return power.filter(~night)
    known = pl.when(night).then(pl.col("valid_at") + timedelta(days=3)).otherwise("available_at")
    return power.with_columns(
        value=pl.when(night).then(0.0).otherwise("value"),
        available_at=known,
        basis=pl.when(night).then(pl.lit("seen")).otherwise("basis"),
    )


def test_load_keeps_its_megawatts() -> None:
    frames, issues = past(3), np.array([minute(START + 500 * STEP)])
    plain = build(bulk(frames), region(), issues, SPEC)
    mixed = build(bulk(frames), plants("load", "wind"), issues, SPEC)
    assert (plain.scale_mw == 1).all()
    a = plain.series.index("A")
    assert mixed.scale_mw[0, a] == 1
    columns = [mixed.names.index(name) for name in plain.names if not name.startswith("operator")]
    same = [plain.names.index(mixed.names[column]) for column in columns]
    assert np.array_equal(mixed.x[0, a, columns], plain.x[0, a, same], equal_nan=True)
    assert np.isnan(mixed.x[0, a, mixed.names.index("share")])
    assert mixed.scale_mw[0, mixed.series.index("B")] > 100


def test_ramps_are_shares_of_the_scale() -> None:
    frames, issues = past(4, gaps=0, late=0, corrections=0), np.array([minute(START + 600 * STEP)])
    block = build(bulk(frames), plants("wind", "wind"), issues, SPEC)
    plain = build(bulk(frames), region(), issues, SPEC)
    lag = block.names.index("ramp_60m")
    np.testing.assert_allclose(
        block.x[..., lag] * block.scale_mw, plain.x[..., plain.names.index("ramp_60m")], rtol=1e-6
    )
    share = block.x[..., block.names.index("share")]
    np.testing.assert_allclose(share * block.scale_mw, block.origin_mw, rtol=1e-6)


def roughness(power: np.ndarray, spans: tuple[int, ...] = (24, 300)) -> np.ndarray:
    out = np.full(len(spans), np.nan, np.float32)
    generation._roughness(out, power, len(power) - 1, 1000.0, np.array(spans))
    return out


def test_roughness_tells_noise_from_movement() -> None:
    noise = np.random.default_rng(2).normal(size=400)
    line = np.linspace(100, 900, 400)
    assert roughness(line) == pytest.approx(0, abs=1e-6)
    assert roughness(500 + 100 * noise)[1] == pytest.approx(np.sqrt(3), abs=0.15)
    newly_rough = line + np.where(np.arange(400) > 380, 50 * noise, 0)
    recent, long = roughness(newly_rough)
    assert recent > 2 * long > 0
    holes = np.where(np.arange(400) % 50 == 0, np.nan, line)
    assert roughness(holes) == pytest.approx(0, abs=1e-6)
    assert np.isnan(roughness(np.full(400, 5.0))).all(), "calm is not smooth"


def test_a_night_is_no_outcome() -> None:
    panel = bulk(past(5, gaps=0, late=0, corrections=0))
    day = np.datetime64("2024-03-12T00:00", "m") + np.arange(48) * np.timedelta64(30, "m")
    block = build(panel, plants(), day, SPEC)
    values = targets(panel, plants(), block, (30,))[..., 0]
    sun, wind = (values[:, block.series.index(name)] for name in ("A", "B"))
    assert np.isfinite(wind).all()
    assert 20 < np.isfinite(sun).sum() < 30


@pytest.mark.parametrize(("minutes", "share"), [("2024-06-21T16:57", 0.95), ("2024-03-05T05:00", 0.0)])
def test_the_clear_sky_follows_the_sun(minutes: str, share: float) -> None:
    sky = generation.clear_sky(float(np.datetime64(minutes, "m").astype(np.int64)), 42.6, -73.7)
    assert sky == pytest.approx(share, abs=0.03)


def test_a_forecast_of_means_is_read_at_their_middle() -> None:
    """With a forecast that equals the output, its error is nothing, for means and for instants alike."""
    frames = past(6, gaps=0, late=0, corrections=0)
    spec = FeatureSpec.for_interval(30, days=(1, 2, 7, 8), type_days=(7, 9), analog_days=9, analogs=3, smoothing=30)
    made = plants("wind", "wind").model_copy(
        update={"forecast": plants().power.model_copy(update={"interval_minutes": 30})}
    )
    power = frames[Table.POWER]
    told = [
        (row["series"], row["valid_at"], row["value"], START - timedelta(days=1), "written") for row in power.to_dicts()
    ]
    frames[Table.FORECAST] = rows(told)
    issues = np.array([minute(START + 500 * STEP)])

    panel = assemble(made, frames, START, START + (DAYS * 48 - 1) * STEP, known_at=START)
    block = build(panel, made, issues, spec, series=["A", "B"])
    np.testing.assert_allclose(block.x[..., block.names.index("operator_error")], 0, atol=1e-6)
    ramp = block.x[..., block.names.index("operator_shape_30m")] * block.scale_mw
    later = panel.power.values[501, [1, 2]] - panel.power.values[500, [1, 2]]
    np.testing.assert_allclose(ramp[0], later, atol=0.01)
