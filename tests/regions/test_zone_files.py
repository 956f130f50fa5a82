"""Zones from a file in place of a list."""

from pathlib import Path

import polars as pl
import pytest

from power_nowcast.errors import ConfigurationError
from power_nowcast.regions import load

REGION = """
name = "feeders"
title = "Feeders"
timezone = "Europe/Berlin"
interval_minutes = 15
model = "feeders"
zones_file = "zones.{}"
power = {{ source = "files", options = {{ files = "power.parquet" }} }}
"""
TABLE = pl.DataFrame(
    {
        "name": ["F1", "PV 2"],
        "kind": [None, "solar"],
        "latitude": [53.5, 48.1],
        "longitude": [10, 11.6],
        "max_mw": [4.5, 2],
        "allow_zero": [True, None],
    },
    strict=False,
)


def write(folder: Path, table: pl.DataFrame, suffix: str = "csv") -> Path:
    file = folder / "feeders.toml"
    file.write_text(REGION.format(suffix))
    if suffix == "csv":
        table.write_csv(folder / "zones.csv")
    else:
        table.write_parquet(folder / "zones.parquet")
    return file


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_has_names_kinds_places_and_limits(tmp_path: Path, suffix: str) -> None:
    region = load(write(tmp_path, TABLE, suffix))
    first, second = region.zones
    assert (first.name, first.kind, first.max_mw, first.allow_zero) == ("F1", "load", 4.5, True)
    assert (second.name, second.kind, second.latitude, second.longitude) == ("PV 2", "solar", 48.1, 11.6)
    assert not second.allow_zero


def test_names_may_be_numbers(tmp_path: Path) -> None:
    region = load(write(tmp_path, TABLE.with_columns(name=pl.Series([17, 18]))))
    assert region.series == ("17", "18")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (TABLE.drop("max_mw"), "max_mw"),
        (TABLE.with_columns(colour=pl.lit("red")), "colour"),
        (TABLE.with_columns(latitude=pl.lit("north")), "cannot be read"),
        (TABLE.with_columns(max_mw=pl.lit(-1.0)), r"zones\.0\.max_mw"),
        (TABLE.with_columns(name=pl.lit("F1")), r"zones\.1\.name.*taken"),
    ],
    ids=["a column is missing", "one is unknown", "a text for a number", "a limit below 0", "a name twice"],
)
def test_a_fault_is_named(tmp_path: Path, table: pl.DataFrame, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(write(tmp_path, table))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    file = write(tmp_path, TABLE)
    (tmp_path / "zones.csv").unlink()
    with pytest.raises(ConfigurationError, match=r"zones_file: .*zones\.csv cannot be read"):
        load(file)
