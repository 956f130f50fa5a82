"""A pytest plugin that counts skips: any that tests/skips.toml does not list is a failure. `.ci/run` asks for it.

python -m pytest -p tests.skips
"""

import os
import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

LISTED = Path(__file__).with_name("skips.toml")


def allowed(listed: list[dict[str, str]], test: str, reason: str, environment: dict[str, str]) -> bool:
    """Whether an entry speaks of this test and this reason, here."""
    return any(
        fnmatchcase(test, one["test"])
        and re.search(one["says"], reason) is not None
        and not environment.get(one.get("unless", ""))
        for one in listed
    )


class Skips:
    """Collects skips where results come together: in the one process, or in that which leads the workers."""

    def __init__(self) -> None:
        self.listed = tomllib.loads(LISTED.read_text())["skip"]
        self.seen: dict[tuple[str, str], bool] = {}

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reason = said.removeprefix("Skipped: ")
            self.seen[report.nodeid, reason] = allowed(self.listed, report.nodeid, reason, dict(os.environ))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.note(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not all(self.seen.values()) and session.exitstatus in {
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        }:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for (test, reason), fine in self.seen.items():
            if not fine:
                terminalreporter.write_line(f"SKIPPED, not listed in tests/skips.toml: {test}: {reason}", red=True)
        if self.seen:
            terminalreporter.write_line(f"{len(self.seen)} skips, {sum(self.seen.values())} of them listed")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Skips(), "skips")
