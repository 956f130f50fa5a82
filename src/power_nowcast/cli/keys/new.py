"""Make a key of the API; it is shown once, and only its SHA-256 is stored."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from power_nowcast.cli.base import errors, log
from power_nowcast.settings import settings


def new(
    name: Annotated[str, typer.Argument(help="Who gets it: a person, a team or a program.")],
    scope: Annotated[Literal["read", "admin"], typer.Option(help="What it allows; admin includes read.")] = "read",
) -> None:
    from power_nowcast.store import Store
    from power_nowcast.store.keys import Scope, make

    with errors():
        secret = make(Store(settings().data), name, Scope(scope), now=datetime.now(UTC))
        typer.echo(secret)
        log.print(
            f"This key of {name} ({scope}) is not shown again. Send it as: Authorization: Bearer KEY",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
