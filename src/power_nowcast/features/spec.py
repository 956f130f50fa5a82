"""The choice of features that a model reads. It is frozen and stored with the model."""

from dataclasses import asdict, dataclass
from typing import Any, Self

DAY_MINUTES = 1440
TYPE_DAYS = 28
"""Days over which a mean of the same type of day is taken, if the history reaches that far."""
SHAPE = (15, 30, 60, 90, 120, 180)
"""Ramps in minutes by which analog days are found."""
ERROR_LAGS = (15, 30, 60, 120, 180)
"""Minutes over which the change of the operator's error is taken."""


@dataclass(frozen=True)
class FeatureSpec:
    """All spans in minutes unless named otherwise. Families without data (no forecast, no weather) give no columns;
    those that a region asks for (`Region.features`) are its own choice.

    `knots` are the horizons that models are trained for, counted from the origin (the last known value); steps and late
    data are interpolated between them, so the last knot lies beyond the last step. `ranges` are the spans whose least
    and most are told, `excess` those over which today's ramp is held against that of days before; `days` and
    `type_days` count days.
    """

    knots: tuple[int, ...] = (5, 15, 30, 45, 60, 75)
    lags: tuple[int, ...] = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 75, 90, 120, 180)
    rolling: tuple[int, ...] = (15, 30, 60, 180)
    ranges: tuple[int, ...] = (180, 360, 720, 1440)
    neighbour_lags: tuple[int, ...] = (15, 60)
    excess: tuple[int, ...] = (5, 10, 15, 20, 30, 60, 120, 180)
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 14, 21, 28)
    type_days: tuple[int, ...] = (14, 28, 42)
    analog_days: int = 42
    analogs: int = 12
    smoothing: int = 10
    weather: bool = True
    forecast: bool = True
    weather_forecast: bool = True

    @classmethod
    def for_interval(cls, interval_minutes: int, **changes: Any) -> Self:
        """The default choice on a grid of this interval: every span a multiple of it.

        >>> FeatureSpec.for_interval(30).knots
        (30, 60, 90)
        """
        default = cls()

        def on_grid(spans: tuple[int, ...]) -> tuple[int, ...]:
            rounded = {max(1, round(span / interval_minutes)) * interval_minutes for span in spans}
            return tuple(sorted(rounded))

        step = -(-15 // interval_minutes) * interval_minutes
        knots = {interval_minutes, *range(step, 61, step), 60 + step}
        values: dict[str, Any] = {
            "knots": tuple(sorted(knots)),
            "lags": on_grid(default.lags),
            "excess": on_grid(default.excess),
            "rolling": tuple(w for w in on_grid(default.rolling) if w > interval_minutes),
            "ranges": on_grid(default.ranges),
            "neighbour_lags": on_grid(default.neighbour_lags),
        }
        return cls(**(values | changes))

    @property
    def reach_days(self) -> int:
        """Number of past days that the features read."""
        return max((*self.days, *self.type_days, self.analog_days))

    @property
    def history_minutes(self) -> int:
        """Minutes of history before the origin that the features read."""
        furthest_day = self.reach_days * DAY_MINUTES
        return max(furthest_day + self._about_a_slot, *self.ranges, 0)

    @property
    def minimum_history_minutes(self) -> int:
        """Below this a model would answer from almost nothing: a week and its recent hours."""
        return 7 * DAY_MINUTES + self._about_a_slot

    @property
    def _about_a_slot(self) -> int:
        """Minutes before a past day's slot: an hour for a clock change, and what recent shapes reach back."""
        return 60 + max((*self.lags, *self.rolling, *self.excess)) + self.smoothing

    def to_json(self) -> dict[str, Any]:
        """Its fields as JSON has them: lists, no tuples."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**fields)
