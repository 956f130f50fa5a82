"""The promotion rule: may a challenger go into production? Pure arithmetic on nowcasts of the same hold-out period.

The loss is the pinball loss over all levels, scaled for each series and horizon by persistence's own, so that a small
zone counts as much as a large one, and averaged over series and horizons.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import Floats, Nowcasts
from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.evaluate.inference import diebold_mariano, hac_variance_of_mean
from power_nowcast.scoring import BANDS, label, pinball_losses

MAX_WORSE = 0.01
"""Limit of the upper 95 % bound of the relative difference to the incumbent."""
MAX_SERIES_WORSE = 0.03
COVERAGE = (0.77, 0.83)
"""Limits of the coverage of the 80 % band."""
HORIZON_COVERAGE = (0.70, 0.90)
"""A month of one series is a small sample: single horizons have more room than their mean."""
BAND = BANDS[80]
ONE_SIDED_95 = 1.6448536269514722
RULE = (
    "A version goes into production if its pinball loss is lower than the best baseline's, if it is not worse than the "
    f"version in production by more than {100 * MAX_WORSE:.0f} % (upper 95 % bound) and in no series by more than "
    f"{100 * MAX_SERIES_WORSE:.0f} %, if its 80 % band covers {100 * COVERAGE[0]:.0f} to {100 * COVERAGE[1]:.0f} % "
    f"within the sampling error and {100 * HORIZON_COVERAGE[0]:.0f} to {100 * HORIZON_COVERAGE[1]:.0f} % at each "
    "horizon, and if it answers whatever the others answer."
)
"""The rule of `decide` in words."""
SIGNIFICANCE = 0.02
"""Level of the test of `judge`. Its variance is estimated from one window, so that it decides more often than its level
says; with coverage, at most 5 % of windows are decided for or against a version that is just as good."""


LIMITS: Mapping[str, float | str] = {
    "pinball": "below the best baseline's",
    "difference upper bound": MAX_WORSE,
    "difference of any series": MAX_SERIES_WORSE,
    "coverage 80 %": f"{COVERAGE[0]:.2f} to {COVERAGE[1]:.2f}, within the sampling error",
    "coverage 80 % at any horizon": f"{HORIZON_COVERAGE[0]:.2f} to {HORIZON_COVERAGE[1]:.2f}",
    "withheld": 0,
}
"""The rule of `decide` by the names of its figures, for records of a decision."""


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is promoted, why or why not (sentences), and the figures that it rests on."""

    promoted: bool
    reasons: tuple[str, ...]
    figures: Mapping[str, float] = field(default_factory=dict)


def decide(
    *,
    challenger: Nowcasts,
    incumbent: Nowcasts | None,
    baselines: Mapping[str, Nowcasts],
    actual: Floats,
    at_issue: Floats,
) -> Decision:
    """Judge nowcasts of the same issue times, all after every model's training.

    The challenger must

    - beat the best baseline;
    - be no more than 1 % worse than the incumbent (upper 95 % bound of the paired difference, variance robust to
      autocorrelation), and in no series more than 3 % worse;
    - have a band of 80 % that covers .77-.83 over all series and horizons, within the sampling error (95 % bounds), and
      .70-.90 at every horizon;
    - answer every pair that the others answer. Only pairs that all have answered count for the figures.

    Args:
        challenger: the version that would be promoted.
        incumbent: the version in production, None where there is none.
        baselines: by name, at least one.
        actual: truth in MW, shape (issue, series, step), NaN where unknown.
        at_issue: last known value in MW, shape (issue, series): persistence.

    Raises:
        ConfigurationError: the nowcasts are not of the same issue times, series and steps, or no baseline is given.
        MissingDataError: a series or horizon has nothing to be judged on.
    """
    others = {**baselines, **({} if incumbent is None else {"the incumbent": incumbent})}
    if not baselines:
        raise ConfigurationError("No baseline to beat.", remedy="Evaluate at least persistence beside the model.")
    _check_alike(challenger, others, actual, at_issue)
    known = np.isfinite(actual) & np.isfinite(at_issue)[..., None]
    for one in others.values():
        known &= np.isfinite(one.values).all(axis=-1)
    withheld = known & ~np.isfinite(challenger.values).all(axis=-1)
    used = known & ~withheld
    _check_each(used.any(axis=0), challenger, "has no pair {} minutes ahead to judge by")
    levels = challenger.quantiles
    persistence = np.repeat(at_issue[:, :, None, None], len(levels), axis=-1)
    scale = _mean(_loss(actual, np.broadcast_to(persistence, challenger.values.shape), levels), used)
    _check_each(scale > 0, challenger, "never moved {} minutes ahead: there is nothing to scale by")
    verdict = _Verdict()
    own = _loss(actual, challenger.values, levels) / scale
    score = float(_mean(own, used).mean())
    figures = verdict.figures
    figures |= {"pairs": float(used.sum()), "issue_times": float(used.any(axis=(1, 2)).sum()), "pinball": score}

    share = float(withheld.sum()) / max(1.0, float(known.sum()))
    figures["withheld"] = share
    if share > 0:
        verdict.refuse(f"It withholds {share:.2%} of the answers that the others give.")

    scores = {
        name: float(_mean(_loss(actual, one.values, levels) / scale, used).mean()) for name, one in baselines.items()
    }
    figures |= {f"pinball {name}": value for name, value in scores.items()}
    best = min(scores, key=scores.__getitem__)
    said = f"Pinball loss scaled by persistence's is {score:.4f}, of the best baseline ({best}) {scores[best]:.4f}"
    verdict.note(score < scores[best], f"{said}.", f"{said}: it must be lower.")

    if incumbent is None:
        verdict.note(True, "There is no incumbent.", "")
    else:
        _against(verdict, challenger.series, own, _loss(actual, incumbent.values, levels) / scale, used)
    _coverage(verdict, challenger, actual, used)
    return Decision(not verdict.against, tuple(verdict.against or verdict.speaks), dict(figures))


