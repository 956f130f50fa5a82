"""The readout: one self-contained HTML page about a version, from what was tracked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from power_nowcast import __version__
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.report import charts
from power_nowcast.report.cells import Cells, every_series_cells, tiles
from power_nowcast.report.charts import Chart
from power_nowcast.report.pages import page_script, template, write_page
from power_nowcast.report.words import headline, number, percent, power, relative, relative_name, shown_horizons

DAYS = 3
"""Days of the chart of nowcasts beside the outcomes."""


@dataclass(frozen=True)
class Swap:
    """A step of the swap of a running service: the clock, the version that answered, and what was done.

    `seconds` passed from the move of the registry's alias to the first answer of the version, None for the first step.
    """

    clock: str
    version: str
    digest: str
    nowcast: str
    what: str
    seconds: float | None = None


@dataclass(frozen=True)
class Decided:
    """A promotion or a rollback."""

    at: str
    action: str
    version: str
    previous: str | None
    person: str
    reason: str


@dataclass(frozen=True)
class Trained:
    """A run that trained this kind of model with the same params: where, and whether the model is the same."""

    run: str
    began: str
    place: str
    machine: str
    python: str
    commit: str
    digest: str
    is_same: bool


@dataclass(frozen=True)
class Tracked:
    """What was tracked beside the figures.

    Attributes:
        identity: the model by label.
        swap: the swap of a running service, step by step.
        history: promotions and rollbacks, oldest first.
        trained: the runs that trained such a model.
    """

    identity: Mapping[str, str]
    swap: Sequence[Swap] = ()
    history: Sequence[Decided] = ()
    trained: Sequence[Trained] = ()


def write_readout(path: Path, backtest: Backtest, card: Scorecard, tracked: Tracked, *, now: datetime) -> Path:
    """Write the page; returns its path.

    Args:
        path: the HTML file; its folder is created.
        backtest: the tracked nowcasts with their outcomes.
        card: the tracked scorecard.
        tracked: everything else.
        now: time of the page, UTC.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    series, far = card.series[0], shown_horizons(card.steps_minutes)[-1]
    script, script_hash = page_script()
    page = template("readout.html.j2").render(
        card=card,
        now=now,
        package_version=__version__,
        script=script,
        script_hash=script_hash,
        headline=headline(card, series),
        tiles=tiles(card, series),
        scorecard=methods_cells(card, series),
        every_series=every_series_cells(card),
        charts=_charts(backtest, card, series, far),
        identity=tracked.identity,
        swap=_swap_cells(tracked.swap) if tracked.swap else None,
        history=_history_cells(tracked.history) if tracked.history else None,
        trained=_trained_cells(tracked.trained) if tracked.trained else None,
    )
    return write_page(path, page)


def methods_cells(card: Scorecard, series: str) -> Cells:
    """The model beside each simple method and the operator's forecast, by horizon: error, and the model's coverage."""
    horizons = shown_horizons(card.steps_minutes)
    rows = [card.row(series, horizon) for horizon in horizons]
    name = relative_name(card, series)
    lines = [
        ("model", *(power(row.get("MAE"), card.unit) for row in rows)),
        (f"model, {name}", *(relative(row, 2) for row in rows)),
        *((method, *(power(row.get(f"MAE_{method}"), card.unit) for row in rows)) for method in card.baselines),
        ("model's 80 % band holds", *(percent(row.get("coverage_80"), 1) for row in rows)),
        ("nowcasts scored", *(number(row.get("n")) for row in rows)),
    ]
    caption = f"{series}: mean absolute error in {card.unit} of the model and of each simple method"
    return Cells(caption, ("Method", *(f"{horizon} min" for horizon in horizons)), lines)


def _charts(backtest: Backtest, card: Scorecard, series: str, far: int) -> dict[str, Chart]:
    last = (backtest.last + timedelta(minutes=far)).astimezone(backtest.region.tz).date()
    shown = {
        "days": charts.days(
            backtest, series, far, last - timedelta(days=DAYS - 1), DAYS, title="Nowcasts and outcomes, the last days"
        ),
        "error": charts.error_by_horizon(card, series),
        "skill": charts.skill_by_horizon(card, series),
        "reliability": charts.reliability(card, series),
        "residuals": charts.residuals(backtest, series, far),
    }
    worst: list[date] = [row["date"] for row in card.worst_days.iter_rows(named=True) if row["series"] == series]
    if worst:
        shown["worst"] = charts.days(backtest, series, far, worst[0], title="The worst day")
    return shown


def _swap_cells(swap: Sequence[Swap]) -> Cells:
    columns = ("Clock", "Version", "Digest", "First answer", "What happened", "Seconds after the alias moved")
    rows = [
        (one.clock, one.version, one.digest, one.nowcast, one.what, "" if one.seconds is None else f"{one.seconds:.2f}")
        for one in swap
    ]
    caption = "The same process answers with one version, then with the other, and goes back"
    return Cells(caption, columns, rows, wide=True, text=(2, 3, 4))


def _history_cells(history: Sequence[Decided]) -> Cells:
    columns = ("At, UTC", "What", "Version", "In place of", "By", "Why")
    rows = [(one.at, one.action, one.version, one.previous or "none", one.person, one.reason) for one in history]
    return Cells("Promotions and rollbacks", columns, rows, wide=True, text=(1, 4, 5))


def _trained_cells(trained: Sequence[Trained]) -> Cells:
    columns = ("Run", "At, UTC", "Tracked", "Machine", "Python", "Commit", "Digest of the model", "Same model")
    rows = [
        (one.run, one.began, one.place, one.machine, one.python, one.commit, one.digest, "yes" if one.is_same else "no")
        for one in trained
    ]
    caption = "Every tracked training of this kind of model with the same params"
    return Cells(caption, columns, rows, wide=True, text=(1, 2, 3, 4, 5, 6, 7))
