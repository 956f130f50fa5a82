"""What a learner reads its native files from, and the check of the numbers in them."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from power_nowcast.errors import ModelError


class Folder(Protocol):
    """What a model is read from: a folder on disk, or the verified files of a bundle."""

    def __truediv__(self, name: str, /) -> "Folder": ...

    def read_bytes(self) -> bytes: ...

    def read_text(self) -> str: ...


def finite(values: Any, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Numbers of a model's file as an array.

    Raises:
        ModelError: one of them is no finite number, or there are more or fewer than `shape`.
    """
    array = np.array(values, np.float64)
    if not np.isfinite(array).all() or (shape is not None and array.shape != shape):
        raise ModelError(
            "The model's files hold numbers that are not finite, or too many or too few of them.",
            remedy="Train it again.",
            shape=array.shape,
        )
    return array
