import os
from pathlib import Path

import pytest

from power_nowcast.errors import StoreError
from power_nowcast.store import raw


@pytest.mark.parametrize("origin", ["a.csv", "a.zip", "folder/a.csv.gz"])
def test_bytes_come_back_as_received(tmp_path: Path, origin: str) -> None:
    data = b"1,2,3\n" * 100
    address = raw.keep(str(tmp_path / "raw"), origin, data)
    assert raw.read(address) == data
    assert raw.keep(str(tmp_path / "raw"), origin, data) == address
    assert len(list((tmp_path / "raw").iterdir())) == 1
    assert raw.keep(str(tmp_path / "raw"), origin, data + b"4") != address


def test_bytes_are_on_the_disk_before_they_get_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, bool]] = []

    def noted(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        told.append((place.name, any(tmp_path.glob("*-a.csv.gz"))))

    monkeypatch.setattr(os, "fsync", noted)
    address = Path(raw.keep(str(tmp_path), "a.csv", b"1,2,3\n"))
    assert told == [(f".{address.name}.{os.getpid()}", False), (tmp_path.name, True)]


def test_text_is_compressed(tmp_path: Path) -> None:
    address = raw.keep(str(tmp_path), "a.csv", b"1,2,3\n" * 1000)
    assert Path(address).stat().st_size < 200


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        raw.keep(str(tmp_path / "file"), "a.csv", b"")
