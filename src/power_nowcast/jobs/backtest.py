"""Backtest by rolling origin: a model trained on the data known at the begin of a fold answers that fold."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future, as_completed
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from power_nowcast import mlflow_client
from power_nowcast.contracts import Nowcasts, Panel, Progress, Times, from_table, to_table
from power_nowcast.contracts.progress import Pace
from power_nowcast.contracts.times import aware
from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.evaluate.backtest import Backtest, truth
from power_nowcast.evaluate.operator_forecast import NAME, OperatorForecast
from power_nowcast.evaluate.scorecard import Scorecard, figures, scorecard
from power_nowcast.features.panel import WINDOW, history
from power_nowcast.jobs import commands
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.period import WARM_UP, Period, issue_times, known_before, span
from power_nowcast.jobs.recipe import recipe
from power_nowcast.models.kinds import ALIASES, BASELINES, model_class
from power_nowcast.regions import Region
from power_nowcast.regions.region import MAX_HORIZON_MINUTES
from power_nowcast.report.pages import Provenance, write_evaluation
from power_nowcast.report.words import shown_horizons
from power_nowcast.store import Address, Store

MODEL = "model"
"""Name of the backtested model in the files of folds."""
DAY = np.timedelta64(1, "D")
MINUTE = np.timedelta64(1, "m")


@dataclass(frozen=True)
class Question:
    """The question of a backtest: the `period`, with a new model every `refit_days` (a single model if None).

    The first model learns from the data known at `period.train_end`, each later model from the data known at the
    begin of its fold. `delays` are the delays of power in minutes; the scorecard uses the first one.
    """

    period: Period
    model: str = "lightgbm"
    refit_days: int | None = None
    delays: tuple[int, ...] = (0,)
    series: tuple[str, ...] | None = None
    options: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The model's kind in its long form."""
        return ALIASES.get(self.model, self.model)

    def check(self, region: Region) -> None:
        """Check all that can be wrong without a look at the data.

        Raises:
            ConfigurationError: the model is unknown, or the period has no issue time.
            UnknownSeriesError: the region has not one of the series.
        """
        model_class(self.model)
        for name in self.series or ():
            region.check_series(name)
        self.folds()

    def folds(self) -> list[Period]:
        """The period, split at every refit; each issue time is in one fold, a single last one in the fold before.

        Raises:
            ConfigurationError: the period has no issue time, or begins before the end of training.
        """
        whole = self.period
        if whole.last < whole.first or whole.train_end > whole.first:
            raise ConfigurationError(
                f"A backtest from {whole.first} to {whole.last} of a model trained before {whole.train_end} has none.",
                remedy="Let --train-end come first, then --first, then --last.",
            )
        if self.refit_days is None:
            return [whole]
        spacing = np.timedelta64(whole.every_minutes, "m")
        issues = np.arange(whole.first, whole.last + MINUTE, spacing)
        found = []
        for number, begin in enumerate(np.arange(whole.first, whole.last + MINUTE, self.refit_days * DAY)):
            own = issues[(issues >= begin) & (issues < begin + self.refit_days * DAY)]
            if len(own):
                end = whole.train_end if number == 0 else begin
                found.append(replace(whole, train_end=end, first=own[0], last=own[-1]))
        if len(found) > 1 and found[-1].first == found[-1].last and found[-2].first != found[-2].last:
            # One issue time is not worth a training: the model before answers it.
            found[-2:] = [replace(found[-2], last=found[-1].last)]
        return found


@dataclass(frozen=True)
class Result:
    """A finished backtest: scorecard, report, file of predictions, run, and the number of folds done earlier."""

    card: Scorecard
    backtest: Backtest
    report: Path
    predictions: Path
    run_id: str
    found: int


