from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import MissingDataError
from power_nowcast.features.build_features import build
from power_nowcast.features.panel import assemble, history, window
from power_nowcast.store import Store
from tests.features import worlds
from tests.features.history import DAYS, SPEC, START, STEP, bulk, past, region, rich_past, rich_region, rows
from tests.features.reader import Held


def test_a_store_gives_the_same_history_and_window(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    frames = past(22, corrections=0)
    now = START + timedelta(days=DAYS)
    for table, frame in frames.items():
        store.append(table, frame.drop("first_seen_at"), now=now)
    end = START + (DAYS * 48 - 1) * STEP
    whole = history(store, region(), START, end)
    assert np.array_equal(whole.power.values, bulk(frames).power.values, equal_nan=True)
    for minutes in (0, 7):
        at = START + 14 * 48 * STEP + timedelta(minutes=minutes)
        near = window(store, region(), at)
        assert near.end == np.datetime64((START + 14 * 48 * STEP).replace(tzinfo=None), "m")
        issue = np.array([near.end]) + np.timedelta64(minutes, "m")
        one = build(near, region(), issue, SPEC)
        assert np.isfinite(one.origin_mw).all()
        for panel in (whole, bulk(frames)):
            other = build(panel, region(), issue, SPEC)
            assert np.array_equal(one.origin_mw, other.origin_mw)
            assert np.array_equal(one.age_minutes, other.age_minutes)
            assert np.array_equal(one.x, other.x, equal_nan=True)


def test_of_values_known_at_once_the_one_stored_last_counts() -> None:
    told = [("A", START + n % 4 * STEP, 1000.0 + n, START + 8 * STEP, "seen") for n in range(4000)]
    frames = {table: frame.clear() for table, frame in past(8).items()} | {Table.POWER: rows(told)}
    panel = assemble(region(), frames, START, START + 8 * STEP, known_at=START + 9 * STEP)
    assert panel.power.values[:4, panel.series.index("A")].tolist() == [4996, 4997, 4998, 4999]


def test_the_stores_vintages_and_quarantine_are_in_both(tmp_path: Path) -> None:
    of, store = rich_region(), Store(tmp_path)
    frames, bad = rich_past(24)
    now = START + timedelta(days=DAYS)
    for table, frame in frames.items():
        store.append(table, frame.drop("first_seen_at"), now=now)
    store.quarantine(bad.drop("first_seen_at"), now=now)
    whole = history(store, of, START, START + (DAYS * 48 - 1) * STEP)
    assert len(np.unique(whole.patches.grid)) == 5
    for slot in (10 * 48, 13 * 48 + 7):
        near = window(store, of, START + slot * STEP)
        one, other = (build(panel, of, np.array([near.end]), SPEC) for panel in (near, whole))
        assert one.names == other.names
        assert np.array_equal(one.x, other.x, equal_nan=True)
        for name in ("K.temperature_c_forecast_error", "flagged_share_1440m", "lateness_minutes"):
            assert np.isfinite(one.x[..., one.names.index(name)]).any()


def test_nights_after_the_first_value_are_known_at_their_end_however_late_the_source_is() -> None:
    of = worlds.region(30, "UTC", {"S": "solar", "T": "solar"}, name="toy", features=[])
    midnight = datetime(2024, 4, 1, tzinfo=UTC)
    by_day = [midnight + timedelta(days=day, hours=5) + n * STEP for day in (5, 6, 7) for n in range(10, 36)]
    told = [(zone, at, 100.0, at + timedelta(hours=1), "delay") for zone in "ST" for at in by_day]
    # In the window of this issue time every value is an hour late, in the history one is not.
    issue, early = midnight + timedelta(days=7, hours=5), midnight + timedelta(days=7, hours=20)
    told.append(("S", early, 100.0, early + timedelta(minutes=5), "seen"))
    held = Held.of({table: rows(told if table is Table.POWER else []) for table in Table})
    for panel in (window(held, of, issue), history(held, of, midnight, midnight + timedelta(days=8))):
        block = build(panel, of, np.array([issue.replace(tzinfo=None)], "datetime64[m]"), SPEC)
        assert block.age_minutes.tolist() == [[0, 0, 0]]
        assert block.origin_mw.tolist() == [[0, 0, 0]]
        before, after = (panel.power.values[panel.times == np.datetime64(f"2024-04-0{day}T04:00")] for day in (6, 7))
        assert np.isnan(before).tolist() == [[True, True, True]]
        assert after.tolist() == [[0, 0, 0]]
    only_others = Held.of({Table.POWER: rows([("Z", midnight, 1.0, midnight, "seen")])})
    assert np.isnan(history(only_others, of, midnight, issue).power.values).all()


def test_nothing_in_the_store_is_said() -> None:
    frames = {table: rows([]) for table in Table}
    with pytest.raises(MissingDataError, match="no power"):
        assemble(region(), frames, START, START + timedelta(days=1), known_at=START)


def test_weather_older_than_three_hours_is_unknown() -> None:
    frames = past(23)
    cut = START + timedelta(days=5)
    frames[Table.WEATHER] = frames[Table.WEATHER].filter(pl.col("valid_at") <= cut)
    panel = bulk(frames)
    hours = (panel.times - np.datetime64(cut.replace(tzinfo=None), "m")).astype(int) / 60
    assert np.isnan(panel.weather.values[hours > 3]).all()
    assert np.isfinite(panel.weather.values[(hours > -20) & (hours < 0)]).mean() > 0.9
