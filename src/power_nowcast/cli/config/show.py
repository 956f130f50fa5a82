"""List every setting with its value and its origin; secrets are masked."""

from power_nowcast.cli.base import JsonOption, errors
from power_nowcast.cli.show import rows
from power_nowcast.settings import origins, settings


def show(as_json: JsonOption = False) -> None:
    from power_nowcast.jobs.config import in_force

    with errors():
        rows(in_force(settings(), origins()), "Settings", as_json=as_json)
