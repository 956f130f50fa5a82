"""Builds images by buildah and runs them by podman, also where root may not set limits of processes."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKER = REPOSITORY / "deploy/docker"
PROGRAMS = ("buildah", "podman", "runc")
CONFIGURATION = '[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
RUNTIME = """#!{python}
import json, os, sys
words = sys.argv[1:]
def without_limits(path, *keys):
    told = json.load(open(path))
    inner = told
    for key in keys:
        inner = inner[key]
    inner.pop("rlimits", None)
    json.dump(told, open(path, "w"))
if "create" in words:
    without_limits(words[words.index("--bundle") + 1] + "/config.json", "process")
if "exec" in words and "--process" in words:
    without_limits(words[words.index("--process") + 1])
os.execv("{runc}", ["runc", *words])
"""
"""A runtime that sets no limits of processes: setting them takes a right that root of some machines lacks."""
CAP_SYS_RESOURCE = 24
PYTHON = "/opt/power-nowcast/bin/python"
"""The interpreter of the image."""
SLEEP = ("--entrypoint", "/usr/bin/sleep")
"""Options of a container that does nothing but `sleep`."""
CLOSED = ("--network=none", "--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp", "--cap-drop=ALL")
"""What each container is run with: no network, nothing writable but /tmp and its volume, no capability."""


def lacking() -> str:
    """What this machine lacks to build and run images, empty if nothing."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not installed: apt-get install --no-install-recommends buildah podman runc"
    return "" if os.getuid() == 0 else "only root can build and run images in these tests"


def _has_right(bit: int) -> bool:
    told = re.search(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return told is not None and bool(int(told[1], 16) >> bit & 1)


@dataclass(frozen=True)
class Engine:
    """podman and buildah, with a folder for their configuration."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "containers.conf").write_text(CONFIGURATION)
        (self.folder / "runtime").write_text(RUNTIME.format(python=sys.executable, runc=shutil.which("runc")))
        (self.folder / "runtime").chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which podman finds its configuration."""
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}

    @property
    def runtime(self) -> str:
        """The runtime that this machine needs."""
        return "runc" if _has_right(CAP_SYS_RESOURCE) else str(self.folder / "runtime")

    def podman(
        self, *words: str, check: bool = True, timeout: float = 120, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run podman with these words.

        Raises:
            AssertionError: it fails, and `check` is set; the message is what it printed.
        """
        command = ["podman", "--runtime", self.runtime, *words]
        return _run(command, self.environment, check=check, timeout=timeout, **options)

    def run(
        self, image: str, *words: str, options: tuple[str, ...] = (), program: str = "", **more: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a container until it ends, closed as `CLOSED` says; `program` takes the place of the image's own."""
        entry = ("--entrypoint", program) if program else ()
        return self.podman("run", "--rm", *CLOSED, *entry, *options, image, *words, **more)

    @contextmanager
    def service(self, image: str, *words: str, options: tuple[str, ...] = ()) -> Iterator["Container"]:
        """A container in the background, closed as `CLOSED` says, until the block ends."""
        made = self.podman("run", "--detach", *CLOSED, *options, image, *words).stdout.strip()
        try:
            yield Container(self, made)
        finally:
            self.podman("rm", "--force", "--volumes", made, check=False)

    def exists(self, image: str) -> bool:
        """Whether there is an image of this name."""
        return self.podman("image", "exists", image, check=False).returncode == 0

    def build(self, dockerfile: Path, context: Path, name: str, *words: str, timeout: float = 1800) -> None:
        """Build an image."""
        fixed = ["--format", "docker", "--isolation", "chroot", "--layers", "--file", str(dockerfile), "--tag", name]
        command = ["buildah", "build", *fixed, *words, str(context)]
        _run(command, self.environment, check=True, timeout=timeout)


@dataclass(frozen=True)
class Container:
    """A running container."""

    engine: Engine
    name: str

    def exec(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return self.engine.podman("exec", self.name, *words, check=check)

    def python(self, code: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python of the image inside."""
        return self.exec(PYTHON, "-c", code, check=check)

    def inspect(self) -> Any:
        """What podman knows of it."""
        return json.loads(self.engine.podman("inspect", self.name).stdout)[0]

    def logs(self) -> str:
        """All that it printed."""
        done = self.engine.podman("logs", self.name)
        return done.stdout + done.stderr

    def wait(self, ready: Callable[[], bool], seconds: float = 120) -> None:
        """Wait until it is ready.

        Raises:
            AssertionError: it ended, or the time is over.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            state = self.inspect()["State"]
            assert state["Running"], f"it ended with {state['ExitCode']}: {self.logs()}"
            assert time.monotonic() < deadline, f"it is not ready after {seconds} s: {self.logs()}"
            time.sleep(0.5)

    def stop(self, seconds: int = 30) -> int:
        """Send SIGTERM, and wait; returns the exit code (137 if it had to be killed)."""
        self.engine.podman("stop", "--time", str(seconds), self.name, timeout=seconds + 30)
        return int(self.inspect()["State"]["ExitCode"])


def _run(
    command: list[str], environment: dict[str, str], *, check: bool, timeout: float, **options: Any
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=timeout, **options
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{(done.stdout + done.stderr)[-6000:]}"
    return done