def run(job: Job, question: Question, *, in_parallel: bool = False) -> Result:
    """Answer every fold, score them together, write report and predictions, and log all of it as one run.

    It skips folds that an earlier call answered on the same data with the same code.

    Args:
        job: region, tables and folders; its executor trains series, or folds, in parallel.
        question: period, model and delays.
        in_parallel: run folds in parallel, each in its own process, which trains its series one after the other.

    Raises:
        ConfigurationError, UnknownSeriesError: the question is none, as `Question.check` says.
        MissingDataError: there is too little data before the first fold, or none to score with.
    """
    question.check(job.region)
    mlflow_client.check_reachable()
    folds = question.folds()
    span(job.store, job.region)
    manifests = job.manifests()
    asked = {**_plain(question), "folds": len(folds)}
    digest = recipe(manifests, job.region, asked)
    place = job.document(f"backtests/{digest[:16]}")
    files = [f"{place}/{str(fold.first).replace(':', '')}" for fold in folds]
    there = job.store.documents.frames(place)
    missing = [(fold, file) for fold, file in zip(folds, files, strict=True) if file not in there]
    if len(missing) < len(folds):
        job.progress(f"backtest: {len(folds) - len(missing)} of {len(folds)} folds exist already")
    pool = job.executor()
    pace = Pace(len(missing))
    for number, (fold, seconds) in enumerate(_answered(job, question, missing, pool, in_parallel=in_parallel), 1):
        done = len(folds) - len(missing) + number
        told = f"{fold.first} to {fold.last}, trained before {fold.train_end}"
        job.progress(f"backtest: fold {done} of {len(folds)}: {told}, {seconds:.0f} s{pace.next()}")
    result = _together(job, question, folds, files)
    card = scorecard(result)
    folder = job.reports / "backtests" / f"{question.name}-{digest[:8]}"
    identity = {
        "Model": question.name,
        "Folds": f"{len(folds)}, a new model every {question.refit_days} days"
        if question.refit_days
        else "1, no refit",
        "Trained": f"before {folds[0].train_end} UTC at first, on {question.period.train_days or 'all'} days",
        "Data": f"power {question.delays[0]} minutes late" if question.delays[0] else "on time",
        "Question": digest[:16],
        "Git": mlflow_client.git_sha(),
    }
    job.progress("backtest: report")
    report = write_evaluation(folder, result, card, now=datetime.now(UTC), provenance=Provenance(identity, manifests))
    again = {mlflow_client.RUN_AGAIN: _again(job, question)}
    with mlflow_client.run(job.region, f"backtest {question.name}", tags=again) as logged:
        logged.params(asked | {"digest": digest})
        logged.metrics(figures(card.by_series, shown_horizons(card.steps_minutes)), part="backtest")
        logged.table("backtest/by_series.csv", card.by_series)
        logged.manifests(manifests)
        logged.json("folds.json", [{name: str(value) for name, value in asdict(fold).items()} for fold in folds])
        logged.folder(folder, "backtest")
    return Result(card, result, report, folder / "predictions.parquet", logged.id, len(folds) - len(missing))


def _again(job: Job, question: Question) -> str:
    """The command line that asks the question again; options of the model itself are among the run's params."""
    period = question.period
    options = {
        "first": f"{period.first}Z",
        "last": f"{period.last}Z",
        "train_end": f"{period.train_end}Z",
        "refit_days": question.refit_days,
        "train_days": period.train_days,
        "valid_days": period.valid_days,
        "data": job.data,
        "model": question.name,
        "series": list(question.series or ()),
        "every": period.every_minutes,
        "train_every": period.train_every_minutes,
        "delay": list(question.delays),
    }
    return commands.line(job, "backtest", options)


def answer(
    address: Address,
    region: Region,
    fold: Period,
    question: Question,
    file: str,
    executor: Executor | None = None,
    progress: Progress = lambda _: None,
) -> float:
    """Train before a fold, nowcast it, and keep the nowcasts of model and baselines; returns the seconds it took.

    `file` is the name of the frame among the store's documents.

    This may run in a worker process: it opens the store by itself, and all its arguments are plain values.
    """
    begun = datetime.now(UTC)
    store = Store.open(address)
    learnt = known_before(store, region, fold, series=question.series, delay_minutes=question.delays[0])
    bundles = {MODEL: learnt.train_model(question.name, question.options, executor=executor, progress=progress)}
    bundles |= {kind.replace("_", " "): learnt.train_model(kind) for kind in BASELINES}
    panel = _panel(store, region, fold)
    tables = []
    for delay in question.delays:
        for name, bundle in bundles.items():
            nowcasts, _ = bundle.replay(panel, issue_times(fold), delay_minutes=delay)
            asked = pl.col("issue_time").is_between(aware(fold.first), aware(fold.last))
            head = [pl.lit(name).alias("forecaster"), pl.lit(delay, pl.Int64).alias("delay_min")]
            tables.append(to_table(nowcasts).filter(asked).select(*head, pl.all()))
    store.documents.write_frame(file, pl.concat(tables))
    return (datetime.now(UTC) - begun).total_seconds()


