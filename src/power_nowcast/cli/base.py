"""The shared parts of the commands: options, the job that they work on, and the output of errors."""

import errno
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from power_nowcast.errors import ConfigurationError, NowcastError
from power_nowcast.models.kinds import ALIASES, KINDS
from power_nowcast.settings import Settings, settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from power_nowcast.jobs.job import Job

console = Console(markup=False)  # its texts contain names and titles from files
log = Console(stderr=True)
PIPE_WIDTH = 200
"""Columns of a table that goes into a pipe or a file: nothing in it is cut or broken."""


def show_table(shown: "RenderableType") -> None:
    """Print a table, or several: as wide as they need to be in a pipe, with whole numbers in a narrow terminal."""
    from power_nowcast.report.tables import fit

    there = console if console.is_terminal else Console(markup=False, width=PIPE_WIDTH)
    there.print(fit(shown, there.width), highlight=False)


def _tell(title: str, message: str, remedy: str) -> None:
    log.print(f"[bold red]{title}[/bold red]: {escape(message)}", highlight=False)
    log.print(escape(remedy), highlight=False)


def _defaults() -> Settings:
    """Settings for the options' defaults; an invalid setting ends the process before a command begins."""
    try:
        return settings()
    except ConfigurationError as error:
        _tell(error.title, error.message, error.remedy)
        raise SystemExit(2) from error


DEFAULTS = _defaults()

_SHORT = {kind: short for short, kind in ALIASES.items()}

RegionOption = Annotated[str, typer.Option("--region", "-r", help="Name of a region, or a region's TOML file.")]
DaysOption = Annotated[int | None, typer.Option(min=1, help="Only the last so many days.")]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help=", ".join(f"{kind} ({_SHORT[kind]})" if kind in _SHORT else kind for kind in KINDS) + ".",
    ),
]
MinutesOption = Annotated[str | None, typer.Option(metavar="MIN,MIN,...", help="Minutes, separated by commas.")]
HorizonOption = Annotated[int, typer.Option(help="Furthest minutes ahead, at most 60.")]
ReasonOption = Annotated[str, typer.Option(help="Why; kept with the version.")]
DecisionReason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
PersonOption = Annotated[str | None, typer.Option(help="Who decides; NOWCAST_OWNER if absent.")]
ValidOption = Annotated[int, typer.Option(min=1, help="Days for early stopping and calibration.")]
TestOption = Annotated[int, typer.Option(min=1, help="Days held back for the backtest.")]
DataOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the publisher's files (or one file), for sources nyiso and files; of tables, for replay."
    ),
]
EveryOption = Annotated[
    int | None, typer.Option(min=1, help="Minutes between issue times; 15 or the region's interval.")
]


JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]


def moment(text: str) -> datetime:
    """A time of an option, aware and in UTC: ISO 8601 as the product prints it, UTC where it names no offset.

    >>> moment("2019-06-30 23:55 UTC") == moment("2019-06-30T23:55:00Z") == moment("2019-06-30T19:55-04:00")
    True
    """
    try:
        found = datetime.fromisoformat(text.strip().removesuffix(" UTC"))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time. Write for example 2019-06-30T23:55Z, 2019-06-30 23:55, 2019-06-30T19:55-04:00 or "
            "2019-06-30."
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def last_moment(text: str) -> datetime:
    """As `moment`; a date alone is its last minute, so that the day belongs to what ends with it.

    >>> last_moment("2019-06-30") == moment("2019-06-30T23:59Z")
    True
    """
    found = moment(text)
    return found + timedelta(days=1, minutes=-1) if len(text.strip()) == len("2019-06-30") else found


MOMENT: dict[str, Any] = {"parser": moment, "metavar": "TIME"}
"""The arguments of every option that takes a time."""
LAST_MOMENT: dict[str, Any] = {"parser": last_moment, "metavar": "TIME"}
"""The same for the last time of a period."""


@contextmanager
def open_job(region: str, data: Path | None = None, *, must_exist: bool = False) -> Iterator["Job"]:
    """The job of a region, with its workers, for the length of the block; `must_exist`: the tables' folder does."""
    from power_nowcast.jobs.job import Job
    from power_nowcast.regions import load
    from power_nowcast.store import Store
    from power_nowcast.workers import pool

    with errors(), pool(settings().workers) as executor:
        store = Store(settings().data, cache_bytes=settings().cache_bytes)
        if must_exist:
            store.check_exists()
        yield Job(load(region), store, settings(), progress, executor, data, region)


def progress(text: str) -> None:
    """Print a line of progress on stderr."""
    log.print(f"[dim]{datetime.now(UTC).astimezone():%H:%M:%S}[/dim] {escape(text)}", highlight=False)


@contextmanager
def files_bar(what: str, console: Console = log) -> Iterator[Callable[[int], None]]:
    """A bar of the files read and rows stored so far while the block runs; no bar if `console` is not a terminal.

    The number of files is not known in advance: live sources ask day by day. Yields a function that takes the number
    of new rows of a file.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(pulse_style="cyan"),
        TextColumn("{task.completed} files, {task.fields[rows]:,} new rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task, total = bars.add_task(what, total=None, rows=0), 0

        def advance(rows: int) -> None:
            nonlocal total
            total += rows
            bars.update(task, advance=1, rows=total)

        yield advance


@contextmanager
def errors() -> Iterator[None]:
    """Print an error of this package as two lines and exit with a code; other errors are defects, with a trace."""
    try:
        yield
    except NowcastError as error:
        _tell(error.title, error.message, error.remedy)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from error
    except OSError as error:
        if error.filename is None:
            raise
        _tell(
            "A file cannot be used",
            f"{error.filename}: {error.strerror}.",
            "Check the path; NOWCAST_DATA, NOWCAST_ARTIFACTS and NOWCAST_REPORTS say where files are written.",
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        log.print("Interrupted. Nothing is half done: the same command goes on.")
        raise typer.Exit(130) from error


def check_free(host: str, port: int) -> None:
    """Check that a server can listen there, before it prepares anything.

    Raises:
        ConfigurationError: another process listens there, or this one may not, or the host is not this machine.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":  # there it would take the port from its owner
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"{host}:{port} is in use by another process."
            other = f"--port {port + 1}"
            remedy = f"Stop that process, or choose another port, such as {other} (make: ARGS='{other}')."
        else:
            message = f"No server can listen on {host}:{port}: {error.strerror}."
            remedy = "Choose another port with --port, or another address of this machine with --host."
        raise ConfigurationError(message, remedy=remedy, host=host, port=port) from error


def replace_by(command: list[str], environment: dict[str, str]) -> None:
    """Replace this process by a server's command."""
    if os.name == "nt":
        raise typer.Exit(subprocess.call(command, env=environment))
    os.execvpe(command[0], command, environment)  # noqa: S606 - the server also receives this process's signals