class Outcome(StrEnum):
    """What a window of live nowcasts shows of a challenger."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a window, why (sentences), and the figures that it rests on."""

    outcome: Outcome
    reasons: tuple[str, ...]
    figures: Mapping[str, float] = field(default_factory=dict)


def judge(*, challenger: Nowcasts, incumbent: Nowcasts, actual: Floats) -> Verdict:
    """Judge two versions by nowcasts of the same issue times of one window, which was set before it began.

    The challenger is better or worse if the test of Diebold and Mariano says so at the level of `SIGNIFICANCE`. It is
    worse, too, if its coverage is outside of the limits of `decide`, or if it withholds answers that the incumbent
    gives. The loss of each series and step is relative to the incumbent's.

    Args:
        challenger: the version in question.
        incumbent: the version that it is compared with.
        actual: truth in MW, shape (issue, series, step), NaN where unknown.

    Raises:
        ConfigurationError: the nowcasts are not of the same issue times, series and steps.
        MissingDataError: a series or step has nothing to be judged on.
    """
    _check_alike(challenger, {"the incumbent": incumbent}, actual, actual[..., 0])
    known = np.isfinite(actual) & np.isfinite(incumbent.values).all(axis=-1)
    used = known & np.isfinite(challenger.values).all(axis=-1)
    _check_each(used.any(axis=0), challenger, "has no pair {} minutes ahead to judge by")
    verdict = _Verdict()
    if withheld := int((known & ~used).sum()):
        verdict.refuse(f"It withholds {withheld / known.sum():.2%} of the answers that the other version gives.")
    _coverage(verdict, challenger, actual, used)
    levels = challenger.quantiles
    own, theirs = (_loss(actual, one.values, levels) for one in (challenger, incumbent))
    scale = _mean(theirs, used)
    _check_each(scale > 0, challenger, "has no loss {} minutes ahead: there is nothing to scale by")
    some = used.any(axis=(1, 2))
    spacing = int(np.median(np.diff(challenger.issue_times[some]).astype(np.int64))) if some.sum() > 1 else 1
    differences = _by_issue(((own - theirs) / scale)[some], used[some])
    test = diebold_mariano(differences, challenger.steps_minutes[-1] // spacing)
    verdict.figures |= {
        "issue_times": float(some.sum()),
        "difference": test.mean,
        "difference lower bound": test.low,
        "difference upper bound": test.high,
        "p": test.p,
    }
    said = f"Its pinball loss differs by {test.mean:+.2%} (95 %: {test.low:+.2%} to {test.high:+.2%}; p {test.p:.3f})."
    is_decided = test.p < SIGNIFICANCE
    if verdict.against or (is_decided and test.mean > 0):
        outcome = Outcome.WORSE
    else:
        outcome = Outcome.BETTER if is_decided else Outcome.UNDECIDED
    return Verdict(outcome, (said, *verdict.against), dict(verdict.figures))


def _check_each(good: NDArray[np.bool_], nowcasts: Nowcasts, why: str) -> None:
    """Raise MissingDataError for the first series and step (series, step) that is not `good`."""
    if good.all():
        return
    s, h = np.argwhere(~good)[0]
    series, horizon = nowcasts.series[s], nowcasts.steps_minutes[h]
    raise MissingDataError(
        f"{series} {why.format(horizon)}.",
        remedy="Evaluate over a longer period after the models' training.",
        region=nowcasts.region,
        series=series,
        horizon=horizon,
    )


class _Verdict:
    def __init__(self) -> None:
        self.speaks: list[str] = []
        self.against: list[str] = []
        self.figures: dict[str, float] = {}

    def refuse(self, why: str) -> None:
        self.against.append(why)

    def note(self, good: bool, for_it: str, against_it: str) -> None:
        (self.speaks if good else self.against).append(for_it if good else against_it)


def _against(verdict: _Verdict, series: tuple[str, ...], own: Floats, theirs: Floats, used: NDArray[np.bool_]) -> None:
    """The paired comparison with the incumbent, in all and by series."""
    other = _mean(theirs, used)
    total = float(other.mean())
    difference = float(_mean(own, used).mean()) - total
    error = np.sqrt(hac_variance_of_mean(_by_issue(own - theirs, used)))
    bound = (difference + ONE_SIDED_95 * error) / total
    relative = _mean(own, used).mean(axis=1) / other.mean(axis=1) - 1
    verdict.figures |= {
        "pinball incumbent": total,
        "difference": difference / total,
        "difference standard error": error / total,
        "difference upper bound": bound,
        **{f"difference {name}": float(value) for name, value in zip(series, relative, strict=True)},
    }
    said = f"Against the incumbent it is {difference / total:+.2%}, with an upper 95 % bound of {bound:+.2%}"
    verdict.note(bound <= MAX_WORSE, f"{said}.", f"{said}: more than {MAX_WORSE:+.0%} is too much.")
    worse = {name: value for name, value in zip(series, relative, strict=True) if value > MAX_SERIES_WORSE}
    if worse:
        listed = ", ".join(f"{name} {value:+.1%}" for name, value in worse.items())
        verdict.refuse(f"Worse than the incumbent by over {MAX_SERIES_WORSE:.0%}: {listed}.")


def _coverage(verdict: _Verdict, challenger: Nowcasts, actual: Floats, used: NDArray[np.bool_]) -> None:
    low, high = (challenger.values[..., challenger.quantiles.index(level)] for level in BAND)
    inside = ((actual >= low) & (actual <= high)).astype(np.float64)
    by_horizon = _mean(inside, used).mean(axis=0)
    steps = challenger.steps_minutes
    verdict.figures |= {f"coverage 80 % at {step} min": float(c) for step, c in zip(steps, by_horizon, strict=True)}
    mean = verdict.figures["coverage 80 %"] = float(by_horizon.mean())
    by_issue = _by_issue(inside - mean, used)
    error = verdict.figures["coverage standard error"] = float(np.sqrt(hac_variance_of_mean(by_issue)))
    room = ONE_SIDED_95 * error
    band = f"Its band q{label(BAND[0])}-q{label(BAND[1])}"
    off = [
        f"{step} min {c:.3f}"
        for step, c in zip(steps, by_horizon, strict=True)
        if not HORIZON_COVERAGE[0] <= c <= HORIZON_COVERAGE[1]
    ]
    verdict.note(
        COVERAGE[0] - room <= mean <= COVERAGE[1] + room,
        f"{band} covers {mean:.3f}, by horizon {by_horizon.min():.3f}-{by_horizon.max():.3f}.",
        f"{band} covers {mean:.3f} (give or take {room:.3f}), outside of {COVERAGE[0]:.2f}-{COVERAGE[1]:.2f}.",
    )
    if off:
        verdict.refuse(
            f"{band} covers outside of {HORIZON_COVERAGE[0]:.2f}-{HORIZON_COVERAGE[1]:.2f} at {', '.join(off)}."
        )


def _loss(actual: Floats, values: Floats, levels: tuple[float, ...]) -> NDArray[np.float64]:
    """Mean pinball loss over levels of each pair, shape (issue, series, step)."""
    return np.asarray(pinball_losses(actual, values, levels).mean(axis=-1), np.float64)


def _by_issue(values: Floats, used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values (issue, series, step) as one of each issue time; their mean is the mean over series and steps.

    Each pair weighs one over its cell's number of pairs. The sum runs over the pairs of an issue time, so that an error
    that hits all zones at once counts as one event.
    """
    weight = len(used) / used.sum(axis=0) / used[0].size
    return np.asarray((np.where(used, values, 0.0) * weight).sum(axis=(1, 2)), np.float64)


def _mean(values: Floats, used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over issue times of the pairs that count, shape (series, step)."""
    return np.asarray(np.where(used, values, 0.0).sum(axis=0) / used.sum(axis=0), np.float64)


def _check_alike(
    challenger: Nowcasts,
    others: Mapping[str, Nowcasts],
    actual: Floats,
    at_issue: Floats,
) -> None:
    for name, one in others.items():
        if (
            one.series != challenger.series
            or one.steps_minutes != challenger.steps_minutes
            or one.quantiles != challenger.quantiles
            or not np.array_equal(one.issue_times, challenger.issue_times)
        ):
            raise ConfigurationError(
                f"The nowcasts of {name} are of other issue times, series or steps than the challenger's.",
                remedy="Evaluate all of them over the same ones.",
                other=name,
            )
    if actual.shape != challenger.values.shape[:3] or at_issue.shape != challenger.values.shape[:2]:
        raise ConfigurationError(
            f"The truth has the shape {actual.shape}, the nowcasts {challenger.values.shape[:3]}.",
            remedy="Give the truth of the same issue times, series and steps.",
        )
    if (np.diff(challenger.issue_times).astype(np.int64) <= 0).any():
        raise ConfigurationError("Issue times are not in order.", remedy="Sort them; the variance needs their order.")
