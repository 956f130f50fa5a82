"""Looking after the data: what there is, what is missing, whether it is right, and making it again."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as Grid
from rich.text import Text

from power_nowcast.cli.base import DEFAULTS, DataOption, RegionOption, app, console, open_job

data = typer.Typer(help="Look after the data: status, gaps, verify, rebuild, compact, vacuum.", no_args_is_help=True)
app.add_typer(data, name="data")

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for machines.")]
COLOURS = {"ok": "green", "fresh": "green", "warn": "yellow", "late": "yellow", "empty": "yellow", "fail": "red"}


def show(rows: Sequence[dict[str, Any]], title: str, *, as_json: bool) -> None:
    """Rows of equal keys as a table for people, or as a JSON array."""
    if as_json:
        typer.echo(json.dumps(rows, default=_plain, indent=1))
        return
    grid = Grid(title=title, title_justify="left")
    for name in rows[0] if rows else ():
        grid.add_column(name.replace("_", " "), justify="right" if isinstance(rows[0][name], int) else "left")
    for row in rows:
        grid.add_row(*(_cell(value) for value in row.values()))
    console.print(grid if rows else title)


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


def _cell(value: object) -> str | Text:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, timedelta):
        return str(timedelta(seconds=int(value.total_seconds()))) if value else ""
    text = "" if value is None else str(value)
    return Text(text, style=COLOURS[text]) if text in COLOURS else text


@data.command()
def status(region: RegionOption = DEFAULTS.region, as_json: JsonOption = False) -> None:
    """Rows, times, freshness, gaps, quarantine of each table; exit code 1 if a live one is late or any is empty."""
    from power_nowcast import care
    from power_nowcast.care.status import Freshness

    with open_job(region) as job:
        tables = care.status(job.store, job.region, now=datetime.now(UTC))
        show([asdict(one) for one in tables], f"Tables of {job.region.title}, times in UTC", as_json=as_json)
        if any(one.freshness in (Freshness.LATE, Freshness.EMPTY) for one in tables):
            raise typer.Exit(1)


@data.command()
def gaps(
    region: RegionOption = DEFAULTS.region,
    fill: Annotated[bool, typer.Option("--fill", help="Fetch just what is missing.")] = False,
    start: Annotated[datetime | None, typer.Option(help="Earliest time, UTC; the first value if absent.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Latest time, UTC; the last value if absent.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Missing values as spans of each series; exit code 1 if there are any (left)."""
    from power_nowcast import care

    with open_job(region, data) as job:
        first, last = start and start.replace(tzinfo=UTC), end and end.replace(tzinfo=UTC)
        found = care.gaps(job.store, job.region, start=first, end=last)
        if fill and found:
            report = care.fill(job.store, job.region, found, place=job.data)
            job.progress(f"gaps: {report.deliveries} files read, {report.stored:,} rows stored")
            found = care.gaps(job.store, job.region, start=first, end=last)
        title = "Gaps, times in UTC" if found else f"No gap in the tables of {job.region.title}."
        show([asdict(one) for one in found], title, as_json=as_json)
        if found:
            raise typer.Exit(1)


@data.command()
def verify(region: RegionOption = DEFAULTS.region, as_json: JsonOption = False) -> None:
    """Check bytes, digests, schema, times, totals and ranges; exit code 1 if something cannot be right."""
    from power_nowcast import care
    from power_nowcast.care.findings import failed

    with open_job(region) as job:
        findings = care.verify(job.store, job.region)
        show([asdict(one) for one in findings], f"Tables of {job.region.title}", as_json=as_json)
        if failed(findings):
            raise typer.Exit(1)


@data.command()
def rebuild(
    into: Annotated[Path, typer.Option(help="Empty folder for the new tables.")],
    region: RegionOption = DEFAULTS.region,
    as_json: JsonOption = False,
) -> None:
    """Make the tables again from the bytes as received, without the network; exit code 1 if they differ."""
    from power_nowcast import care
    from power_nowcast.store import Store

    with open_job(region) as job:
        made = care.rebuild(
            job.store, job.region, Store(into), progress=lambda origin: job.progress(f"rebuild: {origin}")
        )
        rows = [
            {
                "table": one.table.value,
                "rows_before": one.before.rows,
                "rows_after": one.after.rows,
                "digest_before": one.before.sha256[:12],
                "digest_after": one.after.sha256[:12],
                "same": "yes" if one.is_same else "no",
                "read_otherwise": one.otherwise,
            }
            for one in made
        ]
        show(rows, f"Tables made again in {into}; to go on with them, set NOWCAST_DATA", as_json=as_json)
        if not all(one.is_same for one in made):
            raise typer.Exit(1)


@data.command()
def compact(region: RegionOption = DEFAULTS.region) -> None:
    """Merge small files of all tables; every version stays readable."""
    with open_job(region) as job:
        console.print(f"{job.store.compact():,} small files merged.")


@data.command()
def vacuum(region: RegionOption = DEFAULTS.region) -> None:
    """Delete files that no recent version needs, and none that a manifest names; servers' answers of a month ago."""
    from power_nowcast.ingest.answers import KEPT, Answers
    from power_nowcast.ingest.http import answers_folder

    with open_job(region) as job:
        deleted = job.store.vacuum()
        if "://" not in job.store.root:
            deleted += Answers(answers_folder(job.store.root)).prune(datetime.now(UTC) - KEPT)
        console.print(f"{deleted:,} files deleted.")
