"""The newest nowcast as a picture (SVG): for a wiki, a terminal's browser, a screen without scripts.

It is made of the same marks as the charts of the report. It has its own style sheet, light and dark, and no script.
"""

from datetime import datetime, timedelta
from html import escape
from typing import NamedTuple

from power_nowcast.regions import Region
from power_nowcast.report.charts.chart import Axis, Chart, Mark, Tick, band, line, reach
from power_nowcast.serve.headline import AGE, Level
from power_nowcast.serve.view import SeriesView, Values, View

MEDIA_TYPE = "image/svg+xml"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
WIDTH, HEIGHT = 960, 440
LEFT, RIGHT, TOP, BOTTOM = 74, 18, 104, 76
LINE_LENGTH = 94
"""Characters of a line of the sentence: so many fit in the widest of the fonts."""
CHARACTER = 9
"""Width of a digit of a label in the widest of the fonts."""
BANDS = {
    "b90": ("q05", "q95", "9 of 10 times within"),
    "b80": ("q10", "q90", "8 of 10"),
    "b50": ("q25", "q75", "5 of 10"),
}
"""By look, the lowest and the highest level of a band, and its name."""
SIGNS = {Level.NORMAL: "", Level.WARNING: "⚠ Warning: ", Level.ALARM: "✖ Alarm: "}
STYLE = """
svg { --paper: #fff; --ink: #1c2530; --soft: #52606d; --grid: #e6eaee; color-scheme: light dark;
  font: 14px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink); }
@media (prefers-color-scheme: dark) { svg { --paper: #171d25; --ink: #e6ebf0; --soft: #a5b1bd; --grid: #252e38; } }
.paper { fill: var(--paper); } .sentence { font-size: 16px; font-weight: 600; } .soft { fill: var(--soft); }
path { fill: none; stroke: var(--ink); stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--grid); stroke-width: 1; } .now { stroke-width: 1; } .model { stroke-dasharray: 5 4; }
.b90, .b80, .b50 { stroke: none; fill: var(--ink); } .b90 { fill-opacity: .12; } .b80 { fill-opacity: .13; }
.b50 { fill-opacity: .18; } .key .b80 { fill-opacity: .23; } .key .b50 { fill-opacity: .37; }
"""


class Shape(NamedTuple):
    """The plot: its chart, and the x of the issue time."""

    chart: Chart
    now: float


def picture_of(view: View, region: Region, series: str) -> bytes:
    """The picture of a series, as SVG; it says nothing about the time at which it is read.

    Args:
        view: what the page shows.
        region: the region of the view.
        series: one of its series.
    """
    shape = _shape(view, region, next(one for one in view.series if one.series == series))
    stage = view.stages[0]
    at, newest = (datetime.fromisoformat(text) for text in (view.published_at, view.newest))
    minutes = max(0, int((at - newest).total_seconds() // 60))
    age = "less than a minute" if minutes == 0 else "1 minute" if minutes == 1 else f"{minutes} minutes"
    sentence = SIGNS[stage.level] + stage.text.replace(AGE, age)
    told = at.astimezone(region.tz)
    notes = "".join(f", {note}" for note in view.notes)
    about = f"{series}, {view.unit}. Published {told:%a} {told.day} {told:%b %Y %H:%M %Z}{notes}."
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(about)}</title>',
        f'<desc id="words">{escape(sentence)}</desc><style>{STYLE}</style>',
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        *_lines(sentence),
        f'<text class="soft" x="16" y="{TOP - 26}">{escape(about)}</text>',
        *_plot(shape),
        *_key(shape.chart.marks),
        "</svg>",
    ]
    return "".join(parts).encode()


