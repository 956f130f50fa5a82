import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from power_nowcast.errors import StoreError, WriterBusyError
from power_nowcast.store.lease import FileLease

HOLDER = """
import sys, time
from pathlib import Path
from power_nowcast.store.lease import FileLease
with FileLease(Path(sys.argv[1]))():
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_another_process_is_waited_for_and_named(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    time = Time()
    try:
        with (
            pytest.raises(WriterBusyError, match=f"process {holder.pid}") as caught,
            FileLease(tmp_path, wait_seconds=30, clock=time, sleep=time.sleep)(),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert 30 <= time.now < 31
    assert "Try again" in caught.value.remedy


def test_another_process_is_waited_for_ten_minutes_unless_told_otherwise(tmp_path: Path) -> None:
    time = Time()
    with (
        FileLease(tmp_path)(),
        pytest.raises(WriterBusyError, match=r"waited 600 s\."),
        FileLease(tmp_path, clock=time, sleep=time.sleep)(),
    ):
        pass
    assert time.now == pytest.approx(600, abs=0.1)


def test_a_killed_holder_does_not_block(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with FileLease(tmp_path, wait_seconds=0)():
        assert str(os.getpid()) in (tmp_path / ".writer.lock").read_text()
    assert (tmp_path / ".writer.lock").read_text() == ""


def test_it_can_be_entered_again(tmp_path: Path) -> None:
    lease = FileLease(tmp_path, wait_seconds=0)
    with lease():
        with lease():
            pass
        with pytest.raises(WriterBusyError), FileLease(tmp_path, wait_seconds=0)():
            pass
    with FileLease(tmp_path, wait_seconds=0)():
        pass


def test_it_is_held_whenever_it_is_used_again(tmp_path: Path) -> None:
    lease = FileLease(tmp_path, wait_seconds=0)
    for _ in range(2):
        with lease():
            assert str(os.getpid()) in (tmp_path / ".writer.lock").read_text()
            with pytest.raises(WriterBusyError), FileLease(tmp_path, wait_seconds=0)():
                pass
        with FileLease(tmp_path, wait_seconds=0)():
            pass


def test_it_is_released_by_an_error(tmp_path: Path) -> None:
    lease = FileLease(tmp_path, wait_seconds=0)
    with pytest.raises(ZeroDivisionError), lease():
        raise ZeroDivisionError
    with FileLease(tmp_path, wait_seconds=0)():
        pass


def test_two_leases_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    with (
        FileLease(tmp_path)(),
        pytest.raises(WriterBusyError, match=f"process {os.getpid()}"),
        FileLease(tmp_path, wait_seconds=0)(),
    ):
        pass


def test_threads_take_turns(tmp_path: Path) -> None:
    """One lease object, which its thread may enter again: another thread waits until it is left."""
    lease, tries, entered = FileLease(tmp_path, wait_seconds=0), threading.Event(), threading.Event()

    def work() -> None:
        tries.set()
        with lease():
            entered.set()

    other = threading.Thread(target=work)
    with lease():
        other.start()
        assert tries.wait(60)
        assert not entered.wait(0.2), "it came in beside the thread that holds the lease"
    other.join(60)
    assert entered.is_set()


def test_an_owner_that_is_not_json_is_another_process(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    (tmp_path / ".writer.lock").write_text("?")
    try:
        with pytest.raises(WriterBusyError, match="another process"), FileLease(tmp_path, wait_seconds=0)():
            pass
    finally:
        holder.kill()
        holder.communicate()


def test_a_full_disk_keeps_the_lease_from_nobody(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with FileLease(tmp_path)():
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with FileLease(tmp_path, wait_seconds=0)():
        pass


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"), FileLease(tmp_path / "file" / "x")():
        pass


def test_spawned_children_do_not_inherit_the_lease(tmp_path: Path) -> None:
    with FileLease(tmp_path)():
        child = multiprocessing.get_context("spawn").Process(target=_idle)
        child.start()
    with FileLease(tmp_path, wait_seconds=0)():
        pass
    child.join()


def _idle() -> None:
    pass
