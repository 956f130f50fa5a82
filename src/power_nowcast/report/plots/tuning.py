"""Plot of a study: the loss of each trial, and the importance of the options."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from power_nowcast.report.plots.style import BASELINES, INK, MODEL, MUTED, WARM, canvas, headline, style


def study_plot(losses: Sequence[float], importance: Mapping[str, float], *, title: str = "Tuning") -> Figure:
    """Losses by trial (the first has the defaults) with the best so far; on the right, the options by importance.

    Args:
        losses: losses of the trials in order, NaN for a pruned trial.
        importance: share of each option, empty if it is not known yet.
        title: title of the plot.
    """
    values = np.array(losses, np.float64)
    number = np.arange(len(values))
    whole = np.isfinite(values)
    best = np.fmin.accumulate(values)
    with style():
        figure, (left, right) = canvas(11, 4.2, 1, 2, gridspec_kw={"width_ratios": [1.7, 1]})
        left.axhline(values[0], color=BASELINES[0], lw=1.2, ls=(0, (4, 3)))
        left.step(number, best, where="post", color=MODEL, label="best so far")
        left.scatter(number[whole], values[whole], s=22, color=MODEL, alpha=0.55, linewidths=0, label="trial")
        low = float(np.nanmin(values))
        high = float(np.nanquantile(values, 0.9))
        top = max(high, float(values[0])) + 0.12 * (max(high, float(values[0])) - low or low)
        left.scatter(
            number[~whole], np.full((~whole).sum(), top), s=22, marker="x", color=MUTED, linewidths=1, label="given up"
        )
        above = whole & (values > top)
        left.scatter(number[above], np.full(above.sum(), top), s=26, marker="^", color=WARM, linewidths=0)
        left.set_ylim(low - 0.08 * (top - low), top + 0.05 * (top - low))
        left.annotate(
            "defaults", (1, values[0]), xycoords=("axes fraction", "data"), xytext=(-2, 4), textcoords="offset points",
            ha="right", fontsize=8.5, color=MUTED,
        )  # fmt: skip
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.set_xlabel("trial")
        left.legend(loc="lower left", fontsize=8.5, ncols=3, handlelength=1.3)
        gained = 1 - low / values[0]
        headline(left, title, f"Pinball loss on the folds, in units of persistence's MAE; {100 * gained:.1f} % saved")
        ranked = sorted(importance.items(), key=lambda item: (item[1], item[0]))
        shares = [share for _, share in ranked]
        right.barh(range(len(ranked)), shares, color=MODEL, height=0.66)
        for row, share in enumerate(shares):
            right.annotate(
                f"{100 * share:.0f} %",
                (share, row),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        right.set_yticks(range(len(ranked)), [name for name, _ in ranked], color=INK)
        right.xaxis.set_major_formatter(PercentFormatter(1, 0))
        right.margins(x=0.14)
        right.grid(axis="y", visible=False)
        headline(right, "Importance of options", "Share of the importance for the loss" if ranked else "Too few trials")
    return figure
