"""Nowcast a period with models trained on earlier data: scorecard, report, predictions, an MLflow run."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import (
    DEFAULTS,
    LAST_MOMENT,
    MOMENT,
    DataOption,
    ModelOption,
    RegionOption,
    console,
    open_job,
    show_table,
)


def backtest(
    first: Annotated[datetime, typer.Option(help="First issue time.", **MOMENT)],
    last: Annotated[datetime, typer.Option(help="Last issue time; a date includes its day.", **LAST_MOMENT)],
    train_end: Annotated[
        datetime | None,
        typer.Option(help="The first model learns from data known then; default --first.", **MOMENT),
    ] = None,
    refit_days: Annotated[int | None, typer.Option(min=1, help="Days between refits; no refit if absent.")] = None,
    train_days: Annotated[int | None, typer.Option(min=4, help="Days of training data; all if absent.")] = None,
    valid_days: Annotated[
        int, typer.Option(min=1, help="Days of them for early stopping and calibration, at most a quarter.")
    ] = 90,
    region: RegionOption = DEFAULTS.region,
    data: DataOption = None,
    model: ModelOption = "lightgbm",
    series: Annotated[list[str] | None, typer.Option(help="Only these series; may be repeated.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Minutes between issue times.")] = 15,
    train_every: Annotated[
        int | None, typer.Option(min=1, help="Minutes between issue times in training; the region's interval.")
    ] = None,
    delay: Annotated[
        list[int] | None, typer.Option(min=0, help="Minutes of delay of power; the scorecard uses the first.")
    ] = None,
    folds_in_parallel: Annotated[
        bool, typer.Option("--folds-in-parallel", help="Run folds in parallel, not series.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Another Parquet file for the predictions, beside the report's own.")
    ] = None,
) -> None:
    import numpy as np

    from power_nowcast.collect.load import write_all
    from power_nowcast.jobs.backtest import Question, run
    from power_nowcast.jobs.period import Period
    from power_nowcast.report.terminal import summary

    with open_job(region, data) as job:
        before, begin, end = (
            np.datetime64(time.replace(tzinfo=None), "m") for time in (train_end or first, first, last)
        )
        every = max(every, job.region.interval_minutes)
        end -= (end - begin) % np.timedelta64(every, "m")  # the last issue time itself
        period = Period(before, begin, end, every, train_every, valid_days, train_days)
        delays = tuple(dict.fromkeys(delay or [0]))
        question = Question(period, model, refit_days, delays, tuple(series) if series else None)
        question.check(job.region)  # before files are read, which takes minutes
        write_all(job.store, job.region, place=job.data)
        result = run(job, question, in_parallel=folds_in_parallel)
        show_table(summary(result.card))
        predictions = result.predictions
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            predictions = shutil.copyfile(result.predictions, out)
        rows = int(np.isfinite(result.backtest.nowcasts.values).all(axis=-1).sum())
        console.print(f"{predictions}: {rows:,} nowcasts of {result.card.issues:,} issue times.")
        console.print(f"Report: {result.report}")
        console.print(f"MLflow run: {result.run_id}")
