"""The class of a family of features, and the inputs that it reads."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import Floats, Panel
from power_nowcast.features.local_time import LocalSlots
from power_nowcast.features.spec import DAY_MINUTES, FeatureSpec
from power_nowcast.features.state import State
from power_nowcast.regions import Region


@dataclass(frozen=True)
class Scope:
    """The facts that decide which features exist: the region, the choice of features, and the columns of the panel."""

    region: Region
    spec: FeatureSpec
    series: tuple[str, ...]
    has_forecast: bool = False
    weather: tuple[str, ...] = ()
    weather_forecast: tuple[str, ...] = ()

    @classmethod
    def of(cls, panel: Panel, region: Region, spec: FeatureSpec) -> "Scope":
        """The scope of a panel."""
        told = bool(panel.forecast.values.size), panel.weather.names, panel.weather_forecast.names
        return cls(region, spec, panel.series, *told)


class Rows(NamedTuple):
    """The rows to fill: `origin` (issue, series) is the slot of the last known value, -1 for none; `columns` (series,)
    are the places of the series in the panel.
    """

    origin: NDArray[np.int64]
    columns: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class View:
    """The grids of a panel as known at a time, and the rows that a family fills from them.

    `scale` (issue, series) is what features in MW are measured in.
    """

    state: State
    rows: Rows
    scale: Floats

    def part(self, issues: slice, series: slice) -> "View":
        """The view of some of the rows."""
        # Of one layout, so that kernels are compiled once.
        origin = np.ascontiguousarray(self.rows.origin[issues, series])
        scale = np.ascontiguousarray(self.scale[issues, series])
        return View(self.state, Rows(origin, self.rows.columns[series]), scale)

    @property
    def panel(self) -> Panel:
        return self.state.panel

    @property
    def region(self) -> Region:
        return self.state.region

    @property
    def spec(self) -> FeatureSpec:
        return self.state.spec

    @property
    def step(self) -> int:
        """Minutes from one slot of power to the next."""
        return self.state.panel.step_minutes

    @property
    def per_day(self) -> int:
        """Slots of a day."""
        return DAY_MINUTES // self.step

    @property
    def hour(self) -> int:
        """Slots of an hour, at least one."""
        return max(1, 60 // self.step)

    @property
    def local(self) -> LocalSlots:
        """Local time of every slot of power and of the day after."""
        return self.state.local

    @cached_property
    def knots(self) -> NDArray[np.int64]:
        """The knots in slots."""
        return self.slots(self.spec.knots)

    def slots(self, minutes: tuple[int, ...]) -> NDArray[np.int64]:
        """Spans in slots, at least one each."""
        return in_slots(minutes, self.step)


@lru_cache(maxsize=256)
def in_slots(minutes: tuple[int, ...], step: int) -> NDArray[np.int64]:
    """Spans in slots of `step` minutes, at least one each."""
    return np.maximum(1, np.asarray(minutes, np.int64) // step)


class Family(ABC):
    """A family of features: a file of its own, and one line in the register `families.FAMILIES`."""

    name: ClassVar[str]
    labels: ClassVar[Mapping[str, str]]
    """Labels of its features for people: for each label, the pattern of the names without the horizon."""
    in_mw: ClassVar[bool] = False
    """Whether its features are in MW; for wind and solar power they are then divided by the view's scale."""

    def applies(self, scope: Scope) -> bool:  # noqa: ARG002 - most families always do
        """Whether this family has features in the scope."""
        return True

    @abstractmethod
    def common_names(self, scope: Scope) -> list[str]:
        """Columns that serve every horizon."""

    def knot_names(self, scope: Scope) -> list[str]:  # noqa: ARG002 - many families have none
        """Columns of one knot."""
        return []

    @abstractmethod
    def fill(self, out: NDArray[np.float32], view: View) -> None:
        """Write `common_names`, then `knot_names` of each knot, into `out` (issue, series, feature), which holds NaN.

        Rows without an origin stay NaN. No value may depend on which other rows are filled.
        """
