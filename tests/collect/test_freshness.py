from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from power_nowcast.collect import status, write, write_all
from power_nowcast.collect.freshness import Freshness, is_archive
from power_nowcast.contracts import Table
from power_nowcast.ingest import fetch
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.checks.made_up import START, sun
from tests.checks.made_up import region as made_up
from tests.collect.conftest import FIRST, SLOTS, write_day

END = FIRST + timedelta(minutes=30 * (SLOTS - 1))


def test_an_archive_follows_no_clock(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0, leave_out=(3, 4), s9=-5)
    write_all(store, region)
    (power,) = status(store, region, now=FIRST + timedelta(days=900))
    assert (power.table, power.rows, power.series) == (Table.POWER, 2 * (SLOTS - 2) - 1, 2)
    assert (power.first, power.last) == (FIRST, END)
    assert (power.freshness, power.behind) == (Freshness.ARCHIVE, timedelta(0))
    assert (power.gaps, power.missing, power.quarantined) == (3, 5, 1)


def test_a_live_table_is_late_after_some_intervals(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0)
    for batch in fetch(region):
        assert batch.reading is not None
        write(store, replace(batch, reading=replace(batch.reading, received_at=END)), now=END)
    (fresh,) = status(store, region, now=END + timedelta(minutes=90))
    assert (fresh.freshness, fresh.behind) == (Freshness.FRESH, timedelta(0))
    (late,) = status(store, region, now=END + timedelta(minutes=100))
    assert (late.freshness, late.behind) == (Freshness.LATE, timedelta(minutes=10))


def test_files_are_live_as_soon_as_they_keep_coming(region: Region, store: Store, tmp_path: Path) -> None:
    def ingest(day: int, minutes: int) -> Freshness:
        write_day(tmp_path, day)
        now = END + timedelta(days=day, minutes=minutes)
        write_all(store, region, clock=lambda: now)
        return status(store, region, now=now)[0].freshness

    assert ingest(0, 900) is Freshness.ARCHIVE
    assert ingest(1, 20) is Freshness.ARCHIVE, "one new file may be the end of an archive"
    assert ingest(2, 20) is Freshness.FRESH
    (late,) = status(store, region, now=END + timedelta(days=2, minutes=100))
    assert (late.freshness, late.behind) == (Freshness.LATE, timedelta(minutes=10))
    write_day(tmp_path, 0, name="corrected", s3=2100.0)
    write_all(store, region, clock=lambda: END + timedelta(days=2, minutes=101))
    assert not is_archive(store, region), "an old file makes no archive"


def test_a_file_that_grows_keeps_coming(region: Region, store: Store, tmp_path: Path) -> None:
    file = write_day(tmp_path, 0)
    whole = file.read_text().splitlines()
    found = []
    for lines in (20, 21, 22):
        file.write_text("\n".join(whole[: lines + 1]) + "\n")
        now = FIRST + timedelta(minutes=30 * lines)
        write_all(store, region, clock=lambda now=now: now)
        found.append(is_archive(store, region))
    assert found == [True, False, False]


def test_the_usual_delay_belongs_to_what_is_new(region: Region, store: Store, tmp_path: Path) -> None:
    power = region.power.model_copy(update={"delay_minutes": 600})
    slow = region.model_copy(update={"power": power})
    for day in (0, 1):
        write_day(tmp_path, day)
        write_all(store, slow, clock=lambda day=day: END + timedelta(days=day, minutes=600))
    assert not is_archive(store, slow)
    assert is_archive(store, region)


def test_an_empty_table_is_told(region: Region, store: Store) -> None:
    (power,) = status(store, region, now=END)
    assert (power.rows, power.first, power.last, power.freshness) == (0, None, None, Freshness.EMPTY)


def test_nothing_beyond_now_counts(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0)
    now = FIRST + timedelta(minutes=30 * 20 + 10)
    for batch in fetch(region, clock=lambda: END):  # as a clock of then let it in
        assert batch.reading is not None
        write(store, replace(batch, reading=replace(batch.reading, received_at=now)), now=now)
    (power,) = status(store, region, now=now)
    assert (power.last, power.rows, power.gaps) == (FIRST + timedelta(minutes=30 * 20), 2 * 21, 0)
    (later,) = status(store, region, now=END)
    assert (later.last, later.rows) == (END, 2 * SLOTS)


def test_silent_nights_of_the_sun_are_neither_late_nor_missing(store: Store, tmp_path: Path) -> None:
    of = made_up("solar")
    of = of.model_copy(update={"power": of.power.model_copy(update={"options": {"files": str(tmp_path / "*.csv")}})})
    lines = ["valid_at,A,B"]
    for place, value in enumerate(sun(2)):
        at = START + timedelta(minutes=15 * place)
        if value > 0:
            lines.append(f"{at:%Y-%m-%dT%H:%MZ},{value},{value / 2}")
    (tmp_path / "sun.csv").write_text("\n".join(lines) + "\n")
    dusk = START + timedelta(days=1, hours=18, minutes=45)
    for batch in fetch(of):
        assert batch.reading is not None
        write(store, replace(batch, reading=replace(batch.reading, received_at=dusk)), now=dusk)
    (night,) = status(store, of, now=START + timedelta(days=2, hours=1))
    assert night.last == dusk
    assert (night.freshness, night.behind) == (Freshness.FRESH, timedelta(0))
    # From sunrise to the first value, and the last one to sunset: the made-up sun is lower than the real one.
    assert 0 < night.missing < 2 * 10
    (noon,) = status(store, of, now=START + timedelta(days=2, hours=12))
    assert noon.freshness is Freshness.LATE
