"""The state of an online calibration as compact text for the store, exact to the bit."""

import base64
import json
import zlib

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.calibration import NUMBERS, Calibration

FORMAT = 2
"""Format 1 was the text of `Calibration.to_json`; `unpack` also reads it."""
_NUMBER = np.dtype("<f8")
_MINUTE = np.dtype("<i8")


def pack(calibration: Calibration) -> str:
    """JSON text from which `unpack` restores the same calibration.

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
    packed = base64.b64encode(zlib.compress(numbers)).decode()
    return json.dumps(head | {"arrays": packed})


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
    try:
        numbers = zlib.decompress(base64.b64decode(values["arrays"], validate=True))
    except zlib.error as error:
        raise ValueError(f"a state of a calibration is damaged: {error}") from error
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
