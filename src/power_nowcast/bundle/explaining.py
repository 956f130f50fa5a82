"""Explanations of a model: contributions to its ramps, and the importance of features for its accuracy.

For boosters, TreeSHAP and the weights of the linear fit give the contribution of each feature. For other models,
features are grouped by family. The families are few, so the Shapley values are exact: the model answers every coalition
of families, with the features of the other families taken from similar times.
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
    """Contributions to the difference between the medians of one series and knot and persistence, in MW.

    `base_mw` (row,) is the model's ramp without any feature. `values_mw` (row, name) is the contribution of each of
    `names`, which are single features if `by_feature`, else families. Base and contributions sum up to the median minus
    the last known value.
    """

    names: tuple[str, ...]
    base_mw: Floats
    values_mw: Floats
    methods: tuple[str, ...]
    by_feature: bool = False

    def by_family(self) -> "Contributions":
        """The same contributions, summed by family."""
        if not self.by_feature:
            return self
        families = np.array([family_of(name) for name in self.names])
        kept = families_of(self.names)
        values = [self.values_mw[:, families == family].sum(axis=1) for family in kept]
        return replace(self, names=kept, values_mw=np.stack(values, axis=1), by_feature=False)


def contributions(
    model: Model, block: FeatureBlock, series: str, knot: int, background: FeatureBlock | None = None
) -> Contributions:
    """Contributions to the medians of `block` at one knot; NaN in rows without an answer.

    Args:
        model: a model of any kind.
        block: features of the nowcasts to explain.
        series: one of the block's series.
        knot: one of the model's knots, minutes after the origin.
        background: features of the same series at other times, for comparison; boosters need none.

    Raises:
        HistoryError: the model needs other times for comparison, and there are none.
    """
    if isinstance(model, BoostedModel):
        names, _, values = model.explain(block, series, knot)
        return Contributions(
            names, _ramp(model, block, series, knot) - values.sum(axis=1), values, (TREES,), by_feature=True
        )
    if background is None or not len(background.issue_times):
        raise HistoryError(
            f"There is no earlier time to compare a nowcast of {model.kind} with.",
            remedy="Ingest a few days before the nowcast, or explain a later one.",
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
    """The members' contributions by family, with the weights of their answers."""
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
        # The reconciliation of the total with its zones is one part. The zones' own explanations show their features.
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
    # A coalition's weight: the share of orders with the coalition first, then the family, then the rest.
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
    """Mean ramp in MW of one row that keeps only the features `known` (coalition, feature) of its own."""
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
    """Permutation importance: increase of the validation loss when a family has values of other times; (repeat,) by
    family.

    Args:
        bundle: a bundle of any kind, with its calibration.
        known: examples that were not used in training.
        repeats: draws of each family.
        rows: number of issue times to use, spread over all examples.
        seed: seed of the draws.
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
            # All series use the same permutation: the inputs of a network at one issue time stay from one time.
            x[:, :, columns] = x[chance.permutation(len(x))][:, :, columns]
            grown[family][n] = lost(replace(sample.block, x=x)) - whole
    return dict(sorted(grown.items(), key=lambda item: -float(item[1].mean())))
