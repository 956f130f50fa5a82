"""Issue times that wait for outcomes: what online calibration needs to go on from one interval to the next."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import QUANTILES, Floats, Times


@dataclass(frozen=True, eq=False)
class Pending:
    """Successive issue times whose outcomes are not all counted yet.

    Attributes:
        issue_times: ascending, shape (issue,).
        origins: times of the last values, shape (issue, series), NaT if there is none.
        quantiles_mw: before calibration, shape (issue, series, lead, quantile).
        hours: local hour of each target, shape (issue, series, lead).
        factors: log factors that were in force, shape (issue, series, lead, quantile).
        balance: balance that was in force, shape (issue, series, lead).
        shift: shift of the median that was in force, shape (issue, series, lead).
        error_mw: newest residual that was in force, shape (issue, series).
        waits: whether the outcome is still to be counted, shape (issue, series, lead).
    """

    issue_times: Times
    origins: Times
    quantiles_mw: Floats
    hours: NDArray[np.int64]
    factors: Floats
    balance: Floats
    shift: Floats
    error_mw: Floats
    waits: NDArray[np.bool_]

    @classmethod
    def rows(cls, issue_times: Times, origins: Times, quantiles_mw: Floats, hours: NDArray[np.int64]) -> Self:
        """Issue times with nothing in force yet, whose outcomes are all to be counted."""
        each = quantiles_mw.shape[:3]
        return cls(
            issue_times=issue_times,
            origins=origins,
            quantiles_mw=quantiles_mw,
            hours=hours,
            factors=np.zeros(quantiles_mw.shape),
            balance=np.zeros(each),
            shift=np.zeros(each),
            error_mw=np.zeros(each[:2]),
            waits=np.isfinite(quantiles_mw).all(axis=-1),
        )

    @classmethod
    def none(cls, series: int, leads: int) -> Self:
        """No issue time."""
        nothing = np.empty(0, "datetime64[m]")
        shape = (0, series, leads)
        return cls.rows(
            nothing,
            nothing.repeat(series).reshape(0, series),
            np.empty((*shape, len(QUANTILES))),
            np.empty(shape, np.int64),
        )

    def plus(self, later: Self) -> Self:
        """These issue times and later ones."""
        return type(self)(
            **{one.name: np.concatenate([getattr(self, one.name), getattr(later, one.name)]) for one in fields(self)}
        )

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """The chosen issue times, in order."""
        return type(self)(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    def __len__(self) -> int:
        return len(self.issue_times)
