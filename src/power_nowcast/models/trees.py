"""The trees of a LightGBM model as arrays, walked by compiled code.

The library's own call takes longer to begin than to answer for one row, and a nowcast asks dozens of boosters for one
row each. Splits, missing values and the order of sums are the library's, and so are the answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import DTypeLike, NDArray

from power_nowcast.contracts import Floats
from power_nowcast.errors import ModelError

NODE = np.dtype(
    [("threshold", "f8"), ("left", "i4"), ("right", "i4"), ("feature", "i4"), ("decision", "i4")], align=True
)
"""A split; children below 0 are leaves, ~child their place. `decision` is LightGBM's: bit 0 for categories, bit 1 for
missing to the left, bits 2 and 3 for what is missing: nothing, zero or NaN."""
CATEGORY = 1
SPLITS = {"split_feature": "feature", "threshold": "threshold", "decision_type": "decision"}
CHILDREN = {"left_child": "left", "right_child": "right"}


@dataclass(frozen=True, eq=False)
class Trees:
    """All trees of one booster side by side: `nodes` of `NODE`, `leaves`, and for each tree its `first` node (a leaf
    where it has no split).
    """

    nodes: NDArray[np.void]
    leaves: Floats
    first: NDArray[np.int64]

    @classmethod
    def of(cls, text: str) -> Self:
        """Read LightGBM's text format.

        Raises:
            ModelError: a tree splits by categories or has linear leaves.
        """
        fields: dict[str, list[str]] = {
            name: [] for name in (*SPLITS, *CHILDREN, "leaf_value", "num_leaves", "is_linear")
        }
        for line in text[: text.index("end of trees")].splitlines():
            name, _, value = line.partition("=")
            if name in fields:
                fields[name].append(value)
        counts = np.array(fields["num_leaves"], np.int64)
        splits = counts - 1
        nodes = np.zeros(int(splits.sum()), NODE)
        for name, column in SPLITS.items():
            nodes[column] = _numbers(fields[name], NODE[column])
        # Children are counted within their tree: nodes from 0 up, leaves from -1 down.
        node, leaf = (np.cumsum(sizes) - sizes for sizes in (splits, counts))
        for name, column in CHILDREN.items():
            child = _numbers(fields[name], np.int64)
            nodes[column] = np.where(child >= 0, child + node.repeat(splits), child - leaf.repeat(splits))
        if (nodes["decision"] & CATEGORY).any() or "1" in fields["is_linear"]:
            raise ModelError(
                "The model has splits by category or linear leaves.", remedy="Train it without.", kind="lightgbm"
            )
        leaves = _numbers(fields["leaf_value"], np.float64)
        return cls(nodes, leaves, np.where(splits > 0, node, ~leaf))

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of all trees for each row of `x` (row, feature)."""
        out = np.zeros(len(x))
        _walk(out, x, self.nodes, self.leaves, self.first)
        return out


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
    for start in first:
        for row in range(x.shape[0]):
            at = start
            while at >= 0:
                node = nodes[at]
                value = np.float64(x[row, node["feature"]])
                missing = (node["decision"] >> 2) & 3
                if value != value and missing != 2:
                    value = np.float64(0.0)
                if (missing == 1 and abs(value) <= 1e-35) or (missing == 2 and value != value):
                    left = (node["decision"] & 2) != 0
                else:
                    left = value <= node["threshold"]
                at = node["left"] if left else node["right"]
            out[row] += leaves[~at]
