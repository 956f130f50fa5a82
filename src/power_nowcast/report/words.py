"""A scorecard in words: the headline, the limits, and the format of figures. Every statement comes from its tables."""

import math
from collections.abc import Mapping

import polars as pl

from power_nowcast.evaluate.inference import CONFIDENCE
from power_nowcast.evaluate.promotion import COVERAGE
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.evaluate.slices import HOUR, NOMINAL
from power_nowcast.regions.units import TO_MW

NONE = "\N{EN DASH}"
SEASONS = 330
"""A period of so many days or more counts as a whole year."""
FEW = 6
MOST_DECIMALS = 6
"""One watt, told in MW."""
FEWEST_DAYS = 3
LEAST_SHARE = 0.05
"""A row with fewer days, or a smaller share of the fullest row's pairs, says nothing about a model."""
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
KNOTS = (15, 30, 45, 60)
"""Horizons in plots and tables, if a region has them."""


def shown_horizons(steps_minutes: tuple[int, ...]) -> tuple[int, ...]:
    """The `KNOTS` among the steps; all steps if there is none."""
    return tuple(step for step in steps_minutes if step in KNOTS) or steps_minutes


def told_rows(table: pl.DataFrame) -> pl.DataFrame:
    """The rows of at least `FEWEST_DAYS` days and `LEAST_SHARE` of the pairs `n` of the fullest row."""
    return table.filter((pl.col("days") >= FEWEST_DAYS) & (pl.col("n") >= LEAST_SHARE * pl.col("n").max()))


