"""Runs tests against mutants: each in a copy of the tree, in a process forked from one with all libraries imported.

No module of the project may be imported before the fork. numba's compiler is off, because compiling takes longer than
the tests.
"""

import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from mutation import Mutant

ROOT = Path(__file__).parents[1]
PACKAGE = "src/power_nowcast"
APART = ("tests/scripts/*", "tests/benchmarks/*")
"""Tests that do not test the package."""
LIBRARIES = (
    *("numpy", "numba", "scipy.optimize", "scipy.stats", "pandas", "pyarrow", "polars", "deltalake", "pandera.polars"),
    *("mlflow", "mlflow.pyfunc", "lightgbm", "xgboost", "onnxruntime", "optuna", "fastapi", "fastapi.testclient"),
    *("hypothesis", "holidays", "httpx", "matplotlib.pyplot", "typer", "rich", "torch", "onnx"),
)
ENVIRONMENT = {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
LONGEST = 480.0
"""Maximum seconds to find what a file's tests reach; later tests of the file do not run against mutants."""
NO_TESTS = 5
"""Exit code of pytest if it ran no test."""

Done = Callable[[Path, int | None], None]
"""Called with the copy in which pytest ran and its exit code, None if it took too long."""


class Reached:
    """A pytest plugin that records seconds and called functions of the package for each test that passes."""

    def __init__(self, package: Path) -> None:
        self.package = f"{package}{os.sep}"
        self.now: set[str] = set()
        self.shared: dict[str, tuple[set[str], float]] = {}
        self.found: dict[str, dict[str, Any]] = {}
        self.failed: set[str] = set()
        self.monitoring = sys.monitoring
        self.monitoring.use_tool_id(self.monitoring.PROFILER_ID, "mutants")
        self.monitoring.register_callback(self.monitoring.PROFILER_ID, self.monitoring.events.PY_START, self.called)
        self.monitoring.set_events(self.monitoring.PROFILER_ID, self.monitoring.events.PY_START)

    def called(self, code: Any, _: int) -> object:
        if code.co_filename.startswith(self.package):
            self.now.add(f"{code.co_filename[len(self.package) :]}::{code.co_qualname.split('.<locals>')[0]}")
        return self.monitoring.DISABLE

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """Each test reaches the functions that its shared fixtures call."""
        if fixturedef.scope == "function":
            return (yield)
        before, began = self.now, time.perf_counter()
        self.now = set()
        self.monitoring.restart_events()
        try:
            return (yield)
        finally:
            self.shared[fixturedef.argname] = self.now, time.perf_counter() - began
            self.now = before | self.now

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.now, began = set(), time.perf_counter()
        self.monitoring.restart_events()
        told = yield
        shared = [self.shared[name] for name in item.fixturenames if name in self.shared]
        seconds = max(time.perf_counter() - began, sum(lasted for _, lasted in shared))
        reached = self.now.union(*(called for called, _ in shared))
        if item.nodeid not in self.failed:
            self.found[item.nodeid] = {"seconds": round(seconds, 3), "reached": sorted(reached)}
            Path("reached.json").write_text(json.dumps(self.found))
        return told

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:  # failed or skipped
            self.failed.add(report.nodeid)


class Chosen:
    """A pytest plugin that runs the chosen tests only, until one fails, and records the failed one."""

    def __init__(self, tests: frozenset[str]) -> None:
        self.tests = tests

    def pytest_configure(self, config: pytest.Config) -> None:
        """Failing examples are not shrunk or stored: every run tries the same ones."""
        config.option.maxfail = 1
        hypothesis = importlib.import_module("hypothesis")
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", database=None, derandomize=True, deadline=None, phases=phases)
        hypothesis.settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [one for one in items if one.nodeid in self.tests]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            Path("failed.txt").write_text(report.nodeid)


@dataclass
class _Job:
    place: Path
    limit: float
    done: Done
    began: float


class Pool:
    """Copies of the tree, each with a process."""

    def __init__(self, jobs: int, folder: Path, root: Path = ROOT) -> None:
        command = ["git", "ls-files", "-co", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
        self.free = [folder / str(n) for n in range(jobs)]
        for place in self.free:
            for name in filter(lambda name: (root / name).is_file(), listed):
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, place / name)
        self.root, self.running, self.written = root, dict[int, _Job](), 0

    def run(
        self, plugin: Callable[[Path], object], paths: list[str], limit: float, done: Done, mutant: Mutant | None = None
    ) -> None:
        """Run test files as soon as a copy is free, at most `limit` seconds, with a mutant in place of its module."""
        while not self.free:
            self.wait()
        place = self.free.pop()
        if mutant:
            self._write(place, mutant.file, mutant.source)
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            _child(place, plugin, paths)
        self.running[pid] = _Job(place, limit, self._restored(done, mutant), time.monotonic())

    def _restored(self, done: Done, mutant: Mutant | None) -> Done:
        def restored(place: Path, code: int | None) -> None:
            if mutant:
                self._write(place, mutant.file, (self.root / PACKAGE / mutant.file).read_text())
            done(place, code)

        return restored

    def _write(self, place: Path, file: str, source: str) -> None:
        """Give each text its own time: Python finds stale bytecode by the time, in whole seconds."""
        path = place / PACKAGE / file
        path.write_text(source)
        self.written += 1
        os.utime(path, (1e9 + self.written, 1e9 + self.written))

    def wait(self) -> None:
        """Wait until a process has ended or has reached its limit."""
        while True:
            for pid, job in self.running.items():
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended or time.monotonic() - job.began > job.limit:
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)  # and what it started
                    if not ended:
                        os.waitpid(pid, 0)
                    del self.running[pid]
                    self.free.append(job.place)
                    job.done(job.place, os.waitstatus_to_exitcode(status) if ended else None)
                    return
            time.sleep(0.02)

    def finish(self) -> None:
        while self.running:
            self.wait()

    def stop(self) -> None:
        for pid in self.running:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def preload() -> None:
    """Import the libraries that every test needs."""
    os.environ.update(ENVIRONMENT)
    os.environ.pop("NOWCAST_BENCH_DATA", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            with suppress(ImportError):  # torch is optional
                importlib.import_module(name)


def _child(place: Path, plugin: Callable[[Path], object], paths: list[str]) -> None:
    """Runs pytest in the forked process, and never returns."""
    code = 99
    try:
        os.setsid()
        os.chdir(place)
        Path("failed.txt").unlink(missing_ok=True)
        log = os.open("pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.path.insert(0, str(place / "src"))
        os.environ["PYTHONPATH"] = str(place / "src")
        options = ["-q", "--assert=plain", "--timeout=240", "-p", "no:cacheprovider", f"--basetemp={place / 'tmp'}"]
        code = int(pytest.main([*options, *paths], plugins=[plugin(place)]))
    finally:
        sys.stdout.flush()
        os._exit(code)


class Map:
    """The map from functions to tests that reach them, kept in a file; a changed test file is run again."""

    def __init__(self, kept: Path) -> None:
        self.kept = kept
        self.files: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}

    def fill(self, pool: Pool) -> None:
        found = [path.relative_to(pool.root).as_posix() for path in sorted(pool.root.glob("tests/**/test_*.py"))]
        texts = {path: digest(pool.root / path) for path in found if not any(fnmatch(path, one) for one in APART)}
        self.files = {path: told for path, told in self.files.items() if texts.get(path) == told["text"]}
        for path in sorted(texts.keys() - self.files.keys()):
            pool.run(lambda place: Reached(place / PACKAGE), [path], LONGEST, self._kept(path, texts[path]))
        pool.finish()

    def _kept(self, path: str, text: str) -> Done:
        def kept(place: Path, code: int | None) -> None:
            found = place / "reached.json"
            tests = json.loads(found.read_text()) if found.exists() else {}
            found.unlink(missing_ok=True)
            self.files[path] = {"text": text, "tests": tests}
            self.kept.write_text(json.dumps(self.files))
            last = (place / "pytest.log").read_text(errors="replace").strip().splitlines()[-1:]
            note = "" if code in {0, NO_TESTS} else f", pytest ended with {code}: {' '.join(last)}"
            print(f"map       {path}: {len(tests)} tests{note}", flush=True)

        return kept

    def tests_of(self, mutant: Mutant, budget: float) -> dict[str, float]:
        """Tests that reach the mutant's function, with their seconds: the module's own first, then those of its room,
        the quick files first.

        A module's and a class's own lines, and functions that the map does not know, are for the module's own tests and
        all that reach any function of it; a module without either is for the tests of its folder.
        """
        own = Path("tests", mutant.file).with_name(f"test_{Path(mutant.file).name}").as_posix()
        room = "/".join(Path(own).parts[:2]) + "/"
        folder, functions = own.rpartition("/")[0], f"{mutant.file}::"
        reaching = (
            self._where(lambda _, reached: functions + mutant.function in reached)
            or self._where(lambda path, reached: path == own or any(one.startswith(functions) for one in reached))
            or self._where(lambda path, _: path.startswith(folder))
        )
        chosen: dict[str, float] = {}
        cost = {path: (path != own, not path.startswith(room), sum(tests.values())) for path, tests in reaching.items()}
        for path in sorted(reaching, key=cost.__getitem__):
            for test, seconds in reaching[path].items():
                if path == own or sum(chosen.values()) + seconds <= budget:
                    chosen[test] = seconds
        return chosen

    def _where(self, wanted: Callable[[str, list[str]], bool]) -> dict[str, dict[str, float]]:
        found = {
            path: {test: told["seconds"] for test, told in file["tests"].items() if wanted(path, told["reached"])}
            for path, file in self.files.items()
        }
        return {path: tests for path, tests in found.items() if tests}


def digest(*paths: Path) -> str:
    """Digest of the files' contents."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
