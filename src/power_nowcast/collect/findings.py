"""The result of one check."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Severity of a finding: a probe fails on `FAIL` only."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """The name of a check, its result, and a remedy (empty if none is needed)."""

    name: str
    state: State
    detail: str
    remedy: str = ""


def failed(findings: list[Finding]) -> bool:
    """Whether any check failed."""
    return any(one.state is State.FAIL for one in findings)
