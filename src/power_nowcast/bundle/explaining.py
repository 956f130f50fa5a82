"""Why a model says what it says: contributions to its ramps, and what its accuracy rests on.

Boosters tell by TreeSHAP what each feature did. Of any other model the features are taken by families, few enough that
Shapley values are exact: every coalition of families is answered, those outside it as on other, similar times.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.train import scaled_pinball
from power_nowcast.contracts import MEDIAN, FeatureBlock, Floats
from power_nowcast.errors import HistoryError
from power_nowcast.features.families import families_of, family_of
from power_nowcast.models.base import Model
from power_nowcast.models.boosters.base import BoostedModel
from power_nowcast.models.ensemble import Ensemble
from power_nowcast.models.examples import Examples

ROWS_AT_ONCE = 4096
SUM_OF_ZONES = "sum of the zones"
TREES, SHAPLEY = "TreeSHAP", "exact Shapley values by family"


@dataclass(frozen=True)
class Contributions:
    """What moved the medians of one series and knot away from persistence, in MW.

    `base_mw` (row,) is the ramp that the model says without knowing the features; `values_mw` (row, name) is what each
    of `names`, single features with `by_feature` and else families, adds to it: together they are the median minus the
    last known value.
    """

    names: tuple[str, ...]
    base_mw: Floats
    values_mw: Floats
    methods: tuple[str, ...]
    by_feature: bool = False

    def by_family(self) -> "Contributions":
        """The same with the features of one family taken together."""
        if not self.by_feature:
            return self
        families = np.array([family_of(name) for name in self.names])
        kept = families_of(self.names)
        values = [self.values_mw[:, families == family].sum(axis=1) for family in kept]
        return replace(self, names=kept, values_mw=np.stack(values, axis=1), by_feature=False)


def contributions(
    model: Model, block: FeatureBlock, series: str, knot: int, background: FeatureBlock | None = None
) -> Contributions:
    """Why the medians of `block` at one knot are what they are; NaN in rows without an answer.

    Args:
        model: of any kind.
        block: the nowcasts to explain.
        series: one of the block's.
        knot: one of the model's, minutes after the origin.
        background: times to compare with, of the same series; boosters need none.

    Raises:
        HistoryError: the model needs times to compare with, and there are none.
    """
    if isinstance(model, BoostedModel):
        names, _, values = model.explain(block, series, knot)
        return Contributions(
            names, _ramp(model, block, series, knot) - values.sum(axis=1), values, (TREES,), by_feature=True
        )
    if background is None or not len(background.issue_times):
        raise HistoryError(
            f"There is no time to compare a nowcast of {model.kind} with.",
            remedy="Ingest a few days before it, or explain a later one.",
            kind=model.kind,
        )
    if isinstance(model, Ensemble):
        return _of_ensemble(model, block, series, knot, background)
    return _shapley(model, block, series, knot, background)


def _ramp(model: Model, block: FeatureBlock, series: str, knot: int) -> NDArray[np.float64]:
    """Median minus origin in MW, shape (row,)."""
    s, k = block.series.index(series), model.knots.index(knot)
    return np.asarray(model.predict(block)[:, s, k, MEDIAN] - block.origin_mw[:, s])


def _of_ensemble(
    model: Ensemble, block: FeatureBlock, series: str, knot: int, background: FeatureBlock
) -> Contributions:
    """The members' contributions by family, weighted as their answers are."""
    s, k = model.series.index(series), model.knots.index(knot)
    parts = [contributions(member, block, series, knot, background).by_family() for member in model.members]
    answered = np.stack([np.isfinite(part.base_mw) for part in parts], axis=1)
    share = np.where(answered, model.weights[s, k], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = share / share.sum(axis=1, keepdims=True)
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    base, values = np.zeros(len(share)), np.zeros((len(share), len(names)))
    for m, part in enumerate(parts):
        own, known = share[:, m], answered[:, m]
        base += np.where(known, part.base_mw, 0.0) * own
        for n, name in enumerate(part.names):
            values[:, names.index(name)] += np.where(known, part.values_mw[:, n], 0.0) * own
    methods = tuple(dict.fromkeys(method for part in parts for method in part.methods))
    if s == model.total and block.series == model.series:
        # How far the zones drew the total is told as one part: which features moved them is asked of the zones.
        move = _ramp(model, block, series, knot) - base - values.sum(axis=1)
        names, values = (*names, SUM_OF_ZONES), np.column_stack([values, move])
    return Contributions(names, base, values, methods)


def _shapley(model: Model, block: FeatureBlock, series: str, knot: int, background: FeatureBlock) -> Contributions:
    families = families_of(block.names)
    member = np.array([family_of(name) for name in block.names])
    own = np.stack([member == family for family in families])
    count = len(families)
    inside = (np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1
    size = inside.sum(axis=1)
    # A coalition's share of the orders in which it comes first, then the family, then the rest.
    factor = np.array([math.factorial(n) * math.factorial(count - n - 1) / math.factorial(count) for n in range(count)])
    base, values = np.empty(len(block.issue_times)), np.empty((len(block.issue_times), count))
    for row in range(len(block.issue_times)):
        worth = _worth(model, block.take(np.array([row])), series, knot, background, inside @ own)
        base[row] = worth[0]
        for f in range(count):
            without = np.flatnonzero(~inside[:, f])
            values[row, f] = ((worth[without | (1 << f)] - worth[without]) * factor[size[without]]).sum()
    return Contributions(families, base, values, (SHAPLEY,))


def _worth(
    model: Model,
    row: FeatureBlock,
    series: str,
    knot: int,
    background: FeatureBlock,
    known: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Mean ramp in MW of one row where only the features `known` (coalition, feature) are its own."""
    others = len(background.issue_times)
    worth = np.empty(len(known))
    step = max(1, ROWS_AT_ONCE // others)
    for first in range(0, len(known), step):
        mask = known[first : first + step]
        x = np.where(mask[:, None, None, :], row.x[0], background.x[None])
        rows = row.take(np.zeros(len(mask) * others, np.int64))
        mixed = replace(rows, x=np.ascontiguousarray(x.reshape(len(mask) * others, *row.x.shape[1:]), np.float32))
        worth[first : first + step] = _ramp(model, mixed, series, knot).reshape(len(mask), others).mean(axis=1)
    return worth


def permutation_importance(
    bundle: Bundle, known: Examples, *, repeats: int = 5, rows: int = 400, seed: int = 1
) -> dict[str, NDArray[np.float64]]:
    """How much the validation loss grows when a family of features is drawn from other times; (repeat,) by family.

    Args:
        bundle: of any kind, with its calibration.
        known: time that the model was not trained on.
        repeats: draws of each family.
        rows: issue times that are read, spread over all.
        seed: of the draws.
    """
    chosen = np.unique(np.linspace(0, len(known.block.issue_times) - 1, rows).astype(np.int64))
    sample = Examples(known.block.take(chosen), known.outcome_mw[chosen])
    member = np.array([family_of(name) for name in known.block.names])
    knots = [bundle.leads.index(knot) for knot in bundle.model.knots]

    def lost(block: FeatureBlock) -> float:
        return scaled_pinball(bundle.quantiles(block)[:, :, knots], sample)

    whole = lost(sample.block)
    chance = np.random.default_rng(seed)
    grown: dict[str, NDArray[np.float64]] = {}
    for family in families_of(known.block.names):
        columns = np.flatnonzero(member == family)
        grown[family] = np.empty(repeats)
        for n in range(repeats):
            x = sample.block.x.copy()
            # All series move together: what a network reads of one issue time stays of one time.
            x[:, :, columns] = x[chance.permutation(len(x))][:, :, columns]
            grown[family][n] = lost(replace(sample.block, x=x)) - whole
    return dict(sorted(grown.items(), key=lambda item: -float(item[1].mean())))
