"""The sentence on top: what is wrong first, then a chance that the quantiles hold, in the region's unit and time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from power_nowcast.contracts import QUANTILES
from power_nowcast.contracts.times import aware
from power_nowcast.live.nowcaster import Nowcast, Quality
from power_nowcast.live.records import Published
from power_nowcast.regions import Region
from power_nowcast.serve.headline import Level, outlook_of, stages
from tests.toy import toy_region

ISSUE = np.datetime64("2024-05-01T18:00", "m")  # 14:00 in New York
SPREAD = np.array([-300.0, -200.0, -100.0, 0.0, 100.0, 200.0, 300.0])
MINUS = "\N{MINUS SIGN}"
GOOD = (Quality.FULL, Quality.FULL, Quality.FULL)


def nowcast(middle: tuple[float, float], *, origin: float = 20_000.0, issue: np.datetime64 = ISSUE) -> Nowcast:
    values = np.array(middle)[None, :, None] + SPREAD + np.zeros((3, 1, 1))
    return Nowcast(
        region="toy",
        issue_time=issue,
        series=("ALL", "N.E.", "SOUTH 1"),
        steps_minutes=(30, 60),
        quantiles=QUANTILES,
        values=values,
        origin_mw=np.full(3, origin),
        age_minutes=np.zeros(3),
        quality=GOOD,
        flags=(),
        model_digest="d" * 64,
        calibration_id="c",
    )


def published(told: Nowcast) -> Published:
    issue = aware(told.issue_time)
    at, due = issue + timedelta(minutes=1), issue + timedelta(minutes=45)
    return Published(told, "lightgbm", "3", 0, at, due, issue, True, "power 1", {"power": issue})


def in_unit(unit: str) -> Region:
    return Region.model_validate(toy_region().model_dump(exclude_none=True) | {"unit": unit})


@pytest.mark.parametrize(
    ("middle", "text"),
    [
        ((20_500, 21_000), "ALL rises to 21,000 MW (+5.0 %) by 15:00; 1 in 10 that it is then above 21,200 MW"),
        (
            (19_500, 19_000),
            f"ALL falls to 19,000 MW ({MINUS}5.0 %) by 15:00; 1 in 10 that it is then below 18,800 MW",
        ),
        ((30_000, 35_000), "ALL rises to 35,000 MW (+75.0 %) by 15:00; 1 in 10 that it is then above 35,200 MW"),
        ((21_000, 20_900), "ALL rises to 21,000 MW (+5.0 %) by 14:30; 1 in 10 that it is then above 21,200 MW"),
        (
            (20_020, 20_050),
            "ALL stays near 20,000 MW until 15:00; 8 in 10 that it is then between 19,850 and 20,250 MW",
        ),
    ],
)
def test_the_outlook_says_where_it_goes_and_a_chance(middle: tuple[float, float], text: str) -> None:
    assert outlook_of(toy_region(), nowcast(middle), "ALL") == text


def test_unit_and_digits_are_those_of_the_region() -> None:
    told = outlook_of(in_unit("GW"), nowcast((20_500, 21_000)), "ALL")
    assert told == "ALL rises to 21.00 GW (+5.0 %) by 15:00; 1 in 10 that it is then above 21.20 GW"


def test_a_change_from_almost_nothing_is_told_in_the_unit() -> None:
    told = outlook_of(toy_region(), nowcast((500, 1000), origin=1.0), "ALL")
    assert told.startswith("ALL rises to 1,000 MW (+999 MW) by 15:00;")


def test_on_the_night_of_a_clock_change_times_name_their_zone() -> None:
    # 01:30 in summer time; an hour later it is 01:30 again.
    told = outlook_of(toy_region(), nowcast((20_500, 21_000), issue=np.datetime64("2024-11-03T05:30", "m")), "ALL")
    assert " by 01:30 EST;" in told
    told = outlook_of(toy_region(), nowcast((21_000, 20_500), issue=np.datetime64("2024-11-03T05:00", "m")), "ALL")
    assert " by 01:30 EDT;" in told


def test_sentences_turn_by_time_alone() -> None:
    newest = datetime(2024, 5, 1, 18, tzinfo=UTC)
    good, late, gone = stages(toy_region(), published(nowcast((20_500, 21_000))), newest=newest)
    assert (good.level, good.since) == (Level.NORMAL, "2024-05-01T18:01:00.000Z")
    assert good.text.startswith("ALL rises to")
    assert good.text.endswith("; data {age} old, all inputs good.")
    assert (late.level, late.since) == (Level.WARNING, "2024-05-01T18:45:00.000Z")
    assert late.text.startswith("The nowcast after 14:00 is late. ALL rises")
    assert (gone.level, gone.since) == (Level.ALARM, "2024-05-01T19:15:00.000Z"), "as long as GET answers with 200"
    assert gone.text.startswith("No nowcast for two intervals: the newest is of 14:00, and its data are {age} old.")


@pytest.mark.parametrize(
    ("quality", "flags", "level", "begins"),
    [
        ((Quality.REDUCED,) * 3, ("no weather",), Level.WARNING, "Reduced quality: no weather. ALL rises"),
        ((Quality.FULL, Quality.REFUSED, Quality.FULL), (), Level.WARNING, "No nowcast of N.E.: no value is recent"),
        ((Quality.PERSISTENCE,) * 3, (), Level.ALARM, "ALL, N.E., SOUTH 1: the data are too late for the model"),
        (
            (Quality.PERSISTENCE, Quality.REFUSED, Quality.REDUCED),
            ("replay", "no weather"),
            Level.ALARM,
            (
                "No nowcast of N.E.: no value is recent enough. ALL: the data are too late for the model, the last "
                "value stands for the coming hour. Reduced quality: no weather. ALL rises"
            ),
        ),
    ],
)
def test_the_worst_comes_first(quality: tuple[Quality, ...], flags: tuple[str, ...], level: Level, begins: str) -> None:
    told = published(replace(nowcast((20_500, 21_000)), quality=quality, flags=flags, rungs=()))
    first, *later = stages(toy_region(), told, newest=told.issue_time)
    assert first.level is level
    assert first.text.startswith(begins)
    assert "all inputs good" not in first.text
    order = list(Level).index
    assert all(order(one.level) >= order(level) for one in later), "time makes nothing better"


def test_flags_about_the_data_are_no_fault() -> None:
    told = published(replace(nowcast((20_500, 21_000)), flags=("replay", "inside training data")))
    assert stages(toy_region(), told, newest=told.issue_time)[0].level is Level.NORMAL


def test_a_series_without_a_nowcast_says_so() -> None:
    empty = replace(nowcast((20_500, 21_000)), values=np.full((3, 2, 7), np.nan))
    assert outlook_of(toy_region(), empty, "ALL") == "ALL has no nowcast"


def test_an_archive_is_never_late() -> None:
    (only,) = stages(
        toy_region(), published(nowcast((20_500, 21_000))), newest=datetime(2024, 5, 1, 18, tzinfo=UTC), is_archive=True
    )
    assert only.text.startswith("Data of the past, up to 2024-05-01 14:00. ALL rises")
