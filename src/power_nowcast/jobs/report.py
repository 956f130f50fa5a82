"""The page about what a live service published since a date, from its tables alone; on request a run of MLflow."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from power_nowcast import mlflow_client
from power_nowcast.contracts import QUANTILES, Nowcasts, Panel
from power_nowcast.errors import MissingDataError
from power_nowcast.evaluate import operator_forecast
from power_nowcast.evaluate.backtest import Backtest, truth
from power_nowcast.evaluate.scorecard import PERSISTENCE, Scorecard, figures, scorecard
from power_nowcast.features.panel import history
from power_nowcast.jobs import commands
from power_nowcast.jobs.job import Job
from power_nowcast.live.nowcaster import Nowcast
from power_nowcast.live.records import Published, published
from power_nowcast.monitor.alarms import alarms
from power_nowcast.report.published import Told, write_published
from power_nowcast.report.words import headline, shown_horizons
from power_nowcast.store.events import Event, Kind, events

NAME = "published.html"
PART = "live"
"""Name of the figures in metrics: `live/MAE_60min`."""
LEARNT = timedelta(days=operator_forecast.LEARNT_DAYS)
"""The bands of the operator's forecast come from its errors of the time before."""


def report(job: Job, since: datetime, now: datetime, *, out: Path | None = None, is_tracked: bool = False) -> Path:
    """Write the page of what was published since a moment; returns its path.

    Args:
        job: region, tables, and the folder of the reports.
        since: the first issue time, aware.
        now: the end of the period, and the time of the page, aware.
        out: the page; by default a file in the reports.
        is_tracked: whether page and figures become a run of MLflow.

    Raises:
        MissingDataError: nothing was published since then.
        StoreError: a table is damaged.
        ConfigurationError: the page cannot be written.
        RegistryUnavailableError: the page is tracked, and MLflow does not answer.
    """
    region, store = job.region, job.store
    every = published(store, region.name, since, now)
    if not every:
        raise MissingDataError(
            f"{region.name} has no nowcast that was published since {since:%Y-%m-%d %H:%M} UTC.",
            remedy="Choose an earlier time with --since, or follow the region: nowcast live.",
            region=region.name,
            since=since.isoformat(),
        )
    happened = events(store, region.name, since, now)
    live = list({one.issue_time: one for one in every if one.is_live}.values())  # the last revision remains
    scored = _scored(job, live, now)
    stand = alarms(store, region.name, now).values()
    told = Told(
        since=since,
        until=now,
        published=len({one.issue_time for one in every}),
        caught_up=len({one.issue_time for one in every} - {one.issue_time for one in live}),
        missed=_missed(every, now, region.interval),
        rungs=_by_rung(live),
        versions=dict(Counter(one.version for one in live).most_common()),
        standing=[(one.name, one.raised_at, one.text) for one in stand],
        events=happened,
    )
    path = write_published(out or job.reports / NAME, region, told, scored, now=now)
    if is_tracked:
        _track(job, path, told, scored)
    return path


def _scored(job: Job, live: Sequence[Published], now: datetime) -> tuple[Backtest, Scorecard] | None:
    """The nowcasts as a backtest beside persistence and the operator, and its scorecard; None without any value.

    Nowcasts of other series or steps than the newest ones, of before a change of the region's file, do not count.
    """
    if not live:
        return None
    region, newest = job.region, live[-1].nowcast
    alike = [one.nowcast for one in live if one.nowcast.series == newest.series]
    alike = [one for one in alike if one.steps_minutes == newest.steps_minutes and one.quantiles == QUANTILES]
    issues = np.array([one.issue_time for one in alike], "datetime64[m]")
    nowcasts = _of(newest.region, alike, issues, np.stack([one.values for one in alike]))
    panel = history(job.store, region, live[0].issue_time - LEARNT, now)
    columns = [panel.series.index(name) for name in newest.series]
    actual = truth(panel, region, issues, newest.steps_minutes)[:, columns]
    if not np.isfinite(actual).any():
        return None
    last = np.stack([one.origin_mw for one in alike])[:, :, None, None]
    baselines = {PERSISTENCE: _of(newest.region, alike, issues, np.broadcast_to(last, nowcasts.values.shape).copy())}
    if np.isfinite(panel.forecast.values).any():
        baselines[operator_forecast.NAME] = _operator(job, panel, issues, columns)
    backtest = Backtest(
        region=region,
        nowcasts=nowcasts,
        actual=actual,
        at_issue=truth(panel, region, issues, (0,), nights=True)[:, columns, 0],
        baselines=baselines,
    )
    return backtest, scorecard(backtest)


def _of(region: str, alike: Sequence[Nowcast], issues: np.ndarray, values: np.ndarray) -> Nowcasts:
    return Nowcasts(region, issues, alike[0].series, alike[0].steps_minutes, values)


def _operator(job: Job, panel: Panel, issues: np.ndarray, columns: Sequence[int]) -> Nowcasts:
    told, _ = operator_forecast.OperatorForecast(job.region).replay(panel, issues)
    names = tuple(panel.series[column] for column in columns)
    return Nowcasts(told.region, told.issue_times, names, told.steps_minutes, told.values[:, list(columns)])


def _by_rung(live: Sequence[Published]) -> dict[str, int]:
    return dict(Counter(rung.value for one in live for rung in one.nowcast.rungs).most_common())


def _missed(every: Sequence[Published], now: datetime, interval: timedelta) -> int:
    """The intervals from the first publication on that are over and have none."""
    first = min(one.issue_time for one in every)
    whole = int((now - interval - first) / interval) + 1
    return max(0, whole - len({one.issue_time for one in every if one.issue_time <= now - interval}))


def _track(job: Job, path: Path, told: Told, scored: tuple[Backtest, Scorecard] | None) -> None:
    """A run of MLflow with the page, its figures, and the counts of alarms."""
    again = commands.line(job, "report", {"since": told.since})
    with mlflow_client.run(job.region, "report", tags={mlflow_client.RUN_AGAIN: again}) as run:
        raised = [one for one in told.events if one.kind is Kind.RAISED]
        counts = {"published": told.published, "missed": told.missed, "alarms_raised": len(raised)}
        run.metrics(counts, part=PART)
        said = "No nowcast has its value yet."
        if scored is not None:
            card = scored[1]
            run.metrics(figures(card.by_series, shown_horizons(card.steps_minutes)), part=PART)
            run.table(f"{PART}/by_series.csv", card.by_series)
            said = headline(card)
        run.file(path, "report")
        span = f"{told.since:%Y-%m-%d %H:%M} to {told.until:%Y-%m-%d %H:%M} UTC"
        run.note(f"**Published {span}.** {said}\n\n[Page]({run.link(f'report/{path.name}')}). {_names(raised)}")


def _names(raised: Sequence[Event]) -> str:
    counted = Counter(one.about for one in raised)
    if not counted:
        return "No alarm was raised."
    return "Alarms raised: " + ", ".join(f"{name} ({count})" for name, count in counted.most_common()) + "."
