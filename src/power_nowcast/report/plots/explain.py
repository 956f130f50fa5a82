"""Plots that explain a model: importance of its features and, from TreeSHAP, their contributions to the nowcasts."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from power_nowcast.contracts import Floats
from power_nowcast.features.families import without_horizon
from power_nowcast.report.plots.style import INK, MODEL, MUTED, canvas, headline, style
from power_nowcast.report.words import digits, number

LOW_TO_HIGH = LinearSegmentedColormap.from_list("low_to_high", ["#2f77b5", "#b9b2b8", "#c8500a"])
ROW = 0.4
FEWEST_ROWS = 5  # a figure of one feature needs room for its title and axis
MOST_POINTS = 1500


def across_horizons(importance: Mapping[str, float]) -> dict[str, float]:
    """Importance, summed over features that differ only in their horizon (`..._h30`)."""
    together: dict[str, float] = {}
    for name, value in importance.items():
        own = without_horizon(name)
        together[own] = together.get(own, 0.0) + value
    return together


def feature_importance(
    importance: Mapping[str, float], *, title: str = "Importance of features", top: int = 20
) -> Figure:
    """The `top` features by importance, as shares of the total."""
    total = sum(importance.values()) or 1.0
    ranked = sorted(importance.items(), key=lambda item: (-item[1], item[0]))[:top]
    names, shares = [name for name, _ in ranked], np.array([value / total for _, value in ranked])
    y = np.arange(len(names))[::-1]
    with style():
        figure, (axes,) = canvas(9, 1.4 + 0.28 * max(FEWEST_ROWS, len(names)))
        axes.barh(y, shares, color=MODEL, height=0.68)
        for row, share in zip(y, shares, strict=True):
            axes.annotate(
                f"{100 * share:.1f} %",
                (share, row),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        axes.set_yticks(y, names, color=INK)
        axes.set_ylim(-0.7, len(names) - 0.3)
        axes.xaxis.set_major_formatter(PercentFormatter(1, 0))
        axes.margins(x=0.09)
        axes.grid(axis="y", visible=False)
        shown = f"these {len(names)} of {len(importance)} features have {100 * shares.sum():.0f} %"
        headline(axes, title, f"Share of all importance; {shown}")
    return figure


def rests_on(grown: Mapping[str, Floats]) -> Figure:
    """Permutation importance: increase of the loss by family, with a dot for each draw and a bar for the mean.

    Args:
        grown: increase by family, shape (repeat,), in units of the validation loss.
    """
    ranked = sorted(grown.items(), key=lambda item: (float(np.mean(item[1])), item[0]))
    with style():
        figure, (axes,) = canvas(9, 1.6 + 0.34 * max(FEWEST_ROWS, len(ranked)))
        axes.axvline(0, color=MUTED, lw=1)
        for row, (_, values) in enumerate(ranked):
            mean, most = float(np.mean(values)), float(np.max(values))
            axes.barh(row, mean, color=MODEL, height=0.62, alpha=0.85)
            axes.scatter(values, np.full(len(values), row), s=9, color=INK, linewidths=0, zorder=3)
            axes.annotate(
                f"{mean:+.4f}".replace("-", "\N{MINUS SIGN}"),
                (max(most, 0.0), row),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        axes.set_yticks(range(len(ranked)), [name for name, _ in ranked], color=INK)
        axes.set_xlabel("loss added, in units of persistence's MAE")
        axes.margins(x=0.12)
        axes.grid(axis="y", visible=False)
        headline(
            axes,
            "Importance of families of features",
            "Increase of the pinball loss when a family has values of other times; one dot for each draw",
        )
    return figure


def shap(
    values: Floats, features: Floats, names: Sequence[str], *, unit: str = "MW", about: str = "", top: int = 15
) -> Figure:
    """SHAP contributions of each feature: one point for each nowcast, coloured by the feature's value.

    Args:
        values: contributions in `unit`, shape (sample, feature), without the expected value.
        features: values of the features, shape (sample, feature).
        names: names of the features.
        unit: unit of the contributions.
        about: description of the nowcasts.
        top: number of features to show, by mean absolute contribution.
    """
    thin = slice(None, None, max(1, len(values) // MOST_POINTS))
    strength = np.abs(values).mean(axis=0) if len(values) else np.zeros(len(names))
    order = np.argsort(-strength, kind="stable")[:top]
    with style():
        figure, (axes,) = canvas(9.5, 1.5 + 0.34 * max(FEWEST_ROWS, len(order)))
        axes.axvline(0, color=MUTED, lw=1)
        for row, column in zip(range(len(order))[::-1], order, strict=True):
            x = values[thin, column]
            axes.scatter(
                x,
                row + _swarm(x),
                c=_ranks(features[thin, column]),
                cmap=LOW_TO_HIGH,
                norm=Normalize(0, 1),
                s=7,
                linewidths=0,
                alpha=0.8,
                plotnonfinite=True,
                rasterized=True,
            )
            axes.annotate(
                number(float(strength[column]), digits(float(strength.max()))),
                (1.01, row),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8.5,
                color=MUTED,
            )
        axes.set_yticks(range(len(order))[::-1], [names[column] for column in order], color=INK)
        axes.set_ylim(-0.7, len(order) - 0.3)
        axes.set_xlabel(f"contribution to the nowcast, {unit}")
        axes.grid(axis="x", visible=False)
        bar = figure.colorbar(
            ScalarMappable(Normalize(0, 1), LOW_TO_HIGH), ax=axes, ticks=[0, 1], aspect=32, pad=0.07, fraction=0.025
        )
        bar.ax.set_yticklabels(["low", "high"], color=MUTED)
        bar.set_label("value of the feature", labelpad=-14)
        bar.outline.set_visible(False)
        headline(
            axes,
            f"Contributions to the nowcast: {about}" if about else "Contributions to the nowcast",
            f"SHAP contributions in {unit}, one point for each nowcast; on the right their mean size",
        )
    return figure


def _ranks(values: Floats) -> Floats:
    """Values as ranks from 0 to 1, robust against outliers; NaN stays."""
    known = np.isfinite(values)
    ranks = np.full(len(values), np.nan)
    _, place = np.unique(values[known], return_inverse=True)
    ranks[known] = place / max(1, int(known.sum()) and int(place.max()))
    return ranks


def _swarm(x: Floats) -> Floats:
    """Deterministic offsets that spread close points, so that the width shows their number."""
    low, high = (x.min(), x.max()) if len(x) else (0.0, 0.0)
    place = np.zeros(len(x), int) if high <= low else np.minimum(((x - low) / (high - low) * 80).astype(int), 79)
    offset = np.zeros(len(x))
    counts = np.bincount(place, minlength=1)
    for cell in np.flatnonzero(counts):
        members = np.flatnonzero(place == cell)
        spread = ROW * np.sqrt(len(members) / counts.max())
        offset[members] = np.linspace(-spread, spread, len(members)) if len(members) > 1 else 0.0
    return offset