def _answered(
    job: Job, question: Question, missing: list[tuple[Period, str]], pool: Executor | None, *, in_parallel: bool
) -> Iterator[tuple[Period, float]]:
    """Yields each fold when it is done."""
    if pool is None or not in_parallel:
        for fold, file in missing:
            told = partial(_of_fold, job.progress, fold)
            yield fold, answer(job.store.address, job.region, fold, question, file, pool, told)
        return
    waiting: dict[Future[float], Period] = {
        pool.submit(answer, job.store.address, job.region, fold, question, file): fold for fold, file in missing
    }
    try:
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    finally:
        for future in waiting:
            future.cancel()


def _of_fold(progress: Progress, fold: Period, text: str) -> None:
    progress(f"backtest: {fold.first} to {fold.last}: {text}")


def _together(job: Job, question: Question, folds: list[Period], files: list[str]) -> Backtest:
    region, series = job.region, question.series or job.region.series
    spacing = np.timedelta64(question.period.every_minutes, "m")
    issues = np.concatenate([np.arange(fold.first, fold.last + MINUTE, spacing) for fold in folds])
    rows = pl.concat([_said_in(job, file) for file in files])

    def said(name: str, delay: int) -> Nowcasts:
        chosen = rows.filter((pl.col("forecaster") == name) & (pl.col("delay_min") == delay))
        return from_table(chosen, region.name, issue_times=issues, series=series, steps_minutes=region.steps_minutes)

    panel = _panel(job.store, region, replace(question.period, last=issues[-1]))
    columns = [panel.series.index(name) for name in series]
    actual = truth(panel, region, issues, region.steps_minutes)[:, columns]
    if not np.isfinite(actual).any():
        raise MissingDataError(
            "No issue time of the backtest has a value that it could be scored with.",
            remedy="Ingest the period, or choose issue times at least an hour before the end of the data.",
            region=region.name,
        )
    names = [kind.replace("_", " ") for kind in BASELINES]
    first, *late = question.delays
    others = {delay: {name: said(name, delay) for name in names} for delay in question.delays}
    if np.isfinite(panel.forecast.values).any():
        for delay in question.delays:
            others[delay][NAME] = _operator(panel, region, issues, series, delay)
    return Backtest(
        region=region,
        nowcasts=said(MODEL, first),
        actual=actual,
        at_issue=truth(panel, region, issues, (0,), nights=True)[:, columns, 0],
        baselines=others[first],
        late={delay: said(MODEL, delay) for delay in late},
        late_baselines={delay: others[delay] for delay in late},
        delay_minutes=first,
    )


def _said_in(job: Job, file: str) -> pl.DataFrame:
    frame = job.store.documents.read_frame(file)
    if frame is None:
        raise MissingDataError(
            f"The fold {file} was deleted while the backtest ran.",
            remedy="Run the backtest again: it keeps the other folds.",
            file=file,
        )
    return frame


def _operator(panel: Panel, region: Region, issues: Times, series: tuple[str, ...], delay: int) -> Nowcasts:
    told, _ = OperatorForecast(region).replay(panel, issues, delay_minutes=delay)
    columns = [told.series.index(name) for name in series]
    return replace(told, series=series, values=told.values[:, columns])


def _panel(store: Store, region: Region, fold: Period) -> Panel:
    """The data that a fold's issue times need, and their outcomes."""
    start, end = span(store, region)
    first = max(start, aware(fold.first) - WINDOW - WARM_UP)
    reach = np.timedelta64(MAX_HORIZON_MINUTES + region.interval_minutes, "m")
    # The start must be on the grid of the store, which begins on the region's grid.
    first = region.slot(first)
    return history(store, region, first, max(first, min(end, aware(fold.last + reach))))


def _plain(question: Question) -> dict[str, Any]:
    return {
        "model": question.name,
        "options": dict(question.options or {}),
        "series": list(question.series or ()),
        "refit_days": question.refit_days,
        "delays": list(question.delays),
        **{
            name: value if isinstance(value, int | None) else str(value)
            for name, value in asdict(question.period).items()
        },
    }
