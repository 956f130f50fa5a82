"""The data of a region that were known at a time, as dense grids: the only input of the features."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts.times import Times

type Floats = NDArray[np.float64]

_NEVER = np.datetime64(0, "m")


@dataclass(frozen=True)
class Grid:
    """Values at equal distances in time: `values[i, c]` is the value of `names[c]` at `start + i * step_minutes`, NaN
    if it is not known.

    The values of one column are contiguous in memory (`Grid.unknown` makes them so), because features read one series
    at many times. A grid without values has the shape (0, names).
    """

    start: np.datetime64
    step_minutes: int
    names: tuple[str, ...]
    values: Floats

    @classmethod
    def unknown(cls, start: np.datetime64, step_minutes: int, names: tuple[str, ...], slots: int) -> "Grid":
        """A grid of NaN, to write values into."""
        return cls(start, step_minutes, names, np.full((slots, len(names)), np.nan, order="F"))

    @classmethod
    def none(cls) -> "Grid":
        """The empty grid, for data that a region does not have."""
        return cls.unknown(_NEVER, 60, (), 0)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def times(self) -> Times:
        """Time of every slot, shape (slot,)."""
        return self.start + np.arange(len(self.values)) * np.timedelta64(self.step_minutes, "m")

    @property
    def end(self) -> np.datetime64:
        """Time of the last slot."""
        return self.start + (len(self.values) - 1) * np.timedelta64(self.step_minutes, "m")

    def slots(self, times: Times) -> NDArray[np.int64]:
        """Slot of each time, also of times beyond the grid."""
        return np.asarray((times.astype("datetime64[m]") - self.start).astype(np.int64) // self.step_minutes)


class Part(IntEnum):
    """The grids of a panel, numbered as in `Patches.grid`. In lower case, the names are the panel's fields."""

    POWER = 0
    FORECAST = 1
    WEATHER_FORECAST = 2
    KEPT_OUT = 3
    LATENESS = 4


@dataclass(frozen=True)
class Patches:
    """Changes of a panel's grids, sorted by `available_at`; all arrays of shape (patch,).

    `grid` is the `Part` that changes; `slot` and `column` address the cell.
    """

    available_at: Times
    grid: NDArray[np.int8]
    slot: NDArray[np.int64]
    column: NDArray[np.int64]
    value: NDArray[np.float64]

    @staticmethod
    def none() -> "Patches":
        return Patches(
            np.empty(0, "datetime64[m]"),
            np.empty(0, np.int8),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty(0, np.float64),
        )


@dataclass(frozen=True)
class Panel:
    """The known data of one region, as dense grids: the only input of the feature kernel.

    `power` holds the load or generation of each series in MW at the end of every interval.
    `weather` has the slots of `power`. Each slot has the latest report known at its time, NaN if no report is recent.
    `forecast` is the operator's own forecast of each series: mean MW of the interval that ends at the slot's time.
    `weather_forecast` is the newest forecast of each variable that was published before the slot's time, NaN if there
    is none. These two grids reach past the end of `power`; they are the only data of the future in a panel.
    `kept_out` has the slots of `power`: 1 for a spike in quarantine, 2 for stuck telemetry in quarantine. `lateness` is
    the delay of each value beyond its usual time, in minutes. Both are empty if no feature reads them or they are
    unknown.

    The grids hold the state at `known_at`. `patches` change them later, in order of `available_at`: late rows,
    corrections, forecast vintages. A panel without patches is a live window. Slot `i` of power is never read for an
    issue time before its time + `delay_minutes`, so values that were available by then need no patch.
    """

    region: str
    known_at: np.datetime64
    power: Grid
    weather: Grid = field(default_factory=Grid.none)
    forecast: Grid = field(default_factory=Grid.none)
    weather_forecast: Grid = field(default_factory=Grid.none)
    kept_out: Grid = field(default_factory=Grid.none)
    lateness: Grid = field(default_factory=Grid.none)
    patches: Patches = field(default_factory=Patches.none)
    delay_minutes: int = 0

    def grid(self, part: Part) -> Grid:
        """The grid with this number in patches."""
        grid: Grid = getattr(self, part.name.lower())
        return grid

    @property
    def series(self) -> tuple[str, ...]:
        """The columns of power."""
        return self.power.names

    @property
    def start(self) -> np.datetime64:
        """Time of the first slot of power."""
        return self.power.start

    @property
    def step_minutes(self) -> int:
        """Distance of the slots of power."""
        return self.power.step_minutes

    @property
    def times(self) -> Times:
        """`valid_at` of every slot of power, shape (time,)."""
        return self.power.times

    @property
    def end(self) -> np.datetime64:
        """`valid_at` of the last slot of power."""
        return self.power.end
