"""The guides that change the code, followed word by word in a copy of the tree."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.docs.following import ROOT, Reader, follow, own

pytestmark = pytest.mark.integration


def test_the_guide_to_an_own_source(tmp_path: Path) -> None:
    reader = Reader.begin(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    test, make, serve, check, *ingest = follow(ROOT / "docs/own-source.md", reader, {"8099": port})

    assert "2 passed" in reader.run(test)
    reader.run(make)
    with served(serve, reader, f"http://127.0.0.1:{port}/load.txt"):
        reader.run(check)
        first, status = ingest
        assert ", 96 rows stored, 0 in quarantine" in reader.run(first)
        assert ", 0 rows stored" in reader.run(first)
    assert "2024-05-02 00:00 │ late" in reader.run(status, code=1), "as the page says"


def test_the_guide_to_an_own_model(tmp_path: Path) -> None:
    reader = Reader.begin(tmp_path)
    test, *comparison = follow(ROOT / "docs/own-model.md", reader)

    assert "2 passed" in reader.run(test)
    assert [line.split()[1] for line in comparison if "nowcast" in line] == ["backtest", "backtest", "compare"]


@contextmanager
def served(command: str, reader: Reader, address: str) -> Iterator[None]:
    """A server of a guide, from its first answer to the end of the block."""
    process = subprocess.Popen(own(command).split(), cwd=reader.folder, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while True:
            with suppress(httpx.TransportError):
                httpx.get(address).raise_for_status()
                break
            assert time.monotonic() < until, f"{address} does not answer"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()
