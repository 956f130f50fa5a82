"""An ensemble: weighted means of the quantiles of several models, with weights from hold-out time.

Medians and widths have separate weights: the member with the most accurate median need not have the best widths. If one
series is the sum of the others, reconciliation moves its answer towards the sum of their answers.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import MEDIAN, QUANTILES, FeatureBlock, Floats, Progress
from power_nowcast.errors import ModelError
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.examples import Examples
from power_nowcast.models.files import Folder, finite
from power_nowcast.models.kinds import create, model_class

HEAD = "ensemble.json"
DEFAULT: dict[str, dict[str, Any]] = {
    "mlp_global": {},
    "mlp_local": {"noise": 0.15},
    "lightgbm": {"max_rows": 60_000, "n_estimators": 400, "learning_rate": 0.08, "linear": False},
}
"""A global network, and networks and boosters for each series: their errors are different. Boosters that learn from a
third of the rows, in fewer and larger steps, are slightly worse alone, but nearly as good in the ensemble and much
faster to train."""
PARTS = 10
"""The search for weights uses steps of a tenth."""
SHRINKAGE = 0.5
"""Shrinkage of the weights towards equal weights: one to three months of residuals estimate weights only roughly."""
SAME_SUM = 1e-3
"""Relative tolerance within which the zones' sum equals the total."""


class Ensemble(Model):
    """Several members. The `weights` (series, knot, member) of their medians sum up to 1, and so do the `width_weights`
    of the distances of their quantiles from the medians.

    If a member has no answer, the others share its weight. `total` is the index of the series that is the sum of the
    others, None if there is none; `summed` (knot) is the share of that sum in the total's median. The total's quantiles
    keep their distance to the median: errors of zones partly cancel, so quantiles of zones do not add up.
    """

    kind: ClassVar[str] = "ensemble"
    joint: ClassVar[bool] = True

    def __init__(self, series: tuple[str, ...], knots: tuple[int, ...], members: Sequence[Model] = ()) -> None:
        super().__init__(series, knots)
        self.members = tuple(members)
        self.weights: Floats = np.full((len(series), len(knots), len(members)), 1 / max(1, len(members)))
        self.width_weights = self.weights
        self.total: int | None = None
        self.summed: Floats = np.zeros(len(knots))

    @classmethod
    def of(
        cls,
        series: tuple[str, ...],
        knots: tuple[int, ...],
        members: Mapping[str, Mapping[str, Any]] | Sequence[str] | None = None,
        **options: Any,
    ) -> Self:
        """An ensemble of these kinds, by default the kinds of `DEFAULT`.

        Options that are not None go to every member; a member's options in `members` come before them, defaults after.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if members is None:
            own = {kind: defaults | given for kind, defaults in DEFAULT.items()}
        else:
            named = members if isinstance(members, Mapping) else {kind: {} for kind in members}
            own = {kind: given | dict(named[kind]) for kind in named}
        return cls(series, knots, [create(kind, series, knots, **own[kind]) for kind in own])

    def fit(
        self, train: Examples, valid: Examples, *, executor: Executor | None = None, progress: Progress = lambda _: None
    ) -> tuple[FitReport, Floats]:
        curves: dict[str, list[float]] = {}
        metrics: dict[str, float] = {}
        answers = []
        for member in self.members:
            member.checkpoints = self.checkpoints and self.checkpoints / member.kind
            report, held_out = member.fit(train, valid, executor=executor, progress=progress)
            curves |= {f"{member.kind}/{name}": values for name, values in report.curves.items()}
            metrics |= {f"{member.kind}/{name}": value for name, value in report.metrics.items()}
            answers.append(held_out)
        medians, distances = parts_of(answers)
        self.weights = best_weights(medians, valid.outcome_mw)
        self.width_weights = best_width_weights(distances, valid.outcome_mw - weighted(medians, self.weights))
        for m, member in enumerate(self.members):
            metrics[f"weight/{member.kind}"] = float(self.weights[..., m].mean())
            metrics[f"width weight/{member.kind}"] = float(self.width_weights[..., m].mean())
        answer = self._together(answers, self.series)
        self.total = total_of(train.block.origin_mw)
        if self.total is not None:
            views = np.stack([answer[:, self.total, :, MEDIAN], self._sum_of_zones(answer)], -1)[:, None]
            self.summed = best_weights(views, valid.outcome_mw[:, [self.total]])[0, :, 1]
            metrics["weight/sum of zones"] = float(self.summed.mean())
        return FitReport(curves, metrics), self._reconciled(answer)

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        answer = self._together([member.predict(block) for member in self.members], block.series)
        return self._reconciled(answer) if block.series == self.series else answer

    def _sum_of_zones(self, answer: Floats) -> Floats:
        """Sum of the medians of all series except the total, shape (issue, knot); NaN if one is missing."""
        return np.asarray(np.delete(answer[..., MEDIAN], self.total or 0, axis=1).sum(axis=1))

    def _reconciled(self, answer: NDArray[np.float64]) -> NDArray[np.float64]:
        """The answer after reconciliation: the total moves towards the sum of its zones if all of them are known."""
        if self.total is None:
            return answer
        move = self.summed * (self._sum_of_zones(answer) - answer[:, self.total, :, MEDIAN])
        answer[:, self.total] += np.where(np.isfinite(move), move, 0.0)[..., None]
        return answer

    def _together(self, answers: Sequence[Floats], series: tuple[str, ...]) -> NDArray[np.float64]:
        """Quantiles (issue, series, knot, quantile) of the ensemble from the members' answers for these series."""
        at = [self.series.index(name) for name in series]
        medians, distances = parts_of(answers)
        widths = weighted(distances, self.width_weights[at][:, :, None])
        return np.asarray(weighted(medians, self.weights[at])[..., None] + widths)

    def importance(self) -> dict[str, float]:
        shares: dict[str, float] = {}
        told = [(member.importance(), float(self.weights[..., m].mean())) for m, member in enumerate(self.members)]
        whole = sum(weight for found, weight in told if found)
        for found, weight in told:
            for name, value in found.items():
                shares[name] = shares.get(name, 0.0) + value * weight / whole
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def save(self, folder: Path) -> None:
        if not self.members:
            raise ModelError("The ensemble has no members.", remedy="Name its members.", kind=self.kind)
        head = {
            "members": [member.kind for member in self.members],
            "weights": self.weights.tolist(),
            "width_weights": self.width_weights.tolist(),
            "total": self.total,
            "summed": self.summed.tolist(),
        }
        (folder / HEAD).write_text(json.dumps(head))
        for member in self.members:
            (folder / member.kind).mkdir()
            member.save(folder / member.kind)

    @classmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        head = json.loads((folder / HEAD).read_text())
        model = cls(series, knots, [model_class(kind).load(folder / kind, series, knots) for kind in head["members"]])
        shape = (len(series), len(knots), len(model.members))
        model.weights, model.width_weights = finite(head["weights"], shape), finite(head["width_weights"], shape)
        model.total, model.summed = head["total"], finite(head["summed"], (len(knots),))
        if model.total is not None and model.total not in range(len(series)):
            raise ModelError("The total of the ensemble is not one of its series.", remedy="Train it again.")
        return model

    @property
    def libraries(self) -> tuple[str, ...]:
        return tuple(sorted({library for member in self.members for library in member.libraries}))

    @property
    def params(self) -> dict[str, Any]:
        parts = {
            f"{member.kind}/{name}": value
            for member in self.members
            for name, value in member.params.items()
            if name != "model"
        }
        return {"model": self.kind, "members": ",".join(member.kind for member in self.members), **parts}


