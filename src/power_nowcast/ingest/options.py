"""The form of every option of a source: an option has the same form wherever a source knows it."""

from collections.abc import Mapping

from power_nowcast.errors import ConfigurationError
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.regions.keys import shown

_TEXT = (
    "url",
    "dataset",
    "market",
    "area",
    "grid",
    "process",
    "sample",
    "folder",
    "of",
    "unit",
    "time_zone",
    "stamp_format",
    "ambiguous",
    "date_in_name",
    "extra_fields",
    "separator",
    "decimal",
    "thousands",
)
_YES_OR_NO = ("allow_negative", "hourly")
_TEXTS = ("files", "stations", "ignore")
_TABLES = ("columns", "series", "gridpoints")


def check_forms(region: Region, spec: SourceSpec) -> None:
    """Check that each option is text, true or false, a list or a table, as every source reads it.

    Raises:
        ConfigurationError: an option has another form.
    """
    for option, value in spec.options.items():
        if option in _TEXT and not _is_text(value):
            form = "text in quotes"
        elif option in _YES_OR_NO and not isinstance(value, bool):
            form = "true or false"
        elif option in _TEXTS and not _are_texts(value):
            form = "text in quotes, or a list of texts that is not empty"
        elif option in _TABLES and not (isinstance(value, Mapping) and all(map(_are_texts, value.values()))):
            form = "a table whose values are texts, or lists of texts"
        else:
            continue
        raise ConfigurationError(
            f"{region.name}: the option {option} of the source {spec.source} is {shown(value)}.",
            remedy=f"Write it as {form}.",
            region=region.name,
            source=spec.source,
            option=option,
            value=value,
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: object) -> bool:
    return _is_text(value) or (isinstance(value, list | tuple) and bool(value) and all(map(_is_text, value)))
