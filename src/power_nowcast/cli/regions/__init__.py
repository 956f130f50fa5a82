"""List the regions that can be named; make a region file for a file of your own; check one."""

import typer

from power_nowcast.cli.base import console, errors
from power_nowcast.cli.group import group

app = group(__name__, __file__, "check", "new", invoke_without_command=True, no_args_is_help=False)


@app.callback()
def listed(context: typer.Context) -> None:
    if context.invoked_subcommand is not None:
        return
    from power_nowcast.regions import available, load

    with errors():
        for name in available():
            one = load(name)
            console.print(
                f"{name:12} {one.title}: {len(one.series)} series, every {one.interval_minutes} minutes", soft_wrap=True
            )
