"""Follow regions: collect, nowcast and publish at every interval, and serve what is published."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, MOMENT, check_free, errors, open_job
from power_nowcast.errors import ConfigurationError
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
    from power_nowcast.live.early import Early

    begun, names, chosen = time.monotonic(), region or [settings().region], settings()

    def clock() -> datetime:
        if replay is None:
            return datetime.now(UTC)
        return replay + timedelta(seconds=speed * (time.monotonic() - begun))

    with errors():
        check_free(host, port)
        # Where readers need a key, nothing is told before keys can be checked.
        folders = {} if chosen.api_keys == "all" else {name: chosen.artifacts / name for name in names}
        with Early(host, port, folders, str(chosen.data), clock) as early:
            from power_nowcast.regions import load

            many = [one for one in map(load, names) if one.is_many]
            if many and (len(names) > 1 or replay is not None):
                raise ConfigurationError(
                    f"{many[0].name} has {len(many[0].zones)} zones: it is followed by itself, and not replayed.",
                    remedy=f"Follow it by a command of its own: nowcast live --region {many[0].name}.",
                    region=many[0].name,
                )
            if not many:
                from power_nowcast.serve.start import Play, serve_live

                play = None if replay is None else Play(replay, speed, data)
                serve_live(early, names, play)
                return
    # Blocks of many zones are nowcast and published; nothing serves them.
    from power_nowcast.jobs.blocks.run import follow

    with open_job(names[0], data) as job:
        follow(job)
