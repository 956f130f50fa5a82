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

    reader.run(test)
    assert "2 passed" in reader.output
    reader.run(make)
    with served(serve, reader, f"http://127.0.0.1:{port}/load.txt"):
        reader.run(check)
        first, status = ingest
        reader.run(first)
        assert "96" in reader.output.partition("passed")[2]
        reader.run(first)
        reader.run(f"{status} || true")  # a table whose values end years ago is late: exit code 1
    assert "48" in reader.output


def test_the_guide_to_an_own_model(tmp_path: Path) -> None:
    reader = Reader.begin(tmp_path)
    test, *comparison = follow(ROOT / "docs/own-model.md", reader)

    reader.run(test)
    assert "2 passed" in reader.output
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
