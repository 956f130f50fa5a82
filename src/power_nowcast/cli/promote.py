"""Put a version into production if the promotion rule allows it; or go back to the version before.

A version goes into production if its pinball loss is lower than the best baseline's, if it is not worse than the
version in production by more than 1 % (upper 95 % bound) and in no series by more than 3 %, if its 80 % band covers
77 to 83 % within the sampling error and 70 to 90 % at each horizon, and if it answers whatever the others answer.
"""

from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, PersonOption, ReasonOption, RegionOption, console, open_job


def promote(
    region: RegionOption = DEFAULTS.region,
    version: Annotated[str, typer.Option(help="Version or alias to promote.")] = "candidate",
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back to the production version before.")] = False,
    person: PersonOption = None,
    reason: ReasonOption = "",
) -> None:
    from power_nowcast.jobs import promote as promoting

    with open_job(region) as job:
        who = person or job.settings.owner
        if rollback:
            back = promoting.rollback(job, person=who, reason=reason)
            console.print(f"{back.name} version {back.version} ({back.kind}) is in production again.")
            return
        done = promoting.promote(job, version, person=who, reason=reason)
        for sentence in done.decision.reasons:
            console.print(f"- {sentence}", highlight=False)
        console.print(
            f"{done.production.name} version {done.production.version} ({done.production.kind}) is in production."
        )
