"""The tables of docs/peers.md are those of the committed records, to the last digit."""

import json
from pathlib import Path

import pytest
from peers.grids import POWER_GRIDS
from peers.page import BEGIN, tables, written
from peers.registry import CLASSES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "peers.md").read_text()


def record_of(name: str) -> dict:
    return json.loads((ROOT / "benchmarks" / "results" / f"peers_{name}.json").read_text())


@pytest.mark.parametrize("name", POWER_GRIDS)
def test_the_page_has_the_figures_of_the_record(name: str) -> None:
    assert written(PAGE, name, record_of(name)) == PAGE, f"make peers GRIDS={name} writes the tables"


def test_another_figure_in_a_record_is_another_page() -> None:
    record = record_of("victoria_2014")
    entry = next(one for one in record["entries"] if one["peer"] == "persistence")
    entry["horizons"][0]["MAPE"] += 0.1
    assert written(PAGE, "victoria_2014", record) != PAGE


def test_a_peer_without_an_entry_is_told_as_not_run() -> None:
    record = record_of("victoria_2014")
    record["entries"] = [one for one in record["entries"] if one["peer"] == "persistence"]
    made = tables(record, POWER_GRIDS["victoria_2014"])
    assert made.count("| not run |") == len(CLASSES["a"]) - 1


def test_a_page_without_a_place_for_the_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="no single place for the tables of caiso_2019"):
        written(PAGE.replace(BEGIN.format("caiso_2019"), ""), "caiso_2019", record_of("caiso_2019"))
