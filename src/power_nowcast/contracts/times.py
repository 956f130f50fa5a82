"""The types of times: UTC everywhere, microseconds in tables and minutes in arrays."""

from datetime import UTC as _UTC
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

UTC = pl.Datetime("us", "UTC")

type Times = NDArray[np.datetime64]

EPOCH = datetime(1970, 1, 1, tzinfo=_UTC)


def minute(time: datetime) -> np.datetime64:
    """A time in the type of the arrays, rounded down to the minute: nothing after that minute counts as known."""
    return np.datetime64(time.astimezone(_UTC).replace(tzinfo=None), "m")


def aware(time: np.datetime64) -> datetime:
    """A time of the arrays as a datetime in UTC."""
    return EPOCH + timedelta(minutes=int(time.astype("datetime64[m]").astype(np.int64)))
