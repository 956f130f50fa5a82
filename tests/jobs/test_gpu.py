"""Which GPUs there are, by what the driver's program prints, and whether a network fits."""

import os
from pathlib import Path

import pytest

from power_nowcast.collect import State
from power_nowcast.jobs.gpu import OVERHEAD_MIB, Gpu, finding, needed_mib, parse, query
from tests.live.test_loop import REGION

EIGHTH = "NVIDIA L4-3Q, 3072, 2861\n"
"""An eighth of an L4, as a g6f.xlarge has it."""


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = folder / "nvidia-smi"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_drivers_program_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, 'echo "NVIDIA L4, 23034, 22888"; echo "$@" >"$0.asked"')
    assert parse(query()) == [Gpu("NVIDIA L4", 23034, 22888)]
    assert "name,memory.total,memory.free" in (tmp_path / "nvidia-smi.asked").read_text()


def test_a_driver_that_does_not_work_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, 'echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18')
    with pytest.raises(OSError, match="Driver/library version mismatch") as error:
        query()
    told = finding(error.value, {}, has_torch=True)
    assert told.state is State.WARN
    assert "mismatch" in told.detail


def test_without_a_driver_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        query()
    told = finding(error.value, {"toy": 1000}, has_torch=True)
    assert told.state is State.OK
    assert told.detail.startswith("none: networks train on the processor")
    assert "toy 1,000 MiB (not measured on a GPU)" in told.detail


def test_the_memory_grows_with_the_examples() -> None:
    assert needed_mib(REGION, 0, 15) == OVERHEAD_MIB
    year = 2 * 48 * 365
    # Issue times every 30 minutes, 3 series of 204 numbers, 4 bytes each.
    assert needed_mib(REGION, year, 15) == OVERHEAD_MIB + 41
    assert needed_mib(REGION, 10 * year, 15) == OVERHEAD_MIB + 410
    assert needed_mib(REGION, 10 * year, 60) == OVERHEAD_MIB + 205


@pytest.mark.parametrize(("need", "state"), [(2861, State.OK), (2862, State.WARN)])
def test_a_fraction_of_a_gpu_is_enough_or_not(need: int, state: State) -> None:
    told = finding(EIGHTH, {"toy": need}, has_torch=True)
    assert told.state is state
    assert told.detail.startswith("NVIDIA L4-3Q, 3,072 MiB, 2,861 free; ")
    assert bool(told.remedy) == (state is State.WARN)


def test_a_gpu_without_pytorch_is_not_used() -> None:
    assert "not used" in finding(EIGHTH, {"toy": 5000}, has_torch=False).detail
