"""The options of the source `files`."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest.parsing.numbers import DECIMALS, THOUSANDS
from power_nowcast.ingest.parsing.stamp_forms import EXCEL
from power_nowcast.ingest.published import Request
from power_nowcast.regions.region import time_zones
from power_nowcast.regions.units import TO_MW

OTHERS = "others"
DROP = "drop"
SLICE = "slice"
"""With true, of a Parquet file only the columns or rows of the region's own zones are read and kept."""
COLUMNS = ("valid_at", "series", "value", "written")
OPTIONS = (
    "files",
    "folder",
    "unit",
    "time_zone",
    "stamp_format",
    "ambiguous",
    "date_in_name",
    "columns",
    "series",
    "separator",
    "decimal",
    "thousands",
    "ignore",
    "extra_fields",
    "allow_negative",
    SLICE,
)


def check_file_options(request: Request) -> None:
    """Check that the options are known and have allowed values; `options.check_forms` has checked their forms.

    Raises:
        ConfigurationError: an option is missing, unknown or wrong.
    """
    region, options = request.region, request.spec.options

    def wrong(what: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(f"{region.name}: {what}", remedy=remedy, region=region.name, source="files")

    if "files" not in options and request.place is None:
        raise wrong("the source files has no files.", 'Set options = { files = "..." } in the region file.')
    if unknown := [name for name in options if name not in OPTIONS]:
        raise wrong(f"the source files has no option {unknown[0]!r}.", f"Use {', '.join(OPTIONS)}.")
    for name, remedy in _wrong(options):
        raise wrong(f"{name} is {options.get(name)!r}.", remedy)
    columns = options.get("columns", {})
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise wrong(f"columns has {unknown[0]!r}.", f"Use {', '.join(COLUMNS)}.")


def _wrong(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Options with a value that they cannot have, and what to write instead."""
    found = []
    for name, may_be_several in (("columns", ("valid_at", "series")), ("series", ())):
        given = options.get(name, {})
        if not all(isinstance(title, str) or key in may_be_several for key, title in given.items()):
            found.append((name, f'Write {name} = {{ {"valid_at" if name == "columns" else "title"} = "..." }}.'))
    if options.get("ambiguous") not in (None, "earliest", "latest"):
        found.append(("ambiguous", "Use earliest or latest, or leave it out."))
    if options.get("extra_fields") not in (None, DROP):
        found.append(("extra_fields", f"Use {DROP}, or leave it out."))
    if options.get("unit", "MW") not in TO_MW:
        found.append(("unit", f"Use one of: {', '.join(TO_MW)}."))
    if options.get("time_zone", "UTC") not in time_zones():
        found.append(("time_zone", 'Use an IANA time zone such as "Europe/Berlin" or "Etc/GMT+5".'))
    if not _is_format(options.get("stamp_format", EXCEL)):
        found.append(("stamp_format", f'Write a format such as "%d/%m/%Y %H:%M", or "{EXCEL}".'))
    if "%" not in str(options.get("date_in_name", "%")):
        found.append(("date_in_name", 'Write a format such as "%Y%m%d".'))
    separator = str(options.get("separator", ","))
    if len(separator.encode()) != 1 or separator in '"\r\n' or separator.isalnum():
        found.append(("separator", 'Use one character, such as ";" or "\\t".'))
    decimal, thousands = options.get("decimal"), options.get("thousands")
    if decimal not in (None, *DECIMALS):
        found.append(("decimal", f"Use one of: {'  '.join(DECIMALS)}"))
    if thousands not in (None, *THOUSANDS) or (thousands is not None and thousands == decimal):
        found.append(("thousands", 'Use ".", ",", " " or "\'", and another sign than decimal.'))
    return found


def _is_format(form: object) -> bool:
    """Whether times can be read by a format."""
    if form == EXCEL:
        return True
    try:
        pl.Series(["2024-05-01"]).str.to_datetime(
            str(form), strict=False, time_zone="UTC" if "%z" in str(form) else None
        )
    except pl.exceptions.PolarsError:
        return False
    return "%" in str(form)
