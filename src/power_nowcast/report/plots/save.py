"""The plots of the report, each with its text alternative."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from power_nowcast.contracts import Floats
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.report.plots.accuracy import (
    error_heatmap,
    reliability,
    residual_hist,
    skill_by_horizon,
)
from power_nowcast.report.plots.explain import across_horizons, feature_importance, rests_on, shap
from power_nowcast.report.plots.overtime import backtest_horizon, nowcast_fan, pred_vs_actual
from power_nowcast.report.plots.style import style
from power_nowcast.report.words import shown_horizons

HISTORY_MINUTES = 240


@dataclass(frozen=True)
class Explanation:
    """The explanation of a model.

    `importance` has a share for each feature. `values` are SHAP contributions in `unit`, and `features` the values of
    the features, both of shape (sample, feature) with the columns `names`; None if the model has none. `about`
    describes the explained nowcasts, such as "NYCA, 60 minutes ahead". `rests_on` has, by family of features, the most
    important first, the increase of the loss (repeat,) when the family is permuted.
    """

    importance: dict[str, float]
    values: Floats | None = None
    features: Floats | None = None
    names: Sequence[str] = field(default_factory=tuple)
    unit: str = "MW"
    about: str = ""
    rests_on: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class Plot:
    """A figure with its file name (without the extension), and its text alternative."""

    name: str
    figure: Figure
    alt: str

    def png(self) -> bytes:
        """The picture."""
        buffer = BytesIO()
        with style():
            self.figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def plots(
    backtest: Backtest, card: Scorecard, *, series: str | None = None, explanation: Explanation | None = None
) -> Iterator[Plot]:
    """The plots of the report for one series (by default the first, which is the total), drawn one after the other."""
    name = series or card.series[0]
    yield from _of_accuracy(backtest, card, name)
    yield from _of_days(backtest, card, name)
    if explanation is not None:
        yield from explanation_plots(explanation)


def _of_accuracy(backtest: Backtest, card: Scorecard, name: str) -> Iterator[Plot]:
    steps = shown_horizons(card.steps_minutes)
    far = steps[-1]
    yield Plot(
        "pred_vs_actual",
        pred_vs_actual(backtest, name, far),
        f"Lines over four days: {name} and the bands of the nowcast made {far} minutes ahead; errors below.",
    )
    yield Plot(
        "skill_by_horizon",
        skill_by_horizon(card, name),
        f"Two line charts over the horizon: mean absolute error of {name} by model and baselines, and the share saved.",
    )
    yield Plot(
        "reliability",
        reliability(card, name),
        f"Reliability diagram of {name}'s quantiles, and bars of outcomes below, inside and above the 80 % band.",
    )
    for horizon in steps:
        yield Plot(
            f"backtest_horizon_{horizon}",
            backtest_horizon(card, name, horizon),
            f"Lines by day: mean absolute error of {name} {horizon} minutes ahead, the model's and the baselines'.",
        )
    yield Plot(
        "residual_hist",
        residual_hist(backtest, name),
        f"Histograms of the errors of {name} at each horizon, around zero.",
    )
    yield Plot(
        "error_by_hour_and_weekday",
        error_heatmap(card, name),
        f"Table of shades: mean absolute error of {name} by local hour and weekday.",
    )


def _of_days(backtest: Backtest, card: Scorecard, name: str) -> Iterator[Plot]:
    far = shown_horizons(card.steps_minutes)[-1]
    worst = card.worst_days.filter(pl.col("series") == name)
    if len(worst):
        day: date = worst["date"][0]
        yield Plot(
            "worst_day",
            pred_vs_actual(backtest, name, far, first=day, days=1),
            f"The worst day, {day}: what came of {name} and the nowcast made {far} minutes ahead.",
        )
    if (fan := _last_fan(backtest, name)) is not None:
        yield Plot(
            "nowcast_fan", fan, f"The last hours of {name} and the fan of quantiles of the hour after, with what came."
        )


def explanation_plots(explanation: Explanation) -> Iterator[Plot]:
    """The plots of an explanation."""
    if explanation.rests_on:
        yield Plot(
            "rests_on",
            rests_on(explanation.rests_on),
            "Bars by family of features: increase of the loss when the family has values of other times, largest for "
            f"{next(iter(explanation.rests_on))}.",
        )
    if explanation.importance:
        features = across_horizons(explanation.importance)
        leading = max(features, key=lambda feature: features[feature])
        yield Plot(
            "feature_importance",
            feature_importance(features),
            f"Bars of the most important features, led by {leading}.",
        )
    if explanation.values is not None and explanation.features is not None:
        yield Plot(
            "shap",
            shap(
                explanation.values,
                explanation.features,
                explanation.names,
                unit=explanation.unit,
                about=explanation.about,
            ),
            "Points by feature: how much each moved the nowcasts up or down.",
        )


def save_all(
    backtest: Backtest,
    card: Scorecard,
    folder: Path,
    *,
    series: str | None = None,
    explanation: Explanation | None = None,
) -> dict[str, Path]:
    """Write every plot of `plots` as PNG into `folder`; returns the files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for plot in plots(backtest, card, series=series, explanation=explanation):
        paths[plot.name] = folder / f"{plot.name}.png"
        paths[plot.name].write_bytes(plot.png())
    return paths


def _last_fan(backtest: Backtest, series: str) -> Figure | None:
    """The last answered nowcast with a known outcome."""
    nowcasts = backtest.nowcasts
    column = nowcasts.series.index(series)
    values, actual = nowcasts.values[:, column], backtest.actual[:, column]
    whole = np.isfinite(values).all(axis=(1, 2)) & np.isfinite(actual).all(axis=1)
    if not whole.any():
        return None
    last = int(np.flatnonzero(whole)[-1])
    issue = nowcasts.issue_times[last]
    # For earlier issue times the outcomes of all steps are known.
    after = nowcasts.issue_times[:, None] + np.array(nowcasts.steps_minutes, "timedelta64[m]")
    times = np.concatenate([nowcasts.issue_times, after.ravel()])
    load = np.concatenate([backtest.at_issue[:, column], actual.ravel()])
    recent = (times > issue - np.timedelta64(HISTORY_MINUTES, "m")) & (times <= issue)
    seen, first = np.unique(times[recent], return_index=True)
    one = replace(nowcasts, issue_times=issue[None], series=(series,), values=values[last][None, None])
    return nowcast_fan(backtest.region, one, seen, load[recent][first], outcome=actual[last])
