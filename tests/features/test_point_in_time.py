"""The heart of the matter: training, backtest and live see the same, and nothing sees the future."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from power_nowcast.bundle.outcomes import first_known
from power_nowcast.contracts import FeatureBlock, Table
from power_nowcast.features.build_features import build
from power_nowcast.features.panel import history, window
from power_nowcast.regions import Region
from tests.features.history import (
    DAYS,
    SPEC,
    START,
    STEP,
    bulk,
    live,
    past,
    region,
    rich_past,
    rich_region,
    rows,
    weighed_region,
)
from tests.features.reader import Held

EASY = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SLOTS = st.lists(st.integers(9 * 48, DAYS * 48 - 1), min_size=1, max_size=6, unique=True)


def minute(time: datetime) -> np.datetime64:
    return np.datetime64(time.replace(tzinfo=None), "m")


def equal(one: FeatureBlock, other: FeatureBlock) -> bool:
    return (
        np.array_equal(one.x, other.x, equal_nan=True)
        and np.array_equal(one.origin_mw, other.origin_mw, equal_nan=True)
        and np.array_equal(one.age_minutes, other.age_minutes, equal_nan=True)
    )


@EASY
@given(seed=st.integers(0, 1000), slots=SLOTS)
def test_bulk_equals_live_bit_for_bit_with_the_future_deleted(seed: int, slots: list[int]) -> None:
    frames = past(seed)
    issues = [START + slot * STEP for slot in slots]
    together = build(bulk(frames), region(), np.array([minute(t) for t in issues]), SPEC)
    for n, issue in enumerate(issues):
        alone = build(live(frames, issue), region(), np.array([minute(issue)]), SPEC)
        assert together.names == alone.names
        different = [
            (name, together.series[s], float(a), float(b))
            for s in range(len(together.series))
            for name, a, b in zip(together.names, together.x[n, s], alone.x[0, s], strict=True)
            if not (a == b or (np.isnan(a) and np.isnan(b)))
        ]
        assert not different
        assert equal(together.take(np.array([n])), alone)


@pytest.mark.parametrize("of", [rich_region(), weighed_region()], ids=["stations apart", "stations weighed"])
@EASY
@given(seed=st.integers(0, 1000), slots=SLOTS)
@example(seed=89, slots=[471])  # one slot is a spike and stuck, told at the same time
def test_forecasts_of_weather_flags_and_holidays_are_known_alike(of: Region, seed: int, slots: list[int]) -> None:
    frames, quarantine = rich_past(seed)
    issues = [START + slot * STEP for slot in slots]
    together = build(bulk(frames, of=of, quarantine=quarantine), of, np.array([minute(t) for t in issues]), SPEC)
    for n, issue in enumerate(issues):
        alone = build(live(frames, issue, of, quarantine), of, np.array([minute(issue)]), SPEC)
        assert together.names == alone.names
        differ = (together.x[n] != alone.x[0]) & ~(np.isnan(together.x[n]) & np.isnan(alone.x[0]))
        assert not [together.names[k] for k in np.flatnonzero(differ.any(axis=0))]


@EASY
@given(seed=st.integers(0, 1000), slot=st.integers(9 * 48, DAYS * 48 - 48))
def test_weather_told_or_observed_later_changes_nothing(seed: int, slot: int) -> None:
    of, issue = weighed_region(), START + slot * STEP
    frames, quarantine = rich_past(seed)
    before = build(bulk(frames, of=of, quarantine=quarantine), of, np.array([minute(issue)]), SPEC)
    late = issue + timedelta(seconds=1)
    told = [("K.temperature_c", issue + timedelta(hours=n), 99.0, late, "written") for n in range(-40, 40)]
    seen = [("K.temperature_c", issue - timedelta(hours=n), 99.0, late, "seen") for n in range(3)]
    frames[Table.WEATHER_FORECAST] = pl.concat([frames[Table.WEATHER_FORECAST], rows(told)])
    frames[Table.WEATHER] = pl.concat([frames[Table.WEATHER], rows(seen)])
    frames[Table.POWER] = frames[Table.POWER].with_columns(
        value=pl.when(pl.col("valid_at") > issue).then(8888.0).otherwise("value")
    )
    after = build(bulk(frames, of=of, quarantine=quarantine), of, np.array([minute(issue)]), SPEC)
    assert equal(before, after)


@EASY
@given(seed=st.integers(0, 1000), slot=st.integers(9 * 48, DAYS * 48 - 48), data=st.data())
def test_planted_future_changes_nothing(seed: int, slot: int, data: st.DataObject) -> None:
    frames = past(seed)
    issue = START + slot * STEP
    before = build(bulk(frames), region(), np.array([minute(issue)]), SPEC)
    planted = dict(frames)
    extra = []
    for _ in range(20):
        valid = START + data.draw(st.integers(0, DAYS * 48 - 1)) * STEP
        known = max(valid, issue) + timedelta(minutes=data.draw(st.integers(1, 600)))
        extra.append((data.draw(st.sampled_from(["A", "B"])), valid, 9999.0, known, "seen"))
    future = [("A", issue + n * STEP, 7777.0, issue + n * STEP, "delay") for n in range(1, 12)]
    planted[Table.POWER] = pl.concat([frames[Table.POWER], rows(extra), rows(future)])
    told = [("ALL", issue + timedelta(hours=n), 5.0, issue + timedelta(minutes=1), "written") for n in range(-200, 20)]
    planted[Table.FORECAST] = pl.concat([frames[Table.FORECAST], rows(told)])
    after = build(bulk(planted), region(), np.array([minute(issue)]), SPEC)
    assert equal(before, after)


def test_a_correction_counts_from_when_it_was_seen() -> None:
    frames = past(3, gaps=0, late=0, corrections=0)
    slot = 10 * 48
    seen = START + (slot + 4) * STEP
    fixed = rows([("A", START + slot * STEP, 4000.0, seen, "seen")])
    planted = {**frames, Table.POWER: pl.concat([frames[Table.POWER], fixed])}
    issues = np.array([minute(seen - STEP), minute(seen)])
    plain, corrected = (build(bulk(one), region(), issues, SPEC, series=["A"]) for one in (frames, planted))
    lag = plain.names.index("ramp_120m")
    assert plain.x[0, 0, lag] == corrected.x[0, 0, lag]
    assert plain.x[1, 0, lag] != corrected.x[1, 0, lag]


def test_late_data_are_a_longer_horizon() -> None:
    frames = past(4, gaps=0, late=0, corrections=0)
    issue = minute(START + 12 * 48 * STEP)
    late = build(bulk(frames), region(), np.array([issue]), SPEC, delay_minutes=60)
    fresh = build(bulk(frames), region(), np.array([issue - np.timedelta64(60, "m")]), SPEC)
    assert (late.age_minutes == 60).all()
    assert (fresh.age_minutes == 0).all()
    assert np.array_equal(late.origin_mw, fresh.origin_mw)
    known = [n for n, name in enumerate(late.names) if not name.startswith("operator")]
    assert np.array_equal(late.x[..., known], fresh.x[..., known], equal_nan=True)


def test_a_series_silent_for_three_hours_has_no_origin() -> None:
    frames = past(5, gaps=0, late=0, corrections=0)
    silent_from = START + 12 * 48 * STEP
    cut = (pl.col("series") != "B") | (pl.col("valid_at") <= silent_from)
    frames[Table.POWER] = frames[Table.POWER].filter(cut)
    issues = np.array([minute(silent_from + n * STEP) for n in (6, 7)])
    block = build(bulk(frames), region(), issues, SPEC)
    ages = dict(zip(block.series, block.age_minutes.T.tolist(), strict=True))
    assert ages["A"] == [0, 0]
    for name in ("B", "ALL"):  # without one zone there is no total
        assert ages[name][0] == 180
        assert np.isnan(ages[name][1])
        assert np.isnan(block.x[1, block.series.index(name)]).all()


def test_issue_times_may_come_in_any_order() -> None:
    frames = past(6)
    issues = np.array([minute(START + n * STEP) for n in (500, 450, 700, 451)])
    mixed, ordered = build(bulk(frames), region(), issues, SPEC), build(bulk(frames), region(), np.sort(issues), SPEC)
    assert equal(mixed.take(np.argsort(issues)), ordered)


def delayed(frames: dict[Table, pl.DataFrame], minutes: int, seed: int) -> dict[Table, pl.DataFrame]:
    """The past of sources that are `minutes` late, with rows and corrections that came early, late and again, reports
    that are stamped in the future, and stamps off the grid; two corrections of a slot may have one time of knowledge.
    """
    rng = np.random.default_rng(seed)
    usual = pl.when(pl.col("basis") == "delay").then(timedelta(minutes=minutes)).otherwise(timedelta())
    made = {
        table: frame.with_columns(
            pl.col("available_at") + usual,
            # In the order of the rows, as commits are.
            first_seen_at=pl.lit(START) + pl.duration(microseconds=pl.int_range(pl.len())),
        )
        for table, frame in frames.items()
    }

    def some(rows: pl.DataFrame, share: float) -> pl.DataFrame:
        return rows.filter(pl.Series(rng.random(len(rows)) < share))

    def ago(*bounds: int) -> pl.Expr:
        return pl.lit(timedelta(minutes=int(rng.integers(*bounds)), microseconds=int(rng.integers(2))))

    later = pl.lit(START + timedelta(days=1)).cast(pl.Datetime("us", "UTC"))
    for table, frame in made.items():
        again = [frame]
        for number in range(4):
            chosen = some(frame, 0.01).with_columns(
                value=pl.col("value") + 10 + number,
                available_at=pl.max_horizontal("valid_at", "available_at") + ago(0, 300),
                basis=pl.lit("seen"),
                first_seen_at=later + pl.duration(microseconds=pl.int_range(pl.len()) * 4 + number),
            )
            same = some(chosen, 0.3).with_columns(
                value=pl.col("value") + 100, first_seen_at=pl.col("first_seen_at") + timedelta(hours=1)
            )
            again += [chosen, same]
        off = some(frame, 0.02).with_columns(
            pl.col("valid_at") + timedelta(minutes=int(rng.integers(0, 3)), seconds=30), value=pl.lit(7777.0)
        )
        future = some(frame, 0.02).with_columns(pl.col("valid_at") + ago(10, 900), value=pl.lit(-55.0))
        made[table] = pl.concat([*again, off, future] if table is Table.WEATHER else [*again, off])
    power = made[Table.POWER]
    early = pl.Series(rng.random(len(power)) < rng.choice([0, 0.02])) & (pl.col("basis") == "delay")
    made[Table.POWER] = power.with_columns(
        available_at=pl.when(early).then(pl.col("valid_at") + timedelta(minutes=minutes // 2)).otherwise("available_at")
    )
    return made


@EASY
@given(
    seed=st.integers(0, 1000),
    delay=st.sampled_from([0, 5, 60, 100]),
    minutes=st.lists(st.integers(9 * 1440, DAYS * 1440 - 31), min_size=1, max_size=6, unique=True),
)
@pytest.mark.parametrize("of", [rich_region(), weighed_region()], ids=["stations apart", "stations weighed"])
def test_history_is_the_window_of_every_time(of: Region, seed: int, delay: int, minutes: list[int]) -> None:
    """Every table late by `delay`: what decides is `available_at`, wherever it is read."""
    power = of.power.model_copy(update={"delay_minutes": delay})
    of = of.model_copy(update={"power": power})
    frames, quarantine = rich_past(seed)
    held = Held.of(delayed(frames, delay, seed), quarantine)
    issues = [START + timedelta(minutes=m) for m in minutes]
    panel = history(held, of, START, START + (DAYS * 48 - 1) * STEP)
    together = build(panel, of, np.array([minute(t) for t in issues]), SPEC)
    for n, issue in enumerate(issues):
        alone = build(window(held, of, issue), of, np.array([minute(issue)]), SPEC)
        assert together.names == alone.names
        differ = (together.x[n] != alone.x[0]) & ~(np.isnan(together.x[n]) & np.isnan(alone.x[0]))
        assert not [together.names[k] for k in np.flatnonzero(differ.any(axis=0))]
        assert np.array_equal(together.origin_mw[n], alone.origin_mw[0], equal_nan=True)
        assert np.array_equal(together.age_minutes[n], alone.age_minutes[0], equal_nan=True)


@pytest.mark.parametrize("is_mixed", [False, True], ids=["all late", "one came early"])
def test_an_archive_that_is_an_hour_late_is_known_an_hour_late(*, is_mixed: bool) -> None:
    frames = past(7, gaps=0, late=0, corrections=0)
    power = frames[Table.POWER].with_columns(pl.col("available_at") + timedelta(minutes=60))
    early = START + 9 * 48 * STEP
    if is_mixed:
        first = pl.when((pl.col("valid_at") == early) & (pl.col("series") == "A")).then(timedelta(minutes=5))
        power = power.with_columns(available_at=pl.col("valid_at") + first.otherwise(timedelta(minutes=60)))
    held = Held.of({**frames, Table.POWER: power})
    panel = history(held, region(), START, START + (DAYS * 48 - 1) * STEP)
    issues = panel.times[[10 * 48, 12 * 48 + 5]]
    block = build(panel, region(), issues, SPEC)
    assert (block.age_minutes == 60).all()
    values = dict(power.filter(pl.col("series") == "A").select("valid_at", "value").rows())
    assert block.origin_mw[:, 1].tolist() == [values[START + n * STEP] for n in (10 * 48 - 2, 12 * 48 + 3)]
    _, known_at = first_known(panel, region())
    assert (known_at[11 * 48] == panel.times[11 * 48] + np.timedelta64(60, "m")).all()
    at_five = build(panel, region(), np.array([minute(early + timedelta(minutes=5))]), SPEC, series=["A"])
    assert at_five.age_minutes.tolist() == ([[5]] if is_mixed else [[65]])


def test_a_report_stamped_in_the_future_silences_none() -> None:
    frames = past(8, gaps=0, late=0, corrections=0)
    noon = START + timedelta(days=10, hours=12)
    kept = frames[Table.WEATHER].filter(~pl.col("valid_at").is_between(noon - 6 * STEP, noon + 12 * STEP))
    told = [
        ("K.temperature_c", noon, 10.0, noon, "seen"),
        ("K.temperature_c", noon + timedelta(hours=4), -40.0, noon + timedelta(minutes=1), "seen"),
        ("K.temperature_c", noon + timedelta(hours=1), 11.0, noon + timedelta(hours=1), "seen"),
    ]
    held = Held.of({**frames, Table.WEATHER: pl.concat([kept, rows(told)])})
    panel = history(held, region(), START, START + (DAYS * 48 - 1) * STEP)
    first = int((minute(noon) - panel.start).astype(int)) // 30
    assert panel.weather.values[first : first + 3, 0].tolist() == [10.0, 10.0, 11.0]
    assert panel.weather.values[first + 8, 0] == -40.0, "when its time has come"
    assert window(held, region(), noon + timedelta(hours=1)).weather.values[-1, 0] == 11.0
