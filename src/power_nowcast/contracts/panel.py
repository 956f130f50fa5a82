"""What was known of a region, as dense grids: the only input of the features."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts.times import Times

type Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """What was known of one region, as dense grids: the only input of the feature kernel.

    `power[i, s]` is the load of `series[s]` at `start + i * step` (interval end), NaN where unknown.
    `weather[i, w]` is the latest report known at that slot, NaN where none is recent.
    `forecast[k, s]` is the operator's own forecast for `series[s]`, mean MW of the interval that ends at
    `forecast_start + k * forecast_step`. Its grid reaches past the power grid's end: the only part of the future in
    here, with `weather_forecast[k, v]`, the newest forecast of `weather_forecast_names[v]` that was told before
    `weather_forecast_start + k * weather_forecast_step`, NaN where none was.
    `kept_out[i, s]` is 1 where a spike and 2 where stuck telemetry is in quarantine, `lateness[i, s]` how many minutes
    after its usual time the value was known; both are empty where nobody reads them or nobody knows.

    The grids hold the state at `known_at`. `patches` change them at later times, in order of `available_at`: late rows,
    corrections, forecast vintages; a panel without patches is a live window. Row `i` of power is never read for an
    issue time before `start + i * step + delay_minutes`, so rows that came by then need no patch.
    """

    region: str
    start: np.datetime64
    step_minutes: int
    series: tuple[str, ...]
    power: Floats
    weather_names: tuple[str, ...]
    weather: Floats
    forecast_start: np.datetime64
    forecast_step_minutes: int
    forecast: Floats
    known_at: np.datetime64
    patches: "Patches" = field(default_factory=lambda: Patches.none())  # noqa: PLW0108 - Patches comes further down
    weather_forecast_names: tuple[str, ...] = ()
    weather_forecast_start: np.datetime64 = field(default_factory=lambda: np.datetime64(0, "m"))
    weather_forecast_step_minutes: int = 60
    weather_forecast: Floats = field(default_factory=lambda: np.empty((0, 0)))
    kept_out: Floats = field(default_factory=lambda: np.empty((0, 0)))
    lateness: Floats = field(default_factory=lambda: np.empty((0, 0)))
    delay_minutes: int = 0

    @property
    def times(self) -> Times:
        """`valid_at` of every slot, shape (time,)."""
        return self.start + np.arange(len(self.power)) * np.timedelta64(self.step_minutes, "m")

    @property
    def end(self) -> np.datetime64:
        """`valid_at` of the last slot."""
        return self.start + (len(self.power) - 1) * np.timedelta64(self.step_minutes, "m")


@dataclass(frozen=True)
class Patches:
    """Changes of a panel's grids, sorted by `available_at`; all arrays of shape (patch,).

    `grid` names the grid, as `features.panel` numbers them; `slot` and `column` address the cell.
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
