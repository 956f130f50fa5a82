"""Documents of a store: whole or not there, the last one under a name counts."""

import os
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.errors import StoreError
from power_nowcast.store import Store

NAME = "toy/backtests/a b"
FRAME = pl.DataFrame({"series": ["N.E.", None], "mw": [1.5, float("nan")]})


def test_a_document_is_read_as_it_was_written_last(store: Store) -> None:
    assert store.documents.read(NAME) is None
    for value in ({"knots": [5, 10], "region": "Z\u00fcrich"}, ["other"]):
        store.documents.write(NAME, value)
        assert Store(store.root).documents.read(NAME) == value


def test_frames_are_listed_by_folder(store: Store) -> None:
    assert store.documents.frames("toy/backtests") == frozenset()
    assert store.documents.read_frame(NAME) is None
    store.documents.write_frame(NAME, FRAME)
    store.documents.write(f"{NAME}/below", 1)
    store.documents.write("toy/backtests/c", 1)
    assert store.documents.frames("toy/backtests") == {NAME}
    found = Store(store.root).documents.read_frame(NAME)
    assert found is not None
    assert found.equals(FRAME)


def test_a_document_gets_its_name_when_it_is_on_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.documents.write(NAME, "before")
    synced: list[tuple[str, object]] = []

    def noted(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((place.name, store.documents.read(NAME)))

    monkeypatch.setattr(os, "fsync", noted)
    store.documents.write(NAME, "after")
    assert synced == [(f".a b.json.{os.getpid()}", "before"), ("backtests", "after")]


def test_what_a_killed_write_left_is_no_document(store: Store) -> None:
    store.documents.write_frame(NAME, FRAME)
    folder = Path(store.root, "documents/toy/backtests")
    (folder / ".c.parquet.123").write_bytes(b"PAR1")
    assert store.documents.frames("toy/backtests") == {NAME}


def test_damage_is_reported_with_its_place(store: Store) -> None:
    store.documents.write(NAME, 1)
    store.documents.write_frame(NAME, FRAME)
    for file in Path(store.root).rglob("a b.*"):
        file.write_bytes(file.read_bytes()[:-1] + b"{")
    with pytest.raises(StoreError, match=r"a b\.json is no JSON"):
        store.documents.read(NAME)
    with pytest.raises(StoreError, match=r"a b\.parquet cannot be read"):
        store.documents.read_frame(NAME)


def test_a_folder_that_cannot_be_written_is_reported(store: Store) -> None:
    Path(store.root).mkdir()
    Path(store.root, "documents").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        store.documents.write(NAME, 1)
    with pytest.raises(StoreError, match="cannot be read"):
        store.documents.read(NAME)
