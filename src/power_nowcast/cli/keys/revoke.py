"""Revoke a key of the API; running services refuse it within a second."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from power_nowcast.cli.base import console, errors
from power_nowcast.settings import settings


def revoke(name: Annotated[str, typer.Argument(help="Name or id of the key.")]) -> None:
    from power_nowcast.store import Store, keys

    with errors():
        store = Store(settings().data)
        store.check_exists()
        for one in keys.revoke(store, name, now=datetime.now(UTC)):
            console.print(f"The key {one.id} of {one.name} ({one.scope}) is revoked.", highlight=False, soft_wrap=True)
