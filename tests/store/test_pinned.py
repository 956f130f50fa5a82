"""pinned: a table's version is found again by the rows that a manifest tells of."""

from dataclasses import replace

from power_nowcast.contracts import Table
from power_nowcast.store import Store
from power_nowcast.store.pinned import version_of

from .conftest import MakeRows, at


def test_every_version_is_found_by_its_rows(store: Store, make_rows: MakeRows) -> None:
    told = []
    for minute in (0, 5, 10, 15, 20):
        store.append(Table.POWER, make_rows(("A", minute, 1.0)), now=at(60 + minute))
        told.append(store.manifest(Table.POWER, "nyiso"))
    assert [version_of(store, "nyiso", one) for one in told] == [one.version for one in told]
    assert told[0].version < told[1].version
    assert version_of(store, "nyiso", replace(told[2], sha256="other")) is None


def test_a_table_without_rows_is_found_too(store: Store) -> None:
    empty = store.manifest(Table.FORECAST, "nyiso")
    assert empty.rows == 0
    assert version_of(store, "nyiso", empty) == empty.version
