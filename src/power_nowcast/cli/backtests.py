"""A backtest of any period, for any scorer."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, DataOption, ModelOption, RegionOption, app, console, open_job

FORMATS = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@app.command()
def backtest(
    train_end: Annotated[datetime, typer.Option(formats=FORMATS, help="Training targets come before this time, UTC.")],
    first: Annotated[datetime, typer.Option(formats=FORMATS, help="First issue time, UTC.")],
    last: Annotated[datetime, typer.Option(formats=FORMATS, help="Last issue time, UTC.")],
    region: RegionOption = DEFAULTS.region,
    data: DataOption = None,
    model: ModelOption = "lightgbm",
    every: Annotated[int, typer.Option(min=1, help="Minutes between issue times.")] = 15,
    delay: Annotated[int, typer.Option(min=0, help="Minutes that power comes late.")] = 0,
    out: Annotated[Path, typer.Option(help="Parquet file of the predictions.")] = Path("predictions.parquet"),
) -> None:
    """Train on what comes before a time and nowcast a period after it, without a refit; write the quantiles."""
    import numpy as np
    import polars as pl

    from power_nowcast import period
    from power_nowcast.contracts import to_table
    from power_nowcast.store.ingest import write_all

    with open_job(region, data) as job:
        write_all(job.store, job.region, place=job.data)
        before, begin, end = (np.datetime64(time.replace(tzinfo=None), "m") for time in (train_end, first, last))
        spacing = max(every, job.region.interval_minutes)
        nowcasts, _ = period.backtest(
            job.store,
            job.region,
            period.Period(before, begin, end, every_minutes=spacing),
            model=model,
            delay_minutes=delay,
            executor=job.executor,
            progress=job.progress,
        )
        asked = pl.col("issue_time").is_between(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
        table = to_table(nowcasts).filter(asked)
        out.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(out)
        console.print(f"{out}: {len(table):,} nowcasts of {table['issue_time'].n_unique():,} issue times.")
