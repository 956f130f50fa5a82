"""Flags that models see, against the flags that a person sees."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from power_nowcast.checks.flags import estimated, interpolated
from power_nowcast.contracts import QUARANTINE, Flag, Panel, Table
from power_nowcast.features.build_features import build
from power_nowcast.features.families.quality import Quality
from power_nowcast.features.family import Scope
from power_nowcast.features.rows import from_rows, to_rows
from tests.features.history import DAYS, SPEC, START, STEP, bulk, past, rich_past, rich_region, rows

OF = rich_region(weather=None, weather_forecast=None, features=["quality"])
EASY = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = Quality().common_names(Scope(OF, SPEC, OF.series))


def quarantine(*bad: tuple[str, int, str, timedelta]) -> pl.DataFrame:
    """(zone, slot, reason, how long after it was seen) as rows of the store."""
    table = [
        ("toy", "power", zone, START + n * STEP, None, "1", reason, "", "x", START + n * STEP + seen)
        for zone, n, reason, seen in bad
    ]
    return pl.DataFrame(table, QUARANTINE, orient="row")


def features(
    frames: dict[Table, pl.DataFrame], slots: list[int], bad: pl.DataFrame
) -> list[dict[str, dict[str, float]]]:
    """Features at each slot, by series and name."""
    panel = bulk(frames, of=OF, quarantine=bad)
    block = build(panel, OF, panel.times[slots], SPEC)
    at = [block.names.index(name) for name in NAMES]
    return [
        {name: dict(zip(NAMES, map(float, x[s, at]), strict=True)) for s, name in enumerate(block.series)}
        for x in block.x
    ]


@pytest.fixture(scope="module")
def calm() -> dict[Table, pl.DataFrame]:
    return past(61, gaps=0, late=0, corrections=0)


ARCHIVE = timedelta(days=900)


def test_nothing_wrong_is_nothing_flagged(calm: dict[Table, pl.DataFrame]) -> None:
    (found,) = features(calm, [500], quarantine())
    assert list(found["A"].values()) == [0, 0, 1440, 1440, 1440, 0]


def test_a_spike_counts_from_the_value_after_it(calm: dict[Table, pl.DataFrame]) -> None:
    without = {
        **calm,
        Table.POWER: calm[Table.POWER].filter(
            ~((pl.col("series") == "A") & (pl.col("valid_at") == START + 500 * STEP))
        ),
    }
    before, after, later = features(without, [499, 501, 548], quarantine(("A", 500, "spike", ARCHIVE)))
    assert before["A"]["minutes_since_spike"] == 1440
    assert after["A"]["minutes_since_spike"] == 30
    assert (after["A"]["flagged_share_60m"], after["A"]["flagged_share_1440m"]) == (0.5, np.float32(1 / 48))
    assert later["A"]["minutes_since_spike"] == 1440, "a day is over"
    assert after["ALL"]["minutes_since_spike"] == 30, "the total has the flags of its zones"
    assert after["B"]["minutes_since_spike"] == 1440


def test_stuck_telemetry_shows_by_its_last_sample_or_when_it_was_refused(calm: dict[Table, pl.DataFrame]) -> None:
    stuck = [("A", n, "flat line", ARCHIVE) for n in range(500, 508)]
    found = features(calm, [503, 504, 510], quarantine(*stuck))
    assert [one["A"]["minutes_since_stuck"] for one in found] == [1440, 0, 90]
    assert found[1]["A"]["flagged_share_1440m"] == np.float32(5 / 48), "the first samples, told at once"
    live = [("A", n, "flat line", timedelta(minutes=150)) for n in range(500, 508)]
    found = features(calm, [504, 505, 506], quarantine(*live))
    assert [one["A"]["minutes_since_stuck"] for one in found] == [1440, 150, 150]


def test_a_late_value_says_how_late(calm: dict[Table, pl.DataFrame]) -> None:
    valid = START + 500 * STEP
    late = rows([("A", valid, 1234.0, valid + timedelta(minutes=100), "seen")])
    mine = (pl.col("series") == "A") & (pl.col("valid_at") == valid)
    frames = {**calm, Table.POWER: pl.concat([calm[Table.POWER].filter(~mine), late])}
    newer = (pl.col("valid_at") <= valid) | (pl.col("series") != "A")
    (found,) = features({**frames, Table.POWER: frames[Table.POWER].filter(newer)}, [504], quarantine())
    assert found["A"]["lateness_minutes"] == 100
    assert found["A"]["flagged_share_60m"] == 0.5
    (found,) = features(frames, [504], quarantine())
    assert (found["A"]["lateness_minutes"], found["A"]["flagged_share_60m"]) == (0, 0)
    assert found["A"]["flagged_share_1440m"] == np.float32(1 / 48)


@EASY
@given(seed=st.integers(0, 2000))
def test_lines_are_those_that_a_person_is_told_of(seed: int) -> None:
    frames, bad = rich_past(seed)
    panel = bulk(frames, of=OF, quarantine=bad.clear())
    slots = list(range(100, DAYS * 48, 41))
    found = features(frames, slots, bad.clear())
    for slot, one in zip(slots, found, strict=True):
        for column, zone in ((1, "A"), (2, "B")):
            day = known(panel, frames, slot)[slot - 47 : slot + 1, column]
            values = pl.DataFrame(
                {"series": zone, "valid_at": [START + n * STEP for n in range(slot - 47, slot + 1)], "value": day}
            ).filter(pl.col("value").is_not_nan())
            marked = interpolated(values.cast({"valid_at": pl.Datetime("us", "UTC")}), OF)["valid_at"]
            last = (START + slot * STEP - marked.max()) / timedelta(minutes=1) if len(marked) else 1440  # type: ignore[operator]
            if np.isfinite(day[-1]):
                assert one[zone]["minutes_since_interpolated"] == last


def known(panel: Panel, frames: dict[Table, pl.DataFrame], slot: int) -> np.ndarray:
    """Power by what was there at a slot's time."""
    power = np.full_like(panel.power.values, np.nan)
    rows_then = frames[Table.POWER].filter(pl.col("available_at") <= START + slot * STEP).sort("available_at")
    for row in rows_then.iter_rows(named=True):
        power[(row["valid_at"] - START) // STEP, panel.series.index(row["series"])] = row["value"]
    return power


def test_a_forecast_in_place_of_a_measurement_is_flagged() -> None:
    of = OF.model_validate(OF.model_dump() | {"forecast": {"source": "files"}})
    frames = past(62, gaps=0, late=0, corrections=0)
    power = frames[Table.POWER].filter(pl.col("series") == "A")
    copied = power.filter(pl.col("valid_at").is_between(START + 497 * STEP, START + 502 * STEP))
    frames[Table.FORECAST] = copied.with_columns(available_at=pl.col("valid_at") - timedelta(hours=20))
    panel = bulk(frames, of=of, quarantine=quarantine())
    block = build(panel, of, panel.times[[499, 500, 510]], SPEC, series=["A"])
    share = block.x[:, 0, block.names.index("flagged_share_1440m")]
    assert share.tolist() == [0, np.float32(4 / 48), np.float32(6 / 48)]
    marked = estimated(power, frames[Table.FORECAST], of)
    assert len(marked) == 6
    assert set(marked["flag"]) == {Flag.ESTIMATED}


def test_a_request_does_not_carry_them(calm: dict[Table, pl.DataFrame]) -> None:
    panel = bulk(calm, of=OF, quarantine=quarantine())
    sent = from_rows(OF, to_rows(panel, OF))
    block = build(sent, OF, panel.times[[600]], SPEC)
    for name in NAMES:
        value = block.x[0, 1, block.names.index(name)]
        assert value == 1440 if name == "minutes_since_interpolated" else np.isnan(value)
