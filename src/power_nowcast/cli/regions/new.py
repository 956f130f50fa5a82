"""Write the region file for a file of your own: looks at a CSV or Parquet file and says what it takes it for."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from power_nowcast.cli.base import console, errors


def _place(text: str) -> tuple[float, float]:
    parts = text.split(",")
    try:
        latitude, longitude = map(float, parts)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no place. Write latitude and longitude: 52.5,13.4.") from None
    return latitude, longitude


def new(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet, a row a time (or a row a value), packed or not.")],
    timezone: Annotated[str | None, typer.Option(help="Where it is, such as Europe/Berlin: local days, hours.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the region; the file's name if absent.")] = None,
    title: Annotated[str | None, typer.Option(help="Name for people.")] = None,
    kind: Annotated[Literal["load", "wind", "solar"], typer.Option(help="Kind of its series.")] = "load",
    unit: Annotated[Literal["MW", "kW", "GW"] | None, typer.Option(help="Of its values.")] = None,
    label: Annotated[
        Literal["start", "end", "instant"] | None, typer.Option(help="What a stamp is, of the interval it stands for.")
    ] = None,
    clock: Annotated[str | None, typer.Option(help="Time zone of the stamps, if it is not --timezone: UTC.")] = None,
    place: Annotated[str | None, typer.Option(metavar="LAT,LON", help="Coordinates, if not its time zone's.")] = None,
    holidays: Annotated[str | None, typer.Option(metavar="CC[-SUB]", help="Whose holidays: DE-BY.")] = None,
    series: Annotated[list[str] | None, typer.Option(help="Title of a column to read; all if absent.")] = None,
    separator: Annotated[str | None, typer.Option(help="Of fields, if it is not found.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Sign of decimals, if it is not found.")] = None,
    stamp_format: Annotated[str | None, typer.Option(help="Format of the stamps, if not found: %d.%m.%y %H:%M")] = None,
) -> None:
    from datetime import UTC, datetime

    from power_nowcast.jobs.regions_new import Asked, findings, new_region

    with errors():
        asked = Asked(
            file=file,
            timezone=timezone,
            name=name,
            title=title,
            kind=kind,
            unit=unit,
            label=label,
            clock=clock,
            place=_place(place) if place else None,
            holidays=holidays,
            series=tuple(series or ()),
            separator=separator,
            decimal=decimal,
            stamp_format=stamp_format,
        )
        made = new_region(asked, now=datetime.now(UTC))
        for what, words in findings(made):
            console.print(f"{what:15} {words}", highlight=False, soft_wrap=True)
        for question in made.questions:
            console.print(f"Open            {' '.join(question.split())}", highlight=False, soft_wrap=True)
        console.print(f"Written         {made.file}", highlight=False, soft_wrap=True)
        console.print(f"Next            nowcast run --region {made.region.name}", highlight=False, soft_wrap=True)
