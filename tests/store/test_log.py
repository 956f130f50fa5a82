"""log: the commits that a reader has not seen yet are whole, or the table does not open."""

from pathlib import Path

import pytest

from power_nowcast.errors import StoreError
from power_nowcast.store.log import check

COMMIT = '{"commitInfo":{"timestamp":1}}\n{"add":{"path":"a.parquet"}}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of the commits 0 to 9."""
    for number in range(10):
        (tmp_path / f"{number:020}.json").write_text(COMMIT)
    return tmp_path


def test_whole_commits_pass_and_deleted_ones_are_not_missed(folder: Path) -> None:
    check(folder, 0, 9)
    (folder / f"{2:020}.json").unlink()
    check(folder, -1, 9)
    check(folder, 0, 12)


@pytest.mark.parametrize(("first", "version"), [(-1, 9), (0, 4), (3, 3)])
def test_an_empty_commit_of_those_asked_for_is_told(folder: Path, first: int, version: int) -> None:
    (folder / f"{3:020}.json").write_text("")
    with pytest.raises(StoreError, match=f"{3:020}.json is cut off") as caught:
        check(folder, first, version)
    assert caught.value.fields["file"] == str(folder / f"{3:020}.json")


def test_commits_before_and_after_those_asked_for_do_not_matter(folder: Path) -> None:
    for number in (3, 8):
        (folder / f"{number:020}.json").write_text("")
    check(folder, 4, 7)


def test_the_newest_commit_is_read_to_its_end(folder: Path) -> None:
    (folder / f"{9:020}.json").write_text(COMMIT[:-8])
    with pytest.raises(StoreError, match="cut off"):
        check(folder, 0, 9)
    check(folder, 0, 8)
