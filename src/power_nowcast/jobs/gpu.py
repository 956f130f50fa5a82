"""Which GPUs a machine has, and how much of their memory the training of a network needs."""

import math
import subprocess
from dataclasses import dataclass

from power_nowcast.collect import Finding, State
from power_nowcast.regions import Region

QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
TIMEOUT_SECONDS = 10
INPUTS_PER_SERIES, OUTCOMES_PER_SERIES = 192, 12
"""Numbers of an issue time: New York's LSTM reads 2,293 for its 12 series, and learns a ramp for each of 12 steps."""
OVERHEAD_MIB = 900
"""CUDA's own memory, weights, and the work on a batch: an estimate, because no GPU was at hand."""


@dataclass(frozen=True)
class Gpu:
    """A GPU, or the fraction of one that the machine sees: name, memory, and what is free of it."""

    name: str
    total_mib: int
    free_mib: int


def query() -> str:
    """What the driver's program says, one GPU a line.

    Raises:
        FileNotFoundError: there is no driver.
        OSError: the driver does not work; the message is what it says.
    """
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"nvidia-smi does not answer within {TIMEOUT_SECONDS} s") from error
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise OSError(said[0] if said else f"nvidia-smi ends with {done.returncode}")
    return done.stdout


def parse(text: str) -> list[Gpu]:
    r"""The GPUs of an answer of `query`.

    >>> parse("NVIDIA L4, 23034, 22888\n")
    [Gpu(name='NVIDIA L4', total_mib=23034, free_mib=22888)]
    """
    cells = [[cell.strip() for cell in line.rsplit(",", 2)] for line in text.splitlines() if line.strip()]
    return [Gpu(name, int(total), int(free)) for name, total, free in cells]


def needed_mib(region: Region, values: int, every_minutes: int) -> int:
    """Memory that the training of a network of this region needs: all its examples lie on the GPU.

    Args:
        region: the region.
        values: measured values of all zones.
        every_minutes: time between two issue times of training.
    """
    issue_times = values / len(region.zones) * region.interval_minutes / max(every_minutes, region.interval_minutes)
    numbers = issue_times * len(region.series) * (INPUTS_PER_SERIES + OUTCOMES_PER_SERIES)
    return OVERHEAD_MIB + math.ceil(4 * numbers / 2**20)


def finding(told: str | OSError, needs: dict[str, int], *, has_torch: bool) -> Finding:
    """What a machine has, against what regions need.

    Args:
        told: what `query` gave, or its error.
        needs: MiB by region.
        has_torch: whether PyTorch is installed.
    """
    need = ", ".join(f"{name} {mib:,} MiB" for name, mib in needs.items())
    needed = (
        f"a network needs an estimated {need} (not measured on a GPU)" if needs else "there are no data to learn from"
    )
    if isinstance(told, FileNotFoundError):
        return Finding("gpu", State.OK, f"none: networks train on the processor; on a GPU {needed}")
    if isinstance(told, OSError):
        return Finding(
            "gpu", State.WARN, f"the driver does not work: {told}", "Install a driver of branch 580 or newer."
        )
    gpus = parse(told)
    if not gpus:
        return Finding("gpu", State.OK, f"none: networks train on the processor; on a GPU {needed}")
    shown = "; ".join(f"{one.name}, {one.total_mib:,} MiB, {one.free_mib:,} free" for one in gpus)
    if not has_torch:
        return Finding("gpu", State.OK, f"{shown}; it is not used: PyTorch is not installed; {needed}")
    # Training takes the first one.
    lacking = [name for name, mib in needs.items() if mib > gpus[0].free_mib]
    if lacking:
        remedy = (
            f"Train {', '.join(lacking)} on fewer days (--days), on a larger GPU, or with CUDA_VISIBLE_DEVICES= set."
        )
        return Finding("gpu", State.WARN, f"{shown}; {needed}", remedy)
    return Finding("gpu", State.OK, f"{shown}; {needed}")
