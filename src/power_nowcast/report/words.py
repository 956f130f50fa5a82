"""A scorecard in words: the headline, the limits, and the format of figures. Every statement comes from its tables."""

import math
from collections.abc import Mapping

import polars as pl

from power_nowcast.evaluate.promotion import COVERAGE
from power_nowcast.evaluate.scorecard import Scorecard

NONE = "\N{EN DASH}"
SEASONS = 330
"""A period of so many days or more counts as a whole year."""
FEW = 6
KNOTS = (15, 30, 45, 60)
"""Horizons in plots and tables, if a region has them."""


def shown_horizons(steps_minutes: tuple[int, ...]) -> tuple[int, ...]:
    """The `KNOTS` among the steps; all steps if there is none."""
    return tuple(step for step in steps_minutes if step in KNOTS) or steps_minutes


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
    return text if text == NONE else f"{'+' if text.strip('0.,') and text[0].isdigit() else ''}{text} %"


def megawatts(value: object) -> str:
    """MW with a number of digits that fits its size.

    >>> megawatts(1234.5), megawatts(9.219)
    ('1,234', '9.2')
    """
    small = isinstance(value, int | float) and abs(value) < 100
    return number(value, 1 if small else 0)


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
        off = f"{megawatts(far['MAE'])} MW {far['horizon_min']} minutes ahead"
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


def _few(items: list[str]) -> str:
    more = len(items) - FEW
    return ", ".join(items[:FEW]) + (f" and {more} more" if more > 0 else "")
