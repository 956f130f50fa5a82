"""The plot of a grid: error by horizon for each library, and what its 80 % bands hold, by horizon and by month."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from peers.base import Job
from peers.record import Months
from peers.registry import CLASSES, OURS, PEERS
from peers.results import Result
from power_nowcast.report.plots.style import BANDS, MODEL, MUTED, canvas, end_labels, headline, style

COLOURS = ("#7d848c", "#b9a16b", "#a8763e", "#c8500a", "#1a8163", "#8d4a9c", "#c2437e", "#2b7fa3")
"""Colours of the peers in the order of `registry.PEERS`; our row has the model's colour."""
CUT = 2.2
"""A line that starts above this multiple of the best library's last point is not drawn but named in words."""
PROMISED = (77, 83)
LEFT = 50
UNITS = {"MAPE": "MAPE %", "nMAE": "nMAE % of capacity"}


def draw(
    results: Sequence[Result],
    rows: pl.DataFrame,
    job: Job,
    path: Path,
    *,
    words: Mapping[str, str],
    score: str = "MAPE",
    months: Months | None = None,
) -> None:
    """A row of two panels for each class that has results, of the record's first series, on common scales.

    `words` says what each class may see; `months` is coverage by month for each class, series and peer.
    """
    rows = rows.with_columns(error=pl.col(score))
    series = rows["series"][0]
    own = rows.filter(pl.col("series") == series)
    kinds = {inputs: kind for inputs in CLASSES if len(kind := own.filter(pl.col("class") == inputs))}
    top = max(_top(kind) for kind in kinds.values())
    shares = {key: [100 * month["coverage"] for month in told] for key, told in (months or {}).items()}
    monthly = {(inputs, name): values for (inputs, of, name), values in shares.items() if of == series}
    held = [100 * float(own["coverage"].min()), *(share for values in monthly.values() for share in values)]
    low = min(LEFT, min(held) - 3)
    with style():
        figure, axes = canvas(12, 4.3 * len(kinds), len(kinds), 2, gridspec_kw={"width_ratios": (1.25, 1)})
        for i, (inputs, kind) in enumerate(kinds.items()):
            titles = {one.name: one.title for one in results if one.inputs == inputs and one.series == series}
            left, right = axes[2 * i : 2 * i + 2]
            left.set_ylim(0, top)
            right.set_xlim(low, 100)
            heads = f"Error, {UNITS[score]}", f"{series}, {words[inputs]}"
            errors(left, kind, titles, job.horizons_min, heads)
            coverage(right, kind, titles, {name: monthly.get((inputs, name), []) for name in titles})
        figure.get_layout_engine().set(w_pad=0.2, h_pad=0.2)
        figure.savefig(path)


def errors(
    axes: Axes, rows: pl.DataFrame, titles: dict[str, str], horizons: Sequence[int], heads: tuple[str, str]
) -> None:
    """Error by horizon, one line for each peer; a peer far above the others is named in the subtitle of `heads`."""
    lines = _lines(rows)
    top = axes.get_ylim()[1]
    shown = {name: values for name, values in lines.items() if values[0] < top / 1.6}
    labels = []
    for name, values in shown.items():
        is_ours = name == OURS
        axes.plot(
            horizons,
            values,
            color=colour(name),
            linewidth=3 if is_ours else 1.8,
            marker="o",
            markersize=6 if is_ours else 4,
            zorder=3 if is_ours else 2,
        )
        label = f"{titles[name]} {_short(values[-1])}" + ("" if values[-1] <= top else " \N{UPWARDS ARROW}")
        labels.append((label, min(values[-1], top), colour(name)))
    end_labels(axes, horizons[-1], labels, gap=0.062)
    axes.set_xticks(horizons)
    axes.set_xlabel("minutes ahead")
    axes.margins(x=0.03)
    beyond = [f"{titles[name]} {lines[name][-1]:.1f}" for name in lines if name not in shown]
    title, subtitle = heads
    headline(axes, title, subtitle + (f"; not shown: {', '.join(beyond)}" if beyond else ""), small=True)


def coverage(axes: Axes, rows: pl.DataFrame, titles: dict[str, str], months: Mapping[str, Sequence[float]]) -> None:
    """Coverage of each peer's 80 % bands beside 80 %: at all horizons, and in the months where that was measured."""
    names = rows["peer"].unique(maintain_order=True).to_list()[::-1]
    axes.axvspan(*PROMISED, color=BANDS[90], zorder=0)
    axes.axvline(80, color=MODEL, linewidth=1, zorder=1)
    for y, name in enumerate(names):
        held = 100 * rows.filter(pl.col("peer") == name)["coverage"].to_numpy()
        axes.plot([held.min(), held.max()], [y, y], color=colour(name), linewidth=5, alpha=0.35, zorder=2)
        axes.plot(held, [y] * len(held), "o", color=colour(name), markersize=6, zorder=3)
        axes.plot(months[name], [y - 0.28] * len(months[name]), "|", color=colour(name), markersize=7, zorder=2)
    axes.set_yticks(range(len(names)), [titles[name].replace(" + ", "\n+ ") for name in names])
    for tick, name in zip(axes.get_yticklabels(), names, strict=True):
        tick.set_color(colour(name))
        tick.set_fontweight("bold" if name == OURS else "normal")
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.grid(axis="y", visible=False)
    left, right = axes.get_xlim()
    axes.xaxis.set_major_locator(MultipleLocator(10 if right - left <= 60 else 20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    axes.tick_params(axis="x", colors=MUTED)
    headline(axes, "What 80 % bands hold", "a dot a horizon, a stroke a month; promised is 80 %", small=True)


def _lines(rows: pl.DataFrame) -> dict[str, list[float]]:
    """Error by peer, in the order of horizons."""
    return {str(name): at["error"].to_list() for (name,), at in rows.group_by("peer", maintain_order=True)}


def _top(rows: pl.DataFrame) -> float:
    """The upper end of the scale of errors."""
    lines = _lines(rows)
    libraries = [values for name, values in lines.items() if not PEERS[name].startswith("peers.naive")]
    top = CUT * min(values[-1] for values in (libraries or lines.values()))
    return min(top, 1.1 * max(max(values) for values in lines.values() if values[0] < top / 1.6))


def _short(value: float) -> str:
    """A figure in the form of the tables.

    >>> _short(0.5634)
    '.56'
    """
    return f"{value:.2f}".removeprefix("0")


def colour(name: str) -> str:
    """The colour of a peer, the same in every plot."""
    if name == OURS:
        return MODEL
    others = [peer for peer in PEERS if peer != OURS]
    return COLOURS[others.index(name) % len(COLOURS)]
