"""Load, weather and forecasts into the tables; bad rows into quarantine. Safe to repeat."""

import signal
from datetime import datetime
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, MOMENT, DataOption, DaysOption, RegionOption, console, files_bar, open_job


def ingest(
    region: RegionOption = DEFAULTS.region,
    days: DaysOption = None,
    start: Annotated[datetime | None, typer.Option(help="Earliest time.", **MOMENT)] = None,
    end: Annotated[datetime | None, typer.Option(help="Latest time.", **MOMENT)] = None,
    source: Annotated[
        str | None, typer.Option(help="In place of the region's own: sample, nyiso, files or replay.")
    ] = None,
    data: DataOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on: at every interval ingest the new values, through outages.")
    ] = False,
    replay: Annotated[
        datetime | None,
        typer.Option(
            help="Replay stored data from this time on as if live; --data FOLDER: from the tables there.", **MOMENT
        ),
    ] = None,
    speed: Annotated[float, typer.Option(help="With --replay: replayed seconds per real second.")] = 1.0,
) -> None:
    from power_nowcast.jobs import ingest as ingesting

    with open_job(region, data) as job:
        feed = ingesting.feed_of(job, source, is_replay=replay is not None)
        if follow or replay is not None:
            # As with Ctrl-C: a running write ends whole, or the next ingest finds and repeats it.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            ingesting.follow(job, feed, until=end, replay=replay, speed=speed)
            return
        with files_bar("ingest") as advance:
            report = ingesting.ingest(job, feed, start, end, days, advance)
        console.print(str(report))