def total_of(values_mw: Floats) -> int | None:
    """The index of the series that is the sum of all others in `values_mw` (issue, series); None if there is none."""
    if values_mw.shape[1] < 3:
        return None
    whole = values_mw.sum(axis=1)
    for place in range(values_mw.shape[1]):
        gap = np.abs(whole - 2 * values_mw[:, place]) / np.abs(values_mw[:, place])
        known = gap[np.isfinite(gap)]
        if len(known) and np.quantile(known, 0.9) < SAME_SUM:
            return place
    return None


def parts_of(answers: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Medians (issue, series, knot, member), and distances of the quantiles from their median (issue, series, knot,
    quantile, member).
    """
    stacked = np.stack(answers, axis=-1)
    return stacked[..., MEDIAN, :], stacked - stacked[..., [MEDIAN], :]


def weighted(values: Floats, weights: Floats) -> NDArray[np.float64]:
    """Weighted mean over the last axis; known values share the weights of the unknown ones."""
    share = np.where(np.isfinite(values), weights, 0.0)
    total = share.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.nan_to_num(values) * share).sum(axis=-1) / np.where(total > 0, total, np.nan))


def best_weights(medians_mw: Floats, outcome_mw: Floats) -> NDArray[np.float64]:
    """Weights (series, knot, member) with the smallest absolute error, shrunk towards equal weights.

    Args:
        medians_mw: medians of each member, shape (issue, series, knot, member).
        outcome_mw: shape (issue, series, knot), NaN if unknown.
    """
    return _least(medians_mw[..., None, :], outcome_mw, lambda gap: np.abs(gap[:, 0]))


def best_width_weights(distances_mw: Floats, gap_mw: Floats) -> NDArray[np.float64]:
    """Weights (series, knot, member) with the smallest pinball loss, shrunk towards equal weights.

    Args:
        distances_mw: distances of each member's quantiles from its median, shape (issue, series, knot, quantile,
            member).
        gap_mw: residuals of the ensemble's median, shape (issue, series, knot), NaN if unknown.
    """
    levels = np.array(QUANTILES)
    return _least(distances_mw, gap_mw, lambda gap: np.maximum(levels * gap, (levels - 1) * gap).sum(axis=1))


def _least(values: Floats, outcome: Floats, loss: Callable[[Floats], Floats]) -> NDArray[np.float64]:
    """Weights of `values` (issue, series, knot, any, member) that minimise the mean `loss` of the differences (issue,
    any) from `outcome` (issue, series, knot).
    """
    members = values.shape[-1]
    equal = np.full(members, 1 / members)
    tried = np.array([w for w in product(range(PARTS + 1), repeat=members) if sum(w) == PARTS]) / PARTS
    weights = np.empty((*outcome.shape[1:], members))
    for s, k in np.ndindex(outcome.shape[1:]):
        known = np.isfinite(outcome[:, s, k]) & np.isfinite(values[:, s, k]).all(axis=(-1, -2))
        if not known.any():
            weights[s, k] = equal
            continue
        y, parts = outcome[known, s, k][:, None], values[known, s, k]
        total = np.array([loss(y - parts @ one).mean() for one in tried])
        weights[s, k] = (1 - SHRINKAGE) * tried[total.argmin()] + SHRINKAGE * equal
    return weights
