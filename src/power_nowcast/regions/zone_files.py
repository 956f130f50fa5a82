"""Zones from a file: a region of thousands of zones names a CSV or Parquet file in place of a list."""

from pathlib import Path
from typing import Any

import polars as pl

from power_nowcast.errors import ConfigurationError

KEY = "zones_file"
"""The key of a region file that stands in place of `zones`."""
COLUMNS = {
    "name": pl.String,
    "kind": pl.String,
    "latitude": pl.Float64,
    "longitude": pl.Float64,
    "max_mw": pl.Float64,
    "allow_zero": pl.Boolean,
}
NEEDED = ("name", "latitude", "longitude", "max_mw")


def zones_of(told: object, beside: Path, origin: str) -> list[dict[str, Any]]:
    """The zones of a file, each as a region file lists it; an empty cell is a key that is not given.

    Args:
        told: the value of `zones_file`: a path, from the folder of the region file.
        beside: that folder.
        origin: the region file's name, for errors.

    Raises:
        ConfigurationError: the file cannot be read, lacks a column or has an unknown one, or a cell has another type.
    """
    file = beside / str(told)
    try:
        read = pl.read_parquet if file.suffix == ".parquet" else pl.read_csv
        table = read(file)
        wrong = sorted(set(NEEDED) - set(table.columns)) or sorted(set(table.columns) - set(COLUMNS))
        if not wrong:
            # Names that are numbers are names all the same.
            table = table.cast({name: COLUMNS[name] for name in table.columns})
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigurationError(
            f"{origin}: {KEY}: {file} cannot be read: {str(error).partition('\n')[0].rstrip('.')}.",
            remedy=f"Name a CSV or Parquet file with the columns {', '.join(COLUMNS)}.",
            file=origin,
            key=KEY,
            value=str(told),
        ) from error
    if wrong:
        raise ConfigurationError(
            f"{origin}: {KEY}: the columns of {file} are {', '.join(table.columns)}; wrong or missing: "
            f"{', '.join(wrong)}.",
            remedy=f"It needs {', '.join(NEEDED)}, and may have kind and allow_zero.",
            file=origin,
            key=KEY,
            value=str(told),
        )
    return [{name: cell for name, cell in row.items() if cell is not None} for row in table.iter_rows(named=True)]
