"""Times as tables and arrays hold them: UTC everywhere, to the microsecond in tables and to the minute in arrays."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

UTC = pl.Datetime("us", "UTC")

type Times = NDArray[np.datetime64]
