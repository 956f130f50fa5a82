import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from power_nowcast.errors import StoreError
from power_nowcast.store.delta import CONFIGURATION, ConflictError, Delta
from power_nowcast.store.log import CHECKPOINT_EVERY

SCHEMA = pl.Schema({"part": pl.String(), "x": pl.Int64()})
ROWS = pl.DataFrame({"part": ["a", "b"], "x": [1, 2]}, schema=SCHEMA)


@pytest.fixture
def delta(tmp_path: Path) -> Delta:
    return Delta(str(tmp_path / "table"), SCHEMA, ("part",))


def again(delta: Delta) -> Delta:
    return Delta(delta.uri, SCHEMA, ("part",))


def test_append_and_read(delta: Delta) -> None:
    assert delta.version == -1
    delta.append(ROWS, onto=-1)
    assert delta.version == 1
    assert again(delta).read(pl.col("part") == "b").rows() == [("b", 2)]
    assert delta.files({"part": "a"}) == 1


def test_who_has_not_seen_the_newest_version_may_not_append(delta: Delta) -> None:
    delta.append(ROWS, onto=delta.version)
    other = again(delta)
    seen = other.version
    delta.append(ROWS, onto=delta.version)
    with pytest.raises(ConflictError):
        other.append(ROWS, onto=seen)
    assert len(again(delta).read()) == 4
    other.append(ROWS, onto=other.version)
    assert len(again(delta).read()) == 6


def test_who_thought_that_there_was_no_table_may_not_append(delta: Delta) -> None:
    other = again(delta)
    seen = other.version
    delta.append(ROWS, onto=-1)
    with pytest.raises(ConflictError):
        other.append(ROWS, onto=seen)
    assert len(delta.read()) == 2


def test_every_append_has_a_transaction_of_its_own(delta: Delta) -> None:
    from deltalake import DeltaTable

    for _ in range(3):
        delta.append(ROWS, onto=delta.version)
    assert DeltaTable(delta.uri).transaction_version("power-nowcast") == 3


def test_rows_cannot_be_deleted(delta: Delta) -> None:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    delta.append(ROWS, onto=-1)
    with pytest.raises(DeltaError):
        DeltaTable(delta.uri).delete("x = 1")


def test_compact_merges_one_partition_or_all(delta: Delta) -> None:
    for _ in range(3):
        delta.append(ROWS, onto=delta.version)
    assert delta.compact({"part": "a"}) == 3
    assert (delta.files({"part": "a"}), delta.files({"part": "b"})) == (1, 3)
    assert delta.compact() == 3
    assert delta.read()["x"].sum() == 9
    assert again(delta).files({"part": "a"}) == 0, "nothing was read yet"


def test_files_that_vanished_are_reported(delta: Delta) -> None:
    delta.append(ROWS, onto=-1)
    for file in Path(delta.uri).rglob("*.parquet"):
        file.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        delta.read()


def test_a_reader_that_follows_others_opens_the_table_again_at_times(delta: Delta) -> None:
    """An open table keeps each step of its updates in memory: .1 MB a commit, which fills a service in a few days."""
    opened = []

    class Counted(Delta):
        def _open(self, version: int | None = None) -> DeltaTable:
            opened.append(version)
            return super()._open(version)

    reader = Counted(delta.uri, SCHEMA, ("part",))
    for number in range(2 * CHECKPOINT_EVERY + 4):
        delta.append(ROWS, onto=delta.version)
        assert len(reader.read()) == 2 * (number + 1)
    assert len(opened) == 3


def test_a_table_at_an_address_is_not_trimmed(delta: Delta) -> None:
    delta.append(ROWS, onto=-1)
    there = Delta(f"file://{delta.uri}", SCHEMA, ("part",))
    assert there.version == 1
    assert there.trim(()) == 0, "nothing was deleted, which is no file, not one less than none"


def test_a_kept_first_version_keeps_its_rows(tmp_path: Path) -> None:
    """The first version of a table that something else made holds rows, and is kept as any other."""
    at_once = {**CONFIGURATION, "delta.appendOnly": "false", "delta.deletedFileRetentionDuration": "interval 0 seconds"}
    folder = str(tmp_path / "table")
    for n in range(2):
        write_deltalake(folder, ROWS, mode="append", partition_by=["part"], configuration=at_once if n == 0 else None)
    delta = Delta(folder, SCHEMA, ("part",))
    assert delta.compact() == 4
    assert delta.vacuum(kept=[-1, 0]) == 2, "of version 1 alone: -1 names the table before its first version"
    assert delta.read(of=delta.snapshot(0)).sort("x").equals(ROWS)
    with pytest.raises(StoreError, match="cannot be read"):
        delta.read(of=delta.snapshot(1))


