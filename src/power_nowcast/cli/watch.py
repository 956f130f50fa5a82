"""Watch a followed region: fan and table, drawn anew with every publication of a running service."""

from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, console, errors


def watch(
    region: RegionOption = DEFAULTS.region,
    series: Annotated[str | None, typer.Option(help="The series to show; the first one if absent.")] = None,
    url: Annotated[str, typer.Option(help="Address of the service.")] = f"http://{DEFAULTS.host}:{DEFAULTS.api_port}",
) -> None:
    import asyncio
    from contextlib import suppress

    from rich.live import Live

    from power_nowcast.jobs.watch import Watch
    from power_nowcast.regions import load

    with errors():
        found = load(region)
        chosen = found.check_series(series) if series else found.series[0]
        watched = Watch(url.rstrip("/"), found, chosen, width=min(80, console.width))
        live = Live(console=console, auto_refresh=False, screen=console.is_terminal)
        with suppress(KeyboardInterrupt), live as shown:
            asyncio.run(watched.run(lambda picture: shown.update(picture, refresh=True)))
