"""Follow regions: collect, nowcast and publish at every interval, and serve what is published."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, MOMENT, check_free, errors, open_job
from power_nowcast.settings import settings


def live(
    port: Annotated[int, typer.Option()] = DEFAULTS.api_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
    region: Annotated[list[str] | None, typer.Option("--region", "-r", help="Regions to follow; repeatable.")] = None,
    replay: Annotated[
        datetime | None,
        typer.Option(help="Replay the region's archive from this time on, as if it were live.", **MOMENT),
    ] = None,
    speed: Annotated[float, typer.Option(help="With --replay: replayed seconds per real second.")] = 1.0,
    data: Annotated[Path | None, typer.Option(help="With --replay: the folder of the tables to play.")] = None,
) -> None:
    from power_nowcast.jobs.blocks.plan import is_many
    from power_nowcast.jobs.blocks.run import follow
    from power_nowcast.serve.start import Play, serve_live

    chosen = region or [settings().region]
    if len(chosen) == 1 and replay is None:
        with open_job(chosen[0], data) as job:
            if is_many(job.region):
                follow(job)
                return
    with errors():
        check_free(host, port)
        play = None if replay is None else Play(replay, speed, data)
        serve_live(host, port, chosen, play)
