import os
from pathlib import Path

import pytest

from power_nowcast.errors import StoreError
from power_nowcast.store import raw
from power_nowcast.store.address import Address
from power_nowcast.store.files import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(Address(str(tmp_path)))


@pytest.mark.parametrize("origin", ["a.csv", "a.zip", "folder/a.csv.gz"])
def test_bytes_come_back_as_received(files: Files, tmp_path: Path, origin: str) -> None:
    data = b"1,2,3\n" * 100
    path = raw.keep(files, "raw", origin, data)
    assert raw.read(files, path) == data
    assert raw.keep(files, "raw", origin, data) == path
    assert len(list((tmp_path / "raw").iterdir())) == 1
    assert raw.keep(files, "raw", origin, data + b"4") != path


def test_bytes_are_on_the_disk_before_they_get_their_name(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, bool]] = []

    def noted(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        told.append((place.name, any(tmp_path.rglob("*-a.csv.gz"))))

    monkeypatch.setattr(os, "fsync", noted)
    path = Path(raw.keep(files, "raw", "a.csv", b"1,2,3\n"))
    assert told == [(f".{path.name}.{os.getpid()}", False), ("raw", True)]


def test_text_is_compressed(files: Files, tmp_path: Path) -> None:
    path = raw.keep(files, "raw", "a.csv", b"1,2,3\n" * 1000)
    assert (tmp_path / path).stat().st_size < 200


def test_an_unwritable_folder_is_reported(files: Files, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        raw.keep(files, "file", "a.csv", b"")
