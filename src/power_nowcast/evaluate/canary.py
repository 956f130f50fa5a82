"""Whether a new version of the service may replace the one beside it: figures of both over a while, and the rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

READY_SHORTFALL = 0.01
"""The new version may be ready in a smaller share of the looks by no more than this."""
LATE_EXCESS = 0.01
"""Its newest nowcast may be late in a larger share of the looks by no more than this."""
FAILED_EXCESS = 0.01
"""It may answer a larger share of the requests with an error of the server by no more than this."""
FAST_SECONDS, FAST_SHORTFALL = 0.1, 0.05
"""It may answer a smaller share of the requests within so many seconds by no more than this share."""
MEMORY_RATIO = 1.25
"""It may use so many times as much memory."""
SKILL_SHORTFALL = 0.02
"""The skill of its live nowcasts over the last known value may be smaller by no more than this."""
LEAST_REQUESTS = 30
"""A version that answered fewer requests is not judged."""
RULE = (
    f"ready in no fewer looks ({READY_SHORTFALL:.0%}), late in no more ({LATE_EXCESS:.0%}), failed answers no more "
    f"({FAILED_EXCESS:.0%}), answers within {FAST_SECONDS:g} s no fewer ({FAST_SHORTFALL:.0%}), no start again, memory "
    f"at most {MEMORY_RATIO:g} times, skill no less ({SKILL_SHORTFALL:g}), at least {LEAST_REQUESTS} requests"
)


@dataclass(frozen=True)
class Look:
    """What a service said at one moment; None where it said nothing.

    Attributes:
        is_ready: whether it may get requests.
        answered: requests that it has answered since it started; probes, metrics and streams do not count.
        failed: how many of them with an error of the server (5xx).
        fast: how many of them within `FAST_SECONDS`.
        began: when the process started, seconds since 1970.
        memory_bytes: its resident memory.
        is_late: whether the next nowcast is overdue.
        model: version and digest of the model that answers.
    """

    is_ready: bool
    answered: float | None = None
    failed: float | None = None
    fast: float | None = None
    began: float | None = None
    memory_bytes: float | None = None
    is_late: bool | None = None
    model: str = ""


@dataclass(frozen=True)
class Figures:
    """A service over a while: shares of the looks and of the requests, None where there is nothing to count."""

    ready: float
    requests: int
    failed: float | None
    fast: float | None
    late: float | None
    starts: int
    memory_mib: float | None
    skill: float | None
    model: str


@dataclass(frozen=True)
class Finding:
    """One part of the rule: the figures of both, as text, and whether the new version keeps it."""

    what: str
    stable: str
    canary: str
    is_kept: bool

    def to_json(self) -> dict[str, str]:
        """The finding as a row of a table."""
        verdict = "ok" if self.is_kept else "fail"
        return {"figure": self.what, "stable": self.stable, "canary": self.canary, "verdict": verdict}


def figures(looks: Sequence[Look], skill: float | None) -> Figures:
    """The figures of a service.

    Args:
        looks: in the order of time, at least one.
        skill: skill of its live nowcasts, None if none has come true.
    """
    answered, failed, fast = (
        sum(_growth([getattr(one, name) for one in looks])) for name in ("answered", "failed", "fast")
    )
    late = [one.is_late for one in looks if one.is_late is not None]
    memory = [one.memory_bytes for one in looks if one.memory_bytes is not None]
    began = [one.began for one in looks if one.began is not None]
    return Figures(
        ready=sum(one.is_ready for one in looks) / len(looks),
        requests=round(answered),
        failed=failed / answered if answered else None,
        fast=fast / answered if answered else None,
        late=sum(late) / len(late) if late else None,
        starts=sum(before != after for before, after in pairwise(began)),
        memory_mib=max(memory) / 2**20 if memory else None,
        skill=skill,
        model=next((one.model for one in reversed(looks) if one.model), ""),
    )


def decide(stable: Figures, canary: Figures) -> list[Finding]:
    """Each part of the rule. A figure that one of the two lacks says nothing, except that requests must have come."""
    return [
        _finding("requests", stable.requests, canary.requests, "{:,}", canary.requests >= LEAST_REQUESTS),
        _finding("ready", stable.ready, canary.ready, "{:.1%}", canary.ready >= stable.ready - READY_SHORTFALL),
        _compared("late", stable.late, canary.late, "{:.1%}", most=LATE_EXCESS),
        _compared("failed answers", stable.failed, canary.failed, "{:.2%}", most=FAILED_EXCESS),
        _compared(f"within {FAST_SECONDS:g} s", stable.fast, canary.fast, "{:.1%}", least=-FAST_SHORTFALL),
        _finding("started again", stable.starts, canary.starts, "{}", canary.starts == 0),
        _compared(
            "memory in MiB",
            stable.memory_mib,
            canary.memory_mib,
            "{:,.0f}",
            most=(MEMORY_RATIO - 1) * (stable.memory_mib or 0),
        ),
        _compared("skill", stable.skill, canary.skill, "{:.3f}", least=-SKILL_SHORTFALL),
    ]


def _growth(counts: Sequence[float | None]) -> list[float]:
    """By how much a counter grew from look to look; one that fell began anew at zero."""
    known = [one for one in counts if one is not None]
    return [after - before if after >= before else after for before, after in pairwise(known)]


def _compared(
    what: str,
    stable: float | None,
    canary: float | None,
    form: str,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Finding:
    """A finding on the difference, which must lie within the limits that are given."""
    if stable is None or canary is None:
        return _finding(what, stable, canary, form, True)
    more = canary - stable
    return _finding(what, stable, canary, form, (least is None or more >= least) and (most is None or more <= most))


def _finding(what: str, stable: float | None, canary: float | None, form: str, is_kept: bool) -> Finding:
    before, after = ("unknown" if one is None else form.format(one) for one in (stable, canary))
    return Finding(what, before, after, is_kept)
