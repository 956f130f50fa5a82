"""Care of the tables: what is there, what is missing, whether it can be true."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table as Grid

from power_nowcast.cli.base import DEFAULTS, DataOption, RegionOption, app, console, open_job

data = typer.Typer(help="Look after the tables: status, gaps, verify, compact, vacuum.", no_args_is_help=True)
app.add_typer(data, name="data")

JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]


@data.command()
def status(region: RegionOption = DEFAULTS.region, as_json: JsonOption = False) -> None:
    """Rows, span, freshness, missing slots and quarantined rows of each table; exit code 1 if one is not fresh."""
    from power_nowcast.care.status import status as look

    with open_job(region) as job:
        found = look(job.store, job.region, now=datetime.now(UTC))
        headings = ("table", "rows", "first", "last", "fresh", "missing", "quarantine")
        rows = [
            (
                one.table.value,
                f"{one.rows:,}",
                _time(one.first),
                _time(one.last),
                "yes" if one.fresh else "stale" if one.last else "empty",
                f"{one.missing:,}",
                f"{one.quarantined:,}",
            )
            for one in found
        ]
        _show(as_json, [asdict(one) for one in found], headings, rows)
        if not all(one.fresh for one in found):
            raise typer.Exit(1)


@data.command()
def gaps(
    region: RegionOption = DEFAULTS.region,
    fill: Annotated[bool, typer.Option("--fill", help="Ask the sources for just these times again.")] = False,
    place: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Slots of power that hold no value; exit code 1 if there are any."""
    from power_nowcast.care import status as care

    with open_job(region, place) as job:
        found = care.gaps(job.store, job.region)
        if fill and found:
            report = care.fill(job.store, job.region, found, place=job.data)
            job.progress(f"gaps: {report.stored:,} rows came")
            found = care.gaps(job.store, job.region)
        rows = [
            (
                "every zone" if len(one.series) == len(job.region.zones) else ", ".join(one.series),
                _time(one.first),
                _time(one.last),
                f"{one.slots:,}",
            )
            for one in found
        ]
        _show(as_json, [asdict(one) for one in found], ("series", "first", "last", "slots"), rows)
        if found:
            raise typer.Exit(1)


@data.command()
def verify(region: RegionOption = DEFAULTS.region, as_json: JsonOption = False) -> None:
    """Schema, times, plausible values, sums, and the digests of kept manifests; exit code 1 if one is wrong."""
    from power_nowcast.care.verify import verify as check

    with open_job(region) as job:
        found = check(job.store, job.region, now=datetime.now(UTC))
        rows = [
            (one.table, one.check, f"{one.rows:,}", f"{one.wrong:,}", one.detail, "" if one.good else one.remedy)
            for one in found
        ]
        _show(as_json, [asdict(one) for one in found], ("table", "check", "rows", "wrong", "which", "remedy"), rows)
        if not all(one.good for one in found):
            raise typer.Exit(1)


@data.command()
def compact(region: RegionOption = DEFAULTS.region) -> None:
    """Merge small files of all tables; versions that manifests name stay."""
    with open_job(region) as job:
        console.print(f"{job.store.compact():,} files merged.")


@data.command()
def vacuum(region: RegionOption = DEFAULTS.region) -> None:
    """Delete files that no kept or recent version needs."""
    with open_job(region) as job:
        console.print(f"{job.store.vacuum():,} files deleted.")


def _show(
    as_json: bool, records: list[dict[str, Any]], headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> None:
    if as_json:
        console.print_json(json.dumps(records, default=str))
        return
    table = Grid(box=None, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*row)
    console.print(table if rows else "None.")


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M}Z"
