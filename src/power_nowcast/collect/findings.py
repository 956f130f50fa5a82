"""One result of looking something over."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is: a probe fails on `FAIL` only."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what can be done about it (empty where nothing need be)."""

    name: str
    state: State
    detail: str
    remedy: str = ""


def failed(findings: list[Finding]) -> bool:
    """Whether any of them is bad."""
    return any(one.state is State.FAIL for one in findings)
