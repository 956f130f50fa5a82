"""The state of a calibration as compact text: what a store keeps of one that is followed, bit for bit."""

import base64
import json
import zlib

import numpy as np

from power_nowcast.models.calibration import NUMBERS, Calibration

FORMAT = 2
"""Format 1 was `Calibration.to_json` as text; it is read as well."""
_ARRAYS = (*NUMBERS, "error_at")
_NUMBER = np.dtype("<f8")
_MINUTE = np.dtype("<i8")


def pack(calibration: Calibration) -> str:
    """JSON text from which `unpack` makes the same calibration.

    The arrays are compressed as they are: hours with the same outcomes have the same factors, bit for bit. (Bytes of
    equal weight side by side would hide that, and take half as much again.)
    """
    numbers = b"".join(_bytes_of(calibration, name) for name in _ARRAYS)
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
    arrays, begin = {}, 0
    for name in _ARRAYS:
        like = getattr(neutral, name)
        own = np.frombuffer(numbers, _MINUTE if name == "error_at" else _NUMBER, like.size, begin).reshape(like.shape)
        arrays[name] = own.astype("datetime64[m]") if name == "error_at" else own.astype(np.float64)
        begin += own.nbytes
    if begin != len(numbers):
        raise ValueError("a state of a calibration has more numbers than its series and leads")
    return Calibration(series=series, leads=leads, as_of=neutral.as_of, **arrays)


def _bytes_of(calibration: Calibration, name: str) -> bytes:
    array = getattr(calibration, name)
    if name == "error_at":
        return array.astype("datetime64[m]").astype(_MINUTE).tobytes()  # type: ignore[no-any-return]
    return array.astype(_NUMBER).tobytes()  # type: ignore[no-any-return]