def number(value: object, digits: int = 0) -> str:
    """A figure with thousands separators, or a dash if there is no figure.

    >>> number(1234.56, 1)
    '1,234.6'
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def percent(value: object, digits: int = 0) -> str:
    """A share of 1 in percent.

    >>> percent(0.256)
    '26 %'
    """
    return f"{number(100 * value, digits)} %" if isinstance(value, int | float) and math.isfinite(value) else NONE


def signed(value: object, digits: int = 1) -> str:
    """A change in percent with its sign.

    >>> signed(3.14159), signed(-2.0)
    ('+3.1 %', '\N{MINUS SIGN}2.0 %')
    """
    text = number(value, digits)
    return text if text == NONE else f"{_plus(text)} %"


def signed_number(value: float, digits: int = 0) -> str:
    """A figure like `number`, with its sign.

    >>> signed_number(1234.56, 1), signed_number(-2.0)
    ('+1,234.6', '\N{MINUS SIGN}2')
    """
    return _plus(number(value, digits))


def digits(size: float, significant: int = 3) -> int:
    """The decimals that show so many significant digits of a figure; none where they stand before the point.

    >>> digits(1234.5), digits(45.2), digits(0.0123)
    (0, 1, 4)
    """
    if not math.isfinite(size) or size == 0:
        return 0
    return min(MOST_DECIMALS, max(0, significant - 1 - math.floor(math.log10(abs(size)))))


def power(mw: object, unit: str, *, beside: float | None = None) -> str:
    """Power in a unit of a region, as text without the unit.

    Args:
        mw: the power in MW.
        unit: MW, kW or GW.
        beside: a difference in MW that must be seen, such as the width of a band: its two leading digits are shown.
            Without it, three significant digits are shown, and all that stand before the point.

    >>> power(1234.5, "MW"), power(0.0123, "MW"), power(0.0123, "kW")
    ('1,234', '0.0123', '12.3')
    >>> power(1.2345, "MW", beside=0.05), power(1.2345, "kW", beside=0.05)
    ('1.234', '1,234')
    """
    if not isinstance(mw, int | float) or not math.isfinite(mw):
        return NONE
    factor = TO_MW[unit]
    shown = digits(mw / factor) if beside is None else digits(beside / factor, 2)
    return number(mw / factor, shown)


def change(mw: float, unit: str, *, beside: float | None = None) -> str:
    """A change of power like `power`, with its sign.

    >>> change(0.0123, "kW"), change(-312.4, "MW")
    ('+12.3', '\N{MINUS SIGN}312')
    """
    return _plus(power(mw, unit, beside=beside))


def best_baseline(card: Scorecard, series: str) -> str | None:
    """The baseline with the smallest mean error over the displayed horizons, None without any."""
    rows = card.by_series.filter(
        (pl.col("series") == series) & pl.col("horizon_min").is_in(shown_horizons(card.steps_minutes))
    )
    means = {name: rows[f"MAE_{name}"].mean() for name in card.baselines}
    known = {name: float(mean) for name, mean in means.items() if isinstance(mean, float)}
    return min(known, key=lambda name: known[name]) if known else None


def relative(row: Mapping[str, object], digits: int) -> str:
    """The error in percent: MAPE of load, nMAE of wind and solar power."""
    return f"{number(row.get('MAPE') if row.get('nMAE') is None else row['nMAE'], digits)} %"


def relative_name(card: Scorecard, series: str | None = None) -> str:
    """The name of the metric in `relative`, for one series or for all together."""
    table = card.by_series if series is None else card.by_series.filter(pl.col("series") == series)
    names = [name for name in ("MAPE", "nMAE") if table[name].is_not_null().any()]
    return " or ".join(names) or "MAPE"


def headline(card: Scorecard, series: str | None = None) -> str:
    """The result of the backtest in two or three simple sentences."""
    name = series or card.series[0]
    rows = [card.row(name, horizon) for horizon in shown_horizons(card.steps_minutes)]
    scored = [row for row in rows if row.get("n") and row["MAE"] is not None]
    if not scored:
        return f"No nowcast of {name} could be scored in this period."
    near, far = scored[0], scored[-1]
    if NONE not in relative(near, 2) + relative(far, 2):
        off = f"{relative(near, 2)} {near['horizon_min']} minutes ahead"
        off += f" and {relative(far, 2)} {far['horizon_min']} minutes ahead" if far is not near else ""
        off += " of the largest possible output" if far["nMAE"] is not None else ""
    else:
        off = f"{power(far['MAE'], card.unit)} {card.unit} {far['horizon_min']} minutes ahead"
    text = f"On average the nowcast of {name} is off by {off}."
    best = best_baseline(card, name)
    skill = far.get(f"skill_{best}")
    if best and isinstance(skill, float):
        better = f"{percent(abs(skill))} {'less' if skill >= 0 else 'more'} error than {best}"
        text += f" At {far['horizon_min']} minutes that is {better}, the best of the simple methods."
    inside = far.get("coverage_80")
    if isinstance(inside, float):
        text += f" Of the outcomes, {percent(inside)} fell inside the band that should hold 80 %."
    return text


def where(card: Scorecard, series: str) -> str:
    """In how many local hours the coverage of the 80 % band differs from 80 % by more than its sampling error."""
    hours = told_rows(card.slices.filter((pl.col("series") == series) & (pl.col("by") == HOUR)))
    hours = hours.drop_nulls("coverage_80_low")
    said = []
    for (horizon,), rows in hours.group_by("horizon_min", maintain_order=True):
        off = rows.filter((pl.col("coverage_80_low") > NOMINAL) | (pl.col("coverage_80_high") < NOMINAL))
        said.append((horizon, len(off), len(rows), rows["coverage_80"].min(), rows["coverage_80"].max()))
    if not said:
        return "There are too few days to tell the coverage of single hours from chance."
    horizon, off_hours, count, low, high = said[-1]
    return (
        f"{horizon} minutes ahead, the 80 % band of {series} holds {percent(low)} to {percent(high)} of the outcomes, "
        f"depending on the hour. At {off_hours} of {count} hours the 95 % interval excludes 80 %; if the bands held "
        f"everywhere, chance alone would do that at 1 hour in {round(1 / (1 - CONFIDENCE))}."
    )


def ramps(card: Scorecard, series: str) -> str:
    """How observed ramps compare with predicted ones at the farthest horizon."""
    rows = card.slopes.filter(pl.col("series") == series).drop_nulls("slope").sort("horizon_min")
    if rows.is_empty():
        return ""
    row = rows.row(-1, named=True)
    text = f"{row['horizon_min']} minutes ahead, observed ramps are {number(row['slope'], 2)} times the predicted ones"
    if row["slope_low"] is None:
        return f"{text}."
    interval = f"95 % interval {number(row['slope_low'], 2)} to {number(row['slope_high'], 2)}"
    if row["slope_low"] > 1:
        return f"{text} ({interval}): the median predicts too small a part of a ramp."
    if row["slope_high"] < 1:
        return f"{text} ({interval}): the median predicts too large ramps."
    return f"{text} ({interval}), which does not differ from 1 by more than chance."


def limits(card: Scorecard) -> list[str]:
    """The limits of the figures, derived from the tables."""
    days = (card.last - card.first).days + 1
    span = f"{card.first:%d %b %Y} to {card.last:%d %b %Y}"
    period = f"The figures rest on {card.issues:,} issue times in {days} days, {span}."
    if days < SEASONS:
        period += " Seasons, holidays and weather outside of them are not tested."
    said = [period]
    table = card.by_series.filter(pl.col("horizon_min").is_in(shown_horizons(card.steps_minutes)))
    unanswered, scored = int(table["missing"].sum()), int(table["n"].sum())
    if unanswered:
        share = percent(unanswered / (unanswered + scored), 1)
        said.append(
            f"{unanswered:,} nowcasts ({share}) were not answered because data were missing; the errors exclude them."
        )
    worse = [
        f"{row['series']} at {row['horizon_min']} min ({name})"
        for name in card.baselines
        for row in table.iter_rows(named=True)
        if row[f"skill_{name}"] is not None and row[f"skill_{name}"] <= 0
    ]
    if worse:
        said.append(f"The model is no better than a simple method for {_few(worse)}.")
    low, high = COVERAGE
    off = [
        f"{row['series']} at {row['horizon_min']} min ({percent(row['coverage_80'])})"
        for row in table.iter_rows(named=True)
        if row["coverage_80"] is not None and not low <= row["coverage_80"] <= high
    ]
    if off:
        said.append(f"The 80 % band held fewer than {percent(low)} or more than {percent(high)} for {_few(off)}.")
    said += [
        "Only pairs with a published value at the issue time and at the target are scored.",
        "The outcome is the newest value from the publisher, including corrections.",
        "The coverage of bands holds on average over a period; on an unusual day it can be lower, see the worst days.",
    ]
    return said


def _plus(text: str) -> str:
    """A figure's text with a plus sign if it is above 0."""
    return f"+{text}" if text.strip("0.,") and text[0].isdigit() else text


def _few(items: list[str]) -> str:
    more = len(items) - FEW
    return ", ".join(items[:FEW]) + (f" and {more} more" if more > 0 else "")
