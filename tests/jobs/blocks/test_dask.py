"""Dask behind the engine: a cluster of real processes, killed workers, other code, a scheduler that dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dask
import pytest
import trustme

from power_nowcast.errors import EngineError
from power_nowcast.jobs.blocks import run as by_blocks
from power_nowcast.workers import engine, source_digest
from tests.jobs.blocks.small_grid import PLAN, SMALL, ZONES, job_of, write_region

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]

CLUSTER = """
import sys
from distributed import LocalCluster, Security
if __name__ == "__main__":
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=sys.argv[1], dashboard_address=None, protocol=sys.argv[2] + "://",
        security=Security(require_encryption=True) if sys.argv[2] == "tls" else None,
    )
    print(cluster.scheduler_address, flush=True)
    print(*(worker.pid for worker in cluster.workers.values()), flush=True)
    sys.stdin.read()
"""
"""Two workers with nannies; the scheduler lives in this process."""


class Cluster:
    """A cluster in a process of its own, with the tests' modules on its path."""

    def __init__(self, folder: Path, memory: str = "4GB", path: Path = ROOT, protocol: str = "tcp") -> None:
        program = folder / "cluster.py"
        program.write_text(CLUSTER)
        environment = os.environ | {"PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, program, memory, protocol],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.engine = self.process.stdout.readline().strip().replace("tcp://", "dask://")

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.end()


def killed_once(mark: Path) -> int:
    """Ends its worker the first time."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def greedy(number: int) -> int:
    """Takes memory without end."""
    held = []
    while number == 0:
        held.append(bytearray(os.urandom(16)) * 2**20)
        time.sleep(0.01)
    return number


def told(number: int) -> str:
    return f"{number} {source_digest()}"


def test_tasks_go_to_workers_with_this_code(cluster: Cluster) -> None:
    with engine(cluster.engine, 2) as workers:
        found = dict(workers.each(told, range(5)))
    assert found == {n: f"{n} {source_digest()}" for n in range(5)}


def test_a_killed_worker_costs_no_task(cluster: Cluster, tmp_path: Path) -> None:
    with engine(cluster.engine, 2) as workers:
        marks = [tmp_path / name for name in "ab"]
        assert all(dict(workers.each(killed_once, marks)).values())


@pytest.mark.timeout(600)
def test_a_job_whose_worker_is_killed_has_the_digest_of_one_that_was_left_alone(
    cluster: Cluster, tmp_path: Path, work_in
) -> None:
    digests = []
    for name in ("alone", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        job = job_of(write_region(work_in(folder)), engine=cluster.engine if name == "killed" else "local")
        killed: list[int] = []

        def kill(text: str, is_killed: bool = name == "killed", done: list[int] = killed) -> None:
            if is_killed and text.startswith("calibrate: 1 of 3") and not done:
                with engine(cluster.engine, 1) as workers:
                    done += [pid for _, pid in workers.each(own_pid, [0])]
                os.kill(done[0], signal.SIGKILL)

        outcome = by_blocks.run(replace(job, progress=kill), PLAN, **SMALL)
        assert outcome.zones == ZONES
        assert len(killed) == (name == "killed")
        digests.append(outcome.digest)
    assert digests[0] == digests[1]


def own_pid(_: int) -> int:
    return os.getpid()


def test_a_worker_out_of_memory_ends_the_job_with_a_remedy(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "600MB")
    try:
        with engine(cluster.engine, 2) as workers, pytest.raises(EngineError, match="lost 3 workers") as caught:
            list(workers.each(greedy, [0, 1]))
    finally:
        cluster.end()
    assert "memory" in caught.value.remedy


def test_a_scheduler_that_dies_ends_the_job_with_a_remedy(cluster: Cluster) -> None:
    with engine(cluster.engine, 2) as workers, pytest.raises(EngineError, match="was lost") as caught:
        list(workers.each(killed_scheduler, [cluster.process.pid]))
    assert "goes on from what is stored" in caught.value.remedy


def killed_scheduler(pid: int) -> None:
    """Ends the process of the scheduler, and goes on for a while."""
    os.kill(pid, signal.SIGKILL)
    time.sleep(60)


def test_a_scheduler_that_is_not_there_is_told() -> None:
    with pytest.raises(EngineError, match="does not answer"), engine("dask://127.0.0.1:9", 2):
        pass


def test_workers_with_other_code_are_refused(tmp_path: Path) -> None:
    """A copy of the package with one more comment comes first on the workers' path."""
    copied = tmp_path / "copy" / "power_nowcast"
    copied.mkdir(parents=True)
    source = ROOT / "src" / "power_nowcast"
    for file in source.rglob("*.py"):
        place = copied / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes() + (b"# other\n" if file.name == "scoring.py" else b""))
    cluster = Cluster(tmp_path, path=copied.parent)
    try:
        with pytest.raises(EngineError, match="has other code"), engine(cluster.engine, 2):
            pass
    finally:
        cluster.end()


def test_with_certificates_the_wire_is_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own.cert_chain_pems[0].write_to_path(tmp_path / "own.pem")
    own.private_key_pem.write_to_path(tmp_path / "own.key")
    files = {"CA_FILE": "ca.pem"} | {
        f"{who}__{what}": f"own.{end}"
        for who in ("SCHEDULER", "WORKER", "CLIENT")
        for what, end in (("CERT", "pem"), ("KEY", "key"))
    }
    for name, file in files.items():
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", str(tmp_path / file))
    dask.config.refresh()
    cluster = Cluster(tmp_path, protocol="tls")
    try:
        assert cluster.engine.startswith("tls://")
        with engine(cluster.engine, 2) as workers:
            assert dict(workers.each(told, [1])) == {1: told(1)}
        plain = cluster.engine.replace("tls://", "dask://")
        with pytest.raises(EngineError, match="does not answer"), engine(plain, 2):
            pass
    finally:
        cluster.end()
        monkeypatch.undo()
        dask.config.refresh()
