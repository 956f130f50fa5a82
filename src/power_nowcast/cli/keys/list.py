"""List the keys of the API: who has them, what they allow, when they were made and revoked."""

from power_nowcast.cli import show
from power_nowcast.cli.base import JsonOption, console, errors
from power_nowcast.settings import settings


def list(as_json: JsonOption = False) -> None:  # noqa: A001 - the command's name
    from power_nowcast.store import Store
    from power_nowcast.store.keys import keys

    with errors():
        store = Store(settings().data)
        store.check_exists()
        rows = [
            {
                "name": one.name,
                "id": one.id,
                "scope": one.scope.value,
                "made_at": one.made_at,
                "revoked_at": one.revoked_at,
            }
            for one in keys(store)
        ]
        if not rows and not as_json:
            console.print("There is no key yet: nowcast keys new NAME.", highlight=False)
            return
        show.rows(rows, f"Keys in {store.place}, times in UTC", as_json=as_json)