def commits(delta: Delta) -> list[Path]:
    return sorted(Path(delta.uri, "_delta_log").glob("*.json"))


def test_a_newest_commit_that_is_cut_to_nothing_is_refused(delta: Delta) -> None:
    for _ in range(2):
        delta.append(ROWS, onto=delta.version)
    whole = commits(delta)[-1].read_bytes()
    commits(delta)[-1].write_bytes(b"")
    other = again(delta)
    with pytest.raises(StoreError, match="cut off") as caught:
        other.read()
    assert "rebuild" in caught.value.remedy
    assert caught.value.fields["file"] == str(commits(delta)[-1])
    with pytest.raises(StoreError, match="cut off"):
        other.append(ROWS, onto=other.version)
    assert len(commits(delta)) == 3, "nothing is appended behind it"
    commits(delta)[-1].write_bytes(whole)
    assert len(other.read()) == 4


def test_one_that_is_cut_to_nothing_while_a_reader_follows_is_refused(delta: Delta) -> None:
    delta.append(ROWS, onto=-1)
    reader = again(delta)
    assert len(reader.read()) == 2
    delta.append(ROWS, onto=delta.version)
    commits(delta)[-1].write_bytes(b"")
    with pytest.raises(StoreError, match="cut off"):
        reader.read()


def test_a_commit_that_ends_with_a_line_before_its_last_file_is_refused(delta: Delta) -> None:
    delta.append(ROWS, onto=-1)
    newest = commits(delta)[-1]
    newest.write_text("".join(newest.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(StoreError, match="cut off"):
        again(delta).read()


def test_an_older_commit_that_is_empty_is_found_too(delta: Delta) -> None:
    for _ in range(3):
        delta.append(ROWS, onto=delta.version)
    commits(delta)[-2].write_bytes(b"")
    with pytest.raises(StoreError, match="cut off"):
        again(delta).read()


def test_what_is_acknowledged_was_written_through(delta: Delta, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def noted(descriptor: int) -> None:
        told.append(os.path.relpath(Path(f"/proc/self/fd/{descriptor}").readlink(), Path(delta.uri).parent))

    monkeypatch.setattr(os, "fsync", noted)
    delta.append(ROWS, onto=-1)
    newest = f"table/_delta_log/{1:020}.json"
    data = [name for name in told if name.endswith(".parquet")]
    assert {name.split("/")[1] for name in data} == {"part=a", "part=b"}
    assert {"table", "table/part=a", "table/part=b", "table/_delta_log", newest} <= set(told)
    assert max(map(told.index, data)) < told.index(newest), "a commit is there when its data are"
    told.clear()
    delta.append(ROWS, onto=delta.version)
    told.clear()
    assert delta.compact() == 4
    assert f"table/_delta_log/{3:020}.json" in told
    assert sum(name.endswith(".parquet") for name in told) == 2


def test_a_table_that_is_older_than_a_column_reads_and_grows(tmp_path: Path) -> None:
    old = Delta(str(tmp_path / "table"), SCHEMA, ("part",))
    old.append(ROWS, onto=-1)
    wider = pl.Schema({**SCHEMA, "read_at": pl.Datetime("us", "UTC"), "usual": pl.String()})
    new = Delta(str(tmp_path / "table"), wider, ("part",))
    assert new.read().schema == wider
    assert new.read().sort("x")["usual"].to_list() == [None, None]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    added = pl.DataFrame([("a", 3, now, "{}")], wider, orient="row")
    new.append(added, onto=new.version)
    assert new.read().sort("x")["read_at"].to_list() == [None, None, now]
    again = Delta(str(tmp_path / "table"), wider, ("part",))
    again.append(added.with_columns(x=pl.lit(4, pl.Int64)), onto=again.version)
    assert again.compact() > 0
    assert again.read().sort("x")["usual"].to_list() == [None, None, "{}", "{}"]
    assert old.read().sort("x")["x"].to_list() == [1, 2, 3, 4], "and an older program reads it"
