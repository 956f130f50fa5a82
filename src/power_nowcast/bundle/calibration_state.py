"""The state of a calibration as compact text: what a store keeps of one that is followed, bit for bit."""

import base64
import json
import zlib

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.calibration import NUMBERS, Calibration

FORMAT = 2
"""Format 1 was `Calibration.to_json` as text; it is read as well."""
_NUMBER = np.dtype("<f8")
_MINUTE = np.dtype("<i8")


def pack(calibration: Calibration) -> str:
    """JSON text from which `unpack` makes the same calibration.

    The arrays are compressed as they are: hours with the same outcomes have the same factors, bit for bit. (Bytes of
    equal weight side by side would hide that, and take half as much again.)
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
    """The calibration that `pack` made a text of, or one of the first format.

    Raises:
        ValueError: the text is no state of a calibration.
        KeyError: something is missing in it.
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