def _shape(view: View, region: Region, one: SeriesView) -> Shape:
    """Marks in the unit of the region over minutes since the first time of the view."""
    start, issue = (datetime.fromisoformat(text) for text in (view.times[0], view.issue_time))
    x = [_minutes(datetime.fromisoformat(text) - start) for text in view.times]
    now = _minutes(issue - start)
    ahead = [now, *(_minutes(datetime.fromisoformat(text) - start) for text in view.valid_at)]

    def shown(values: Values) -> list[float]:
        return [float("nan") if value is None else value / view.mw_per_unit for value in values]

    def from_now(name: str) -> list[float]:
        return shown([one.origin_mw, *one.quantiles[name]])

    decimals = one.digits + 2
    marks: list[Mark] = [
        band(name, look, ahead, from_now(low), from_now(high), decimals) for look, (low, high, name) in BANDS.items()
    ]
    marks.append(line("measured", "actual", x, shown(one.measured), decimals))
    marks.append(line("nowcast", "model", ahead, from_now("q50"), decimals))
    axis = Axis((0.0, x[-1]), tuple(_ticks(region, start, x[-1])))
    chart = Chart(one.series, "", "", tuple(marks), axis, reach(marks), view.unit)
    return Shape(chart, now)


def _minutes(span: timedelta) -> float:
    return span.total_seconds() / 60


def _ticks(region: Region, start: datetime, length: float) -> list[Tick]:
    """The full local hours; each names its zone where the clock changes between them."""
    moments = [start + timedelta(minutes=n) for n in range(int(length) + 1)]
    local = [one.astimezone(region.tz) for one in moments]
    is_named = len({one.utcoffset() for one in local}) > 1
    form = "%H:%M %Z" if is_named else "%H:%M"
    return [Tick(100 * n / length, f"{one:{form}}") for n, one in enumerate(local) if one.minute == 0]


def _plot(shape: Shape) -> list[str]:
    """The plot, which is stretched to its place, and the labels beside it, which are not."""
    chart, (width, height) = shape.chart, (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
    low, high = chart.y
    at = LEFT + width * shape.now / chart.axis.ends[1]
    paths = "".join(f'<path class="{mark.look}" d="{mark.path}"/>' for mark in chart.marks if mark.path)
    inner = (
        f'<svg x="{LEFT}" y="{TOP}" width="{width}" height="{height}" viewBox="{chart.view_box}" '
        f'preserveAspectRatio="none"><path class="grid" d="{chart.grid}"/>{paths}'
        f'<path class="now" d="M{shape.now:g} {-high:.10g}V{-low:.10g}"/></svg>'
    )
    y = [
        f'<text class="soft" text-anchor="end" x="{LEFT - 8}" y="{TOP + height * tick.percent / 100 + 5:.1f}">'
        f"{tick.text}</text>"
        for tick in chart.y_ticks
    ]
    x = [
        f'<text class="soft" text-anchor="middle" x="{_inside(LEFT + width * tick.percent / 100, tick.text):.1f}" '
        f'y="{TOP + height + 20}">{tick.text}</text>'
        for tick in chart.axis.ticks
    ]
    return [inner, *y, *x, f'<text text-anchor="middle" x="{at:.1f}" y="{TOP - 6}">now</text>']


def _inside(x: float, text: str) -> float:
    """The middle of a label that does not leave the picture on the right."""
    return min(x, WIDTH - 4 - CHARACTER * len(text) / 2)


def _key(marks: tuple[Mark, ...]) -> list[str]:
    """What the lines and bands mean."""
    found, place = [], LEFT
    for mark in (marks[3], marks[4], *marks[2::-1]):
        shape = "M0 -5H26" if mark.look in ("actual", "model") else "M0 -10H26V0H0Z"
        found.append(
            f'<g class="key" transform="translate({place} {HEIGHT - 18})"><path class="{mark.look}" d="{shape}"/>'
            f'<text class="soft" x="34" y="0">{mark.name}</text></g>'
        )
        place += 58 + round(7.2 * len(mark.name))
    return found


def _lines(sentence: str) -> list[str]:
    """The sentence in at most two lines."""
    words, lines = sentence.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) + 1 > LINE_LENGTH and len(lines) < 2:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines[-1]) > LINE_LENGTH:
        lines[-1] = f"{lines[-1][: LINE_LENGTH - 1].rstrip()}…"
    return [f'<text class="sentence" x="16" y="{30 + 23 * n}">{escape(one)}</text>' for n, one in enumerate(lines)]
