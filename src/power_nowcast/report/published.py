"""The page about what was published: one self-contained HTML file, from the tables of a followed region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from power_nowcast import __version__
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.regions import Region
from power_nowcast.report import charts
from power_nowcast.report.cells import Cells, every_series_cells, tiles
from power_nowcast.report.charts import Chart
from power_nowcast.report.pages import page_script, template, write_page
from power_nowcast.report.readout import methods_cells
from power_nowcast.report.words import headline, percent, shown_horizons
from power_nowcast.store.events import Event, Kind

DAYS = 3
"""Days of the chart of nowcasts beside the values."""
MOST_EVENTS = 200
"""The newest so many events stand on the page; the table of kinds counts all of them."""
SERVICE = "service"
"""Who has done what the service notes by itself."""


@dataclass(frozen=True)
class Told:
    """What the tables tell of a period beside the figures.

    Attributes:
        since: begin of the period, UTC.
        until: its end, UTC.
        published: number of issue times with a publication.
        caught_up: those of them that were published after their interval only; they are not scored.
        missed: intervals without any publication.
        rungs: number of answers (publication and series) by rung.
        versions: number of scored publications by version label.
        standing: name and text of each alarm that stands at the end, with the time at which it was raised.
        events: what happened in the period, in order.
    """

    since: datetime
    until: datetime
    published: int
    caught_up: int
    missed: int
    rungs: Mapping[str, int]
    versions: Mapping[str, int]
    standing: Sequence[tuple[str, datetime, str]]
    events: Sequence[Event]


def write_published(
    path: Path, region: Region, told: Told, scored: tuple[Backtest, Scorecard] | None, *, now: datetime
) -> Path:
    """Write the page; returns its path.

    Args:
        path: the HTML file; its folder is created.
        region: the region.
        told: what was published, and what happened.
        scored: the published nowcasts with their values, and the scorecard; None if no nowcast has its value yet.
        now: time of the page, UTC.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    script, script_hash = page_script()
    page = template("published.html.j2").render(
        region=region,
        told=told,
        now=now,
        package_version=__version__,
        script=script,
        script_hash=script_hash,
        card=None if scored is None else scored[1],
        headline=_headline(told, scored),
        tiles=_tiles(told) if scored is None else [*tiles(scored[1], scored[1].series[0]), *_tiles(told)],
        methods=None if scored is None else methods_cells(scored[1], scored[1].series[0]),
        every_series=None if scored is None else every_series_cells(scored[1]),
        charts={} if scored is None else _charts(*scored),
        rungs=_share_cells("Answers by rung of the ladder", "Rung", "Answers", told.rungs),
        versions=_share_cells("Scored publications by version", "Version", "Publications", told.versions),
        standing=_standing_cells(told),
        raised=_event_cells("Alarms of the period", [one for one in told.events if _is_alarm(one)]),
        kinds=_kind_cells(told),
        events=_event_cells(
            f"Events, the newest {MOST_EVENTS} at most", [one for one in told.events if not _is_alarm(one)]
        ),
    )
    return write_page(path, page)


def _headline(told: Told, scored: tuple[Backtest, Scorecard] | None) -> str:
    said = "No nowcast has its value yet." if scored is None else headline(scored[1], scored[1].series[0])
    if not told.standing:
        return f"{said} No alarm stands."
    names = ", ".join(name for name, _, _ in told.standing)
    return f"{said} Alarms stand: {names}."


def _tiles(told: Told) -> list[tuple[str, str, str]]:
    whole = told.published + told.missed
    share = percent((told.published - told.caught_up) / whole, 1) if whole else percent(None)
    raised = sum(one.kind is Kind.RAISED for one in told.events)
    return [
        (f"{told.published:,}", "publications", f"{told.caught_up:,} of them caught up"),
        (share, "of intervals published in time", f"{told.missed:,} intervals without any"),
        (f"{raised:,}", "alarms raised", f"{len(told.standing):,} stand at the end"),
    ]


def _charts(backtest: Backtest, card: Scorecard) -> dict[str, Chart]:
    series, far = card.series[0], shown_horizons(card.steps_minutes)[-1]
    last = (backtest.last + timedelta(minutes=far)).astimezone(backtest.region.tz).date()
    return {
        "days": charts.days(
            backtest, series, far, last - timedelta(days=DAYS - 1), DAYS, title="Nowcasts and values, the last days"
        ),
        "error": charts.error_by_horizon(card, series),
        "reliability": charts.reliability(card, series),
    }


def _share_cells(caption: str, name: str, what: str, counted: Mapping[str, int]) -> Cells | None:
    whole = sum(counted.values())
    if not whole:
        return None
    rows = [(key, f"{count:,}", percent(count / whole, 1)) for key, count in counted.items()]
    return Cells(caption, (name, what, "Share"), rows)


def _standing_cells(told: Told) -> Cells | None:
    rows = [(name, _time(at), text) for name, at, text in told.standing]
    caption = f"Alarms that stand at {_time(told.until)} UTC"
    return (
        Cells(caption, ("Alarm", "Raised, UTC", "What, and the action"), rows, wide=True, text=(1, 2)) if rows else None
    )


def _kind_cells(told: Told) -> Cells | None:
    kinds = [one.kind.value for one in told.events]
    rows = [(kind, f"{kinds.count(kind):,}") for kind in sorted(set(kinds))]
    return Cells("Events by kind", ("Kind", "Events"), rows) if rows else None


def _event_cells(caption: str, events: Sequence[Event]) -> Cells | None:
    rows = [
        (_time(one.at), one.kind.value, one.about, one.person or SERVICE, one.what)
        for one in reversed(events[-MOST_EVENTS:])
    ]
    columns = ("At, UTC", "Kind", "About", "By", "What")
    return Cells(caption, columns, rows, wide=True, text=(1, 2, 3, 4)) if rows else None


def _is_alarm(one: Event) -> bool:
    return one.kind in (Kind.RAISED, Kind.ACKNOWLEDGED, Kind.SHELVED, Kind.CLEARED)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
