"""The trees of a LightGBM model as arrays, walked by compiled code.

The library's own call takes longer to begin than to answer for one row, and a nowcast asks dozens of boosters for one
row each. Splits, missing values and the order of sums are the library's, and so are the answers. How far a node is from
memory is most of the time of a walk, so nodes are as small as they can be.
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
"""Bit of a node's `feature`: NaN goes to the left."""
SMALL_TREE = 128
"""Leaves up to which a byte tells a child."""
CATEGORY, DEFAULT_LEFT, MISSING = 1, 2, 12
"""Bits of LightGBM's decisions: splits by category, missing to the left, and what is missing."""
MISSING_ZERO, MISSING_NAN = 4, 8
SPLITS = {"split_feature": np.int64, "threshold": np.float64, "decision_type": np.int64}
CHILDREN = {"left_child": "left", "right_child": "right"}


def node_type(leaves: int) -> np.dtype[np.void]:
    """A split in a tree of so many leaves; children count within their tree, and below 0 they are leaves, ~child their
    place.
    """
    child = "i1" if leaves <= SMALL_TREE else "i4"
    return np.dtype([("threshold", "f4"), ("feature", "u2"), ("left", child), ("right", child)])


@dataclass(frozen=True, eq=False)
class Trees:
    """All trees of one booster side by side: `nodes` of `node_type` and `leaves`. Nodes of a tree begin at `first`
    (tree + 1, the last one the number of all); its leaves begin so many trees later, as it has one more of them.
    """

    nodes: NDArray[np.void]
    leaves: Floats
    first: NDArray[np.int64]

    @classmethod
    def of(cls, text: str) -> Self:
        """Read LightGBM's text format.

        Raises:
            ModelError: a tree splits by categories, counts zeros as missing or has linear leaves.
        """
        fields: dict[str, list[str]] = {
            name: [] for name in (*SPLITS, *CHILDREN, "leaf_value", "num_leaves", "is_linear")
        }
        for line in text[: text.index("end of trees")].splitlines():
            name, _, value = line.partition("=")
            if name in fields:
                fields[name].append(value)
        feature, threshold, decision = (_numbers(fields[name], kind) for name, kind in SPLITS.items())
        missing = decision & MISSING
        if (decision & CATEGORY).any() or (missing == MISSING_ZERO).any() or "1" in fields["is_linear"]:
            raise ModelError(
                "The model has splits by category, zeros that are missing or linear leaves.",
                remedy="Train it without.",
                kind="lightgbm",
            )
        counts = np.array(fields["num_leaves"], np.int64)
        nodes = np.zeros(len(feature), node_type(int(counts.max(initial=1))))
        # Where NaN was never seen it counts as 0.
        nan_left = np.where(missing == MISSING_NAN, decision & DEFAULT_LEFT > 0, threshold >= 0)
        nodes["feature"] = feature + NAN_LEFT * nan_left
        nodes["threshold"] = _rounded_down(threshold)
        for name, column in CHILDREN.items():
            nodes[column] = _numbers(fields[name], np.int64)
        return cls(nodes, _numbers(fields["leaf_value"], np.float64), np.append(0, np.cumsum(counts - 1)))

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of all trees for each row of `x` (row, feature)."""
        out = np.zeros(len(x))
        _walk(out, x, self.nodes, self.leaves, self.first)
        return out


def _rounded_down(values: Floats) -> NDArray[np.float32]:
    """The greatest single-precision numbers that are not above: those of single precision lie on the same side."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return np.where(single > values, np.nextafter(single, np.float32(-np.inf)), single)


def _numbers(lines: Sequence[str], kind: DTypeLike) -> NDArray[Any]:
    """All numbers of the lines, read by NumPy's own parser: a model has millions."""
    return np.fromstring(" ".join(lines), kind, sep=" ")


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
