"""The types of times: UTC everywhere, microseconds in tables and minutes in arrays."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

UTC = pl.Datetime("us", "UTC")

type Times = NDArray[np.datetime64]
