"""The surroundings of a training: code, Python, packages and machine. A run records them for later comparison."""

import platform
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, Self

from power_nowcast import mlflow_client
from power_nowcast.jobs.recipe import own_code

NAME = "surroundings.json"
"""Artifact of a run."""
DISTRIBUTION = "power-nowcast"
PROCESSORS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Surroundings:
    """Where a model was trained.

    Attributes:
        git_sha: commit of the code, with "-dirty" where files differed from it; "unknown" outside a repository.
        code: SHA-256 of the modules that may affect a result (`recipe.code_digest`).
        python: version of Python.
        machine: kernel, architecture and model of the processor.
        packages: version by name of this package's requirements and of theirs.
    """

    git_sha: str
    code: str
    python: str
    machine: str
    packages: dict[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Self:
        """Those of this process."""
        machine = f"{platform.system()} {platform.machine()} {_processor()}".strip()
        return cls(mlflow_client.git_sha(), own_code(), platform.python_version(), machine, dict(_packages()))

    @classmethod
    def of(cls, told: Any) -> Self | None:
        """Those that a run recorded, from JSON; None where it recorded none."""
        return None if told is None else cls(**told)


def _processor() -> str:
    """Name, family and model of the processor: numerical libraries choose their instructions by them."""
    try:
        told = dict(re.findall(r"^(cpu family|model|model name)\s*:\s*(.*)$", PROCESSORS.read_text(), re.MULTILINE))
    except OSError:  # only Linux has this file
        told = {}
    if "model name" not in told:
        return platform.processor()
    numbers = ", ".join(f"{name} {told[name]}" for name in ("cpu family", "model") if name in told)
    return f"{told['model name']} ({numbers})"


@cache
def _packages() -> tuple[tuple[str, str], ...]:
    """Name and version of everything that this package requires, directly or through others, where it is installed.

    Requirements of this package's own extras count, those of other packages' extras do not. To read the metadata of all
    takes a second, so it is done once in a process.
    """
    seen, left = {DISTRIBUTION}, [DISTRIBUTION]
    found = []
    while left:
        name = left.pop()
        for line in mlflow_client.installed(name).requires or ():
            needed, _, marker = line.partition(";")
            own = _plain(re.match(r"[\w.-]+", needed.strip())[0])  # type: ignore[index]
            if own in seen or (name != DISTRIBUTION and "extra" in marker):
                continue
            seen.add(own)
            try:
                package = mlflow_client.installed(own)
            except PackageNotFoundError:  # for another system, or an extra that is not wanted here
                continue
            found.append((_plain(package.name), package.version))
            left.append(own)
    return tuple(sorted(found))


def _plain(name: str) -> str:
    """The name of a package in the form in which all its spellings are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()
