"""Mutation testing of the modules that decide results: `make mutants`.

Each mutant has one small fault. A fault that no test notices shows a gap in the tests, or it changes no result. Mutants
of the second kind are listed with reasons in mutants_equivalent.toml and do not count. The tests that reach a mutant's
function run against it, for at most `--budget` seconds. The folder .mutants/ keeps the map from functions to tests, and
the results: a killed mutant stays killed while its module does not change, and a mutant that survived is tried again
after tests have changed.

Existing mutation tools import everything again for each mutant, or wrap functions in a way that numba cannot compile.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import Any

from mutation import Mutant, mutants_of
from mutation_tests import NO_TESTS, PACKAGE, ROOT, Chosen, Done, Map, Pool, digest, preload

DECIDING = (
    "scoring.py",
    "checks/*.py",
    "features/*.py",
    "features/families/*.py",
    "bundle/calibration.py",
    "bundle/tracking.py",
    "bundle/calibration_state.py",
    "models/ensemble.py",
    "evaluate/promotion.py",
    "store/*.py",
    "live/*.py",
    "serve/*.py",
)
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.toml")
NEEDED = 0.95


def sampled(only: Sequence[str], seed: int, count: int) -> list[Mutant]:
    """A sample of `count` mutants of the deciding modules: those with the lowest digests of seed and text, so that a
    changed line moves no other mutant into the sample or out of it.
    """
    found = []
    for pattern in DECIDING:
        for path in sorted((ROOT / PACKAGE).glob(pattern)):
            name = path.relative_to(ROOT / PACKAGE).as_posix()
            if any(fnmatch(name, glob) for glob in only):
                found += mutants_of(name, path.read_text())
    ranked = sorted(found, key=lambda one: hashlib.sha256("|".join((str(seed), *text_of(one))).encode()).digest())
    chosen = list(islice(filter(compiles, ranked), count))
    return sorted(chosen, key=lambda one: (one.file, one.line, one.after))


def compiles(mutant: Mutant) -> bool:
    try:
        compile(mutant.source, mutant.file, "exec")
    except SyntaxError:
        return False
    return True


def equivalents(path: Path = EQUIVALENT) -> dict[tuple[str, ...], str]:
    """Reasons of the mutants that change no result, by their text."""
    listed = tomllib.loads(path.read_text()).get("equivalent", [])
    return {(one["file"], one["function"], one["before"], one["after"]): one["reason"] for one in listed}


def text_of(mutant: Mutant) -> tuple[str, ...]:
    return mutant.file, mutant.function, mutant.before, mutant.after


class Trial:
    """The verdicts on mutants, stored in a file after each one."""

    def __init__(self, folder: Path, *, fresh: bool) -> None:
        self.kept = folder / "results.json"
        known = {} if fresh or not self.kept.exists() else json.loads(self.kept.read_text())
        self.known: dict[str, dict[str, Any]] = known
        self.map = Map(folder / "map.json")
        self.tests = digest(*sorted(ROOT.glob("tests/**/*.py")))
        self.verdicts: dict[str, dict[str, Any]] = {}

    def run(self, mutants: list[Mutant], jobs: int, budget: float) -> None:
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            pool = Pool(jobs, Path(folder))
            try:
                self.map.fill(pool)
                for mutant in mutants:
                    self._try(pool, mutant, budget)
                pool.finish()
            finally:
                pool.stop()

    def _try(self, pool: Pool, mutant: Mutant, budget: float) -> None:
        key = "|".join((*text_of(mutant), str(mutant.line), digest(ROOT / PACKAGE / mutant.file)))
        known = self.known.get(key)
        if known and (known["killed"] or known["tests"] == self.tests):
            self.verdicts[key] = known
            return
        tests = self.map.tests_of(mutant, budget)
        paths = list(dict.fromkeys(test.split("::")[0] for test in tests))
        limit = 30 + 5 * sum(tests.values())
        pool.run(lambda _: Chosen(frozenset(tests)), paths, limit, self._told(key, mutant), mutant)

    def _told(self, key: str, mutant: Mutant) -> Done:
        began = time.monotonic()

        def told(place: Path, code: int | None) -> None:
            failed = place / "failed.txt"
            by = failed.read_text() if failed.exists() else "its time ran out" if code is None else f"exit {code}"
            killed = code not in {0, NO_TESTS}
            self.verdicts[key] = self.known[key] = {
                "file": mutant.file,
                "line": mutant.line,
                "function": mutant.function,
                "before": mutant.before,
                "after": mutant.after,
                "killed": killed,
                "by": by if killed else "",
                "seconds": round(time.monotonic() - began, 1),
                "tests": self.tests,
            }
            self.kept.write_text(json.dumps(self.known))
            show(self.verdicts[key])

        return told


def show(verdict: dict[str, Any]) -> None:
    """Print a line for a killed mutant; also the diff of one that survived."""
    place = f"{PACKAGE}/{verdict['file']}:{verdict['line']}"
    if verdict["killed"]:
        print(f"killed    {place}  {verdict['seconds']:.0f} s, by {verdict['by']}", flush=True)
        return
    print(f"SURVIVED  {place}  in {verdict['function'] or 'the module'}, {verdict['seconds']:.0f} s", flush=True)
    for sign, part in (("-", verdict["before"]), ("+", verdict["after"])):
        print("".join(f"          {sign} {line}\n" for line in part.splitlines()), end="", flush=True)


def summed_up(verdicts: list[dict[str, Any]], reasons: dict[tuple[str, ...], str]) -> int:
    """Print the share of killed mutants and those that survived; returns 1 if too many did."""
    texts = [(one["file"], one["function"], one["before"], one["after"]) for one in verdicts]
    alive = [(one, text) for one, text in zip(verdicts, texts, strict=True) if not one["killed"]]
    judged = [(one, reasons[text]) for one, text in alive if text in reasons]
    holes = [one for one, text in alive if text not in reasons]
    print(f"\n{len(judged)} survived and change nothing:" if judged else "")
    for one, reason in judged:
        print(f"  {one['file']}:{one['line']}  {one['after']}  ({reason})")
    for one, text in zip(verdicts, texts, strict=True):
        if one["killed"] and text in reasons:
            print(f"  {one['file']}:{one['line']} is listed as changing nothing, and was killed by {one['by']}")
    print(f"{len(holes)} survived and tell of holes in the tests:" if holes else "No other survived.")
    for one in holes:
        show(one)
    counted = len(verdicts) - len(judged)
    share = (counted - len(holes)) / counted if counted else 1.0
    print(f"\n{counted - len(holes)} of {counted} killed, {share:.1%}; {NEEDED:.0%} are needed.")
    return int(share < NEEDED)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="GLOB", help="modules, such as 'features/*'; repeatable")
    parser.add_argument("--seed", type=int, default=16)
    parser.add_argument("--count", type=int, default=220, help="mutants to draw")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--budget", type=float, default=120.0, help="maximum seconds of tests for each mutant")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts there")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results and the map of tests")
    options = parser.parse_args()
    folder = ROOT / ".mutants"
    folder.mkdir(exist_ok=True)
    if options.fresh:
        (folder / "map.json").unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # such that the processes end as well
    began = time.monotonic()
    mutants = sampled(options.only or ["*"], options.seed, options.count)
    preload()
    trial = Trial(folder, fresh=options.fresh)
    trial.run(mutants, options.jobs, options.budget)
    verdicts = sorted(trial.verdicts.values(), key=lambda one: (one["file"], one["line"]))
    if options.json:
        options.json.write_text(json.dumps(verdicts, indent=1))
    code = summed_up(verdicts, equivalents())
    print(f"{time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
