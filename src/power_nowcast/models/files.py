"""The interface from which a learner reads its native files, and the check of the numbers in them."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from power_nowcast.errors import ModelError


class Folder(Protocol):
    """The source of a model's files: a folder on disk, or the verified files of a bundle."""

    def __truediv__(self, name: str, /) -> "Folder": ...

    def read_bytes(self) -> bytes: ...

    def read_text(self) -> str: ...


def finite(values: Any, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Numbers of a model's file as an array.

    Raises:
        ModelError: a number is not finite, or the shape is not `shape`.
    """
    array = np.array(values, np.float64)
    if not np.isfinite(array).all() or (shape is not None and array.shape != shape):
        raise ModelError(
            "The model's files have numbers that are not finite, or too many or too few numbers.",
            remedy="Train it again.",
            shape=array.shape,
        )
    return array
