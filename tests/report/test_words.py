"""words: figures as text, and sentences that follow the tables."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard, scorecard
from power_nowcast.report import words
from power_nowcast.report.words import best_baseline, change, headline, limits, number, percent, power

DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number(1234.56, 1), "1,234.6"),
        (number(-3.2, 1), "\N{MINUS SIGN}3.2"),
        (number(None), DASH),
        (number(float("nan")), DASH),
        (percent(0.256), "26 %"),
        (percent(float("inf")), DASH),
        (power(9.219, "MW"), "9.22"),
        (power(112.6, "MW"), "113"),
    ],
)
def test_figures_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected


def test_the_headline_holds_the_figures_of_the_table(card: Scorecard) -> None:
    near, far = card.row("NYCA", 15), card.row("NYCA", 60)

    said = headline(card)

    assert f"{near['MAPE']:.2f} % 15 minutes ahead" in said
    assert f"{far['MAPE']:.2f} % 60 minutes ahead" in said
    best = best_baseline(card, "NYCA")
    assert f"{100 * float(far[f'skill_{best}'] or 0):.0f} % less error than {best}" in said
    assert f"{100 * float(far['coverage_80'] or 0):.0f} % fell inside" in said


def test_a_model_that_is_worse_is_said_to_be(backtest: Backtest) -> None:
    swapped = replace(
        backtest,
        nowcasts=backtest.baselines["persistence"],
        baselines={"other": backtest.nowcasts},
        late={},
        late_baselines={},
    )
    card = scorecard(swapped)

    assert "more error than other" in headline(card)
    assert any("no better than a simple method for NYCA at 15 min (other)" in text for text in limits(card))


def test_a_load_of_zero_is_told_in_megawatts(poor_backtest: Backtest) -> None:
    assert "off by 0 MW" in headline(scorecard(poor_backtest), "NORTH")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (power(0.0123, "MW"), "0.0123"),
        (power(0.0123, "kW"), "12.3"),
        (power(1300, "GW"), "1.30"),
        (power(0, "kW"), "0"),
        (power(1.2345, "MW", beside=0.062), "1.234"),
        (power(0.3, "kW", beside=0.012), "300"),
        (power(20_000, "MW", beside=600), "20,000"),
        (change(0.0123, "kW"), "+12.3"),
        (change(-1.5, "MW", beside=0.1), "\N{MINUS SIGN}1.50"),
    ],
)
def test_power_has_the_digits_and_the_unit_that_fit_its_size(told: str, expected: str) -> None:
    assert told == expected


def test_a_card_is_told_in_its_regions_unit(poor_backtest: Backtest) -> None:
    region = poor_backtest.region.model_copy(update={"unit": "kW"})
    card = scorecard(replace(poor_backtest, region=region))

    assert "off by 0 kW" in headline(card, "NORTH")


def test_nothing_scored_is_said_plainly(empty_backtest: Backtest) -> None:
    card = scorecard(empty_backtest)

    assert headline(card) == "No nowcast of NYCA could be scored in this period."
    assert best_baseline(card, "NYCA") is None
    assert any("were not answered" in text for text in limits(card))


def test_limits_name_short_periods_and_bands_that_are_off(backtest: Backtest) -> None:
    values = backtest.nowcasts.values.copy()
    middle = values[..., 3:4]
    narrow = replace(backtest, nowcasts=replace(backtest.nowcasts, values=middle + (values - middle) / 4))

    said = " ".join(limits(scorecard(narrow)))

    assert "Seasons" in said
    assert "80 % band held fewer than 77 %" in said
    assert "and 2 more" in said  # eight cells are off, six are named


def test_a_whole_year_needs_no_word_on_seasons(card: Scorecard) -> None:
    year = replace(card, first=card.last.replace(year=card.last.year - 1))

    assert not any("Seasons" in text for text in limits(year))


def test_the_best_baseline_has_the_least_error(card: Scorecard) -> None:
    means = {
        name: np.mean([card.row("NYCA", horizon)[f"MAE_{name}"] for horizon in card.steps_minutes])
        for name in card.baselines
    }
    assert best_baseline(card, "NYCA") == min(means, key=lambda name: means[name])


def _hours(card: Scorecard, *rows: tuple[int, float, float | None, float | None]) -> Scorecard:
    named = ("place", "coverage_80", "coverage_80_low", "coverage_80_high")
    same = {"series": "NYCA", "horizon_min": 60, "by": "hour", "n": 120, "days": 30}
    return replace(card, slices=pl.DataFrame([same | dict(zip(named, row, strict=True)) for row in rows]))


def test_hours_off_80_percent_are_counted_beside_what_chance_would_do(card: Scorecard) -> None:
    off = _hours(card, (7, 0.6, 0.5, 0.7), (8, 0.82, 0.75, 0.89), (9, 0.95, 0.9, 1.0), (10, 1.0, None, None))

    text = words.where(off, "NYCA")

    assert "60 minutes ahead, the 80 % band of NYCA holds 60 % to 95 % of the outcomes" in text
    assert "At 2 of 3 hours the 95 % interval excludes 80 %" in text
    assert "1 hour in 20" in text
    assert words.where(_hours(card, (7, 1.0, None, None)), "NYCA").startswith("There are too few days")


@pytest.mark.parametrize(
    ("slope", "low", "high", "said"),
    [
        (1.05, 1.02, 1.08, "1.05 times the predicted ones (95 % interval 1.02 to 1.08): the median predicts too small"),
        (0.9, 0.85, 0.95, "the median predicts too large ramps."),
        (1.01, 0.99, 1.03, "does not differ from 1 by more than chance."),
        (1.01, None, None, "60 minutes ahead, observed ramps are 1.01 times the predicted ones."),
    ],
)
def test_ramps_are_told_with_their_interval(
    card: Scorecard, slope: float, low: float | None, high: float | None, said: str
) -> None:
    schema = {"series": pl.String, "horizon_min": pl.Int64, "slope": pl.Float64}
    schema |= {"slope_low": pl.Float64, "slope_high": pl.Float64}
    slopes = pl.DataFrame([("NYCA", 60, slope, low, high)], schema=schema, orient="row")

    assert said in words.ramps(replace(card, slopes=slopes), "NYCA")
    assert words.ramps(replace(card, slopes=slopes.clear()), "NYCA") == ""


def test_signed_numbers() -> None:
    assert [words.signed_number(value) for value in (12.0, -12.0, 0.0)] == ["+12", "\N{MINUS SIGN}12", "0"]
