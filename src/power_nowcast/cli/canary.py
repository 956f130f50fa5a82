"""Judge a new version of the service beside the one that it would replace; exit code 1 if it must not.

Both run, and a proxy gives the new one a part of the requests. It may replace the other if it is as often ready and in
time, fails no more often, answers as fast, does not start again, needs no more than a quarter more memory, and if its
live nowcasts are as good.
"""

from typing import Annotated

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, JsonOption, RegionOption, console, errors


def canary(
    stable: Annotated[str, typer.Argument(metavar="STABLE", help="Address of the service that may be replaced.")],
    new: Annotated[str, typer.Argument(metavar="CANARY", help="Address of the new version.")],
    region: RegionOption = DEFAULTS.region,
    minutes: Annotated[float, typer.Option(min=0, help="How long to look at both.")] = 15.0,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between two looks.")] = 5.0,
    patience: Annotated[float, typer.Option(min=0, help="Minutes to wait until both are ready.")] = 10.0,
    key: Annotated[
        str, typer.Option(envvar="NOWCAST_KEY", show_envvar=True, help="A key that may read, if they ask for one.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    import httpx

    from power_nowcast.evaluate.canary import RULE
    from power_nowcast.jobs.canary import Plan, judge

    plan = Plan(stable.rstrip("/"), new.rstrip("/"), region, 60 * minutes, every, 60 * patience)
    with errors(), httpx.Client(timeout=10.0, headers={"authorization": f"Bearer {key}"} if key else {}) as client:
        found = judge(plan, client)
        show.rows([one.to_json() for one in found.findings], "Stable and canary", as_json=as_json)
        if not as_json:
            console.print(f"Models: {found.stable.model or 'none'}, {found.canary.model or 'none'}.", highlight=False)
            console.print(f"Rule: {RULE}.", highlight=False)
            console.print("The canary may replace it." if found.is_good else "The canary must not replace it.")
        if not found.is_good:
            raise typer.Exit(1)
