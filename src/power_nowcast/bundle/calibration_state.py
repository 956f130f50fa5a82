"""The state of an online calibration as compact text for the store, exact to the bit."""

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.calibration import NUMBERS, Calibration
from power_nowcast.bundle.pending import Pending

FORMAT = 2
"""Format 1 was the text of `Calibration.to_json`; `unpack` also reads it."""
_NUMBER = np.dtype("<f8")
_MINUTE = np.dtype("<i8")
_PENDING: dict[str, np.dtype[Any]] = {
    "issue_times": _MINUTE,
    "origins": _MINUTE,
    "hours": np.dtype("<i1"),
    "waits": np.dtype("?"),
    **dict.fromkeys(("quantiles_mw", "factors", "balance", "shift", "error_mw"), _NUMBER),
}
"""The arrays of what waits for outcomes, and their types in the text."""


def pack(calibration: Calibration, pending: Pending | None = None) -> str:
    """JSON text from which `unpack` restores the same calibration, and `unpack_pending` what waits for outcomes.

    The arrays are compressed without a byte shuffle: hours with the same outcomes have the same factors, bit for bit.
    (A shuffle would hide these repetitions and take 50 % more space.)
    """
    arrays = [getattr(calibration, name).astype(_NUMBER) for name in NUMBERS]
    arrays.append(calibration.error_at.astype("datetime64[m]").astype(_MINUTE))
    numbers = b"".join(array.tobytes() for array in arrays)
    head = {
        "format": FORMAT,
        "series": list(calibration.series),
        "leads": list(calibration.leads),
        "as_of": str(calibration.as_of),
    }
    packed = head | {"arrays": _text(numbers)}
    if pending is not None:
        packed["pending"] = {"issues": len(pending), "arrays": _text(b"".join(_pending_bytes(pending)))}
    return json.dumps(packed)


def unpack_pending(text: str) -> Pending | None:
    """What waited for outcomes when `pack` made the text; None if it was not kept.

    Raises:
        ValueError: the text is damaged.
    """
    values = json.loads(text)
    if "pending" not in values:
        return None
    numbers = _bytes(values["pending"]["arrays"])
    series, leads, issues = len(values["series"]), len(values["leads"]), int(values["pending"]["issues"])
    like = Pending.none(series, leads)
    arrays, begin = {}, 0
    for name, dtype in _PENDING.items():
        shape = (issues, *getattr(like, name).shape[1:])
        count = int(np.prod(shape))
        values_of = np.frombuffer(numbers, dtype, count, begin).reshape(shape)
        arrays[name] = values_of.astype(getattr(like, name).dtype)
        begin += values_of.nbytes
    return Pending(**arrays)


def _pending_bytes(pending: Pending) -> Iterator[bytes]:
    for name, dtype in _PENDING.items():
        values = getattr(pending, name)
        yield (values.astype("datetime64[m]") if values.dtype.kind == "M" else values).astype(dtype).tobytes()


def _text(numbers: bytes) -> str:
    return base64.b64encode(zlib.compress(numbers)).decode()


def _bytes(text: str) -> bytes:
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(f"a state of a calibration is damaged: {error}") from error


def unpack(text: str) -> Calibration:
    """The calibration from a text of `pack`, or of the first format.

    Raises:
        ValueError: the text is not a state of a calibration.
        KeyError: a field is missing.
    """
    values = json.loads(text)
    if "format" not in values:
        return Calibration.from_json(values)
    if values["format"] != FORMAT:
        raise ValueError(f"a state of a calibration has format {values['format']}, not {FORMAT}")
    numbers = _bytes(values["arrays"])
    series, leads = tuple(values["series"]), tuple(values["leads"])
    neutral = Calibration.neutral(series, leads, np.datetime64(values["as_of"]))
    arrays: dict[str, NDArray[np.float64]] = {}
    begin = 0
    for name in NUMBERS:
        like = getattr(neutral, name)
        arrays[name] = np.frombuffer(numbers, _NUMBER, like.size, begin).reshape(like.shape).astype(np.float64)
        begin += arrays[name].nbytes
    error_at = np.frombuffer(numbers, _MINUTE, len(series), begin).astype("datetime64[m]")
    if begin + error_at.nbytes != len(numbers):
        raise ValueError("a state of a calibration has more numbers than its series and leads")
    return Calibration(series=series, leads=leads, error_at=error_at, as_of=neutral.as_of, **arrays)
