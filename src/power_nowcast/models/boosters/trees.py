"""The trees of a LightGBM model as arrays, walked by compiled code.

The overhead of the library's own call is larger than its work for one row, and a nowcast asks dozens of boosters for
one row each. Splits, missing values and the order of sums are the same as in the library, and so are the answers.
Memory access takes most of the time of a walk, so nodes are as small as possible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import DTypeLike, NDArray

from power_nowcast.contracts import Floats
from power_nowcast.errors import ModelError

NAN_LEFT = 0x8000
"""Bit of a node's `feature`: NaN goes left."""
SMALL_TREE = 128
"""Maximum number of leaves for which one byte can address a child."""
CATEGORY, DEFAULT_LEFT, MISSING = 1, 2, 12
"""Bits of LightGBM's decisions: split by category, missing values go left, and the type of missing values."""
MISSING_ZERO, MISSING_NAN = 4, 8
SPLITS = {"split_feature": np.int64, "threshold": np.float64, "decision_type": np.int64}
CHILDREN = ("left_child", "right_child")


def node_type(leaves: int) -> np.dtype[np.void]:
    """The type of a split in a tree with so many leaves. Children are indices within their tree; a negative child is
    the leaf with index ~child.
    """
    child = "i1" if leaves <= SMALL_TREE else "i4"
    return np.dtype([("threshold", "f4"), ("feature", "u2"), ("left", child), ("right", child)])


@dataclass(frozen=True, eq=False)
class Trees:
    """All trees of one booster in flat arrays: `nodes` of `node_type`, and `leaves`. The nodes of tree i begin at
    `first[i]`; `first` has shape (tree + 1,) and ends with the number of all nodes. The leaves of tree i begin at
    `first[i] + i`, as every tree has one more leaf than nodes. `features` is the number of columns that they read.
    """

    nodes: NDArray[np.void]
    leaves: Floats
    first: NDArray[np.int64]
    features: int

    @classmethod
    def of(cls, text: str) -> Self:
        """Read LightGBM's text format.

        Raises:
            ModelError: a tree splits by categories, counts zeros as missing or has linear leaves; or its children,
                features or leaves are invalid, so that no walk is possible.
        """
        fields: dict[str, list[str]] = {
            name: [] for name in (*SPLITS, *CHILDREN, "leaf_value", "num_leaves", "is_linear", "max_feature_idx")
        }
        whole, end, _ = text.partition("end of trees")
        for line in whole.splitlines():
            name, _, value = line.partition("=")
            if name in fields:
                fields[name].append(value)
        if not end or len(fields["max_feature_idx"]) != 1:
            raise no_trees("lightgbm", "it is cut off")
        feature, threshold, decision = (_numbers(fields[name], kind) for name, kind in SPLITS.items())
        left, right = (_numbers(fields[name], np.int64) for name in CHILDREN)
        leaves, counts = _numbers(fields["leaf_value"], np.float64), _numbers(fields["num_leaves"], np.int64)
        features = int(_numbers(fields["max_feature_idx"], np.int64)[0]) + 1
        _check_forest(counts, (feature, threshold, decision, left, right), leaves, features)
        missing = decision & MISSING
        if (decision & CATEGORY).any() or (missing == MISSING_ZERO).any() or "1" in fields["is_linear"]:
            raise ModelError(
                "The model has splits by category, zeros that are missing or linear leaves.",
                remedy="Train it without them.",
                kind="lightgbm",
            )
        nodes = np.zeros(len(feature), node_type(int(counts.max(initial=1))))
        # For a feature without NaN in training, NaN counts as 0.
        nan_left = np.where(missing == MISSING_NAN, decision & DEFAULT_LEFT > 0, threshold >= 0)
        nodes["feature"] = feature + NAN_LEFT * nan_left
        nodes["threshold"] = _rounded_down(threshold)
        nodes["left"], nodes["right"] = left, right
        return cls(nodes, leaves, np.append(0, np.cumsum(counts - 1)), features)

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of all trees for each row of `x` (row, feature).

        Raises:
            ModelError: `x` has another number of features than the trees.
        """
        if x.shape[1] != self.features:
            raise no_trees("lightgbm", f"it has {self.features} features, not {x.shape[1]}")
        out = np.zeros(len(x))
        _walk(out, x, self.nodes, self.leaves, self.first)
        return out


def _rounded_down(values: Floats) -> NDArray[np.float32]:
    """The largest single-precision numbers not above the values: single-precision inputs fall on the same side."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return np.where(single > values, np.nextafter(single, np.float32(-np.inf)), single)


def _check_forest(counts: NDArray[np.int64], splits: tuple[NDArray[Any], ...], leaves: Floats, features: int) -> None:
    """Raise unless every walk from a root ends at a leaf and reads existing features.

    Args:
        counts: number of leaves of each tree.
        splits: feature, threshold, decision, left and right child of all splits, one tree after the other.
        leaves: values of all leaves.
        features: number of features.
    """
    feature, threshold, _, left, right = splits
    if (counts < 1).any() or any(len(one) != (counts - 1).sum() for one in splits) or len(leaves) != counts.sum():
        raise no_trees("lightgbm", "its trees are not whole")
    own = np.arange(len(left)) - np.repeat(np.cumsum(counts - 1) - (counts - 1), counts - 1)
    of_tree = np.repeat(counts, counts - 1)
    for child in (left, right):
        # A split is always before the splits below it, so no walk returns to an earlier node.
        if not np.where(child < 0, ~child < of_tree, (child > own) & (child < of_tree - 1)).all():
            raise no_trees("lightgbm", "children of a tree lie outside of it or lead back")
    if not 0 < features < NAN_LEFT or ((feature < 0) | (feature >= features)).any():
        raise no_trees("lightgbm", "a tree splits by a feature that there is not")
    if np.isnan(threshold).any() or not np.isfinite(leaves).all():
        raise no_trees("lightgbm", "a threshold or a leaf is no finite number")


def no_trees(kind: str, why: str) -> ModelError:
    """The error for a booster whose trees cannot be walked."""
    return ModelError(f"A booster of the model cannot be used: {why}.", remedy="Train the model again.", kind=kind)


def _numbers(lines: Sequence[str], kind: DTypeLike) -> NDArray[Any]:
    """All numbers of the lines, read by NumPy's parser: a model has millions of numbers."""
    try:
        return np.fromstring(" ".join(lines), kind, sep=" ")
    except ValueError as error:
        raise no_trees("lightgbm", "not every number in it can be read") from error


@njit(cache=True, nogil=True)
def _walk(
    out: NDArray[np.float64],
    x: NDArray[np.float32],
    nodes: NDArray[np.void],
    leaves: NDArray[np.float64],
    first: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    for tree in range(first.shape[0] - 1):
        begin = first[tree]
        root = 0 if first[tree + 1] > begin else -1
        for row in range(x.shape[0]):
            at = root
            while at >= 0:
                node = nodes[begin + at]
                feature = node["feature"]
                value = x[row, feature & (NAN_LEFT - 1)]
                left = (value <= node["threshold"]) | ((value != value) & (feature >= NAN_LEFT))
                at = node["left"] if left else node["right"]
            out[row] += leaves[begin + tree + ~at]
