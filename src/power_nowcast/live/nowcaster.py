"""The newest window and a model make a nowcast. Quality and flags say what is late or missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.calibration_state import unpack
from power_nowcast.contracts import QUANTILES, Floats, Grid, Panel
from power_nowcast.contracts.rungs import Rung
from power_nowcast.errors import HistoryError, ModelError, StaleDataError
from power_nowcast.features.state import MAX_AGE_MINUTES
from power_nowcast.live.ladder import Ladder

HELD = "held back: "
"""Begin of the reason why an answer of a better rung was held back."""
GAP_HOURS = 3
GAP_SHARE = 0.2
INSIDE_TRAINING, BEFORE_TRAINING = "inside training data", "before training data"
"""Flags of answers for times whose outcomes the model has learnt from, and for earlier ones: such answers say nothing
about the model's accuracy."""


class Quality(StrEnum):
    """How an answer was made, best first."""

    FULL = "full"  # the model with all that it was trained on
    REDUCED = "reduced"  # the model with a family of inputs missing, or gaps in the recent hours
    PERSISTENCE = "persistence"  # data too late for the model: a rule from the last value, with wide intervals
    REFUSED = "refused"  # no value recent enough: no answer for this series


RUNG_OF = {
    Quality.FULL: Rung.ALL,
    Quality.REDUCED: Rung.INPUTS,
    Quality.PERSISTENCE: Rung.PERSISTENCE,
    Quality.REFUSED: Rung.REFUSED,
}
"""The rung of a row that was published before there were rungs."""


def quality_of(rung: Rung, *, is_whole: bool) -> Quality:
    """The quality of an answer of a rung; `is_whole`: no input is missing."""
    if rung is Rung.REFUSED:
        return Quality.REFUSED
    if not rung.is_model:
        return Quality.PERSISTENCE
    return Quality.FULL if is_whole and rung is not Rung.ZONES else Quality.REDUCED


@dataclass(frozen=True)
class Nowcast:
    """One issue time: `values` (series, step, quantile) in MW, NaN for a series that is refused.

    `age_minutes` says how old each series' last value is; `flags` name what was missing, and whether the model had
    learnt from outcomes of that time or of later ones. `rungs` and `reasons` say for each series how its answer was
    made and why.
    """

    region: str
    issue_time: np.datetime64
    series: tuple[str, ...]
    steps_minutes: tuple[int, ...]
    quantiles: tuple[float, ...]
    values: Floats
    origin_mw: Floats
    age_minutes: Floats
    quality: tuple[Quality, ...]
    flags: tuple[str, ...]
    model_digest: str
    calibration_id: str
    rungs: tuple[Rung, ...] = ()
    reasons: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        # Rows that were published before there were rungs tell the quality only.
        if not self.rungs:
            object.__setattr__(self, "rungs", tuple(RUNG_OF[one] for one in self.quality))
        if not self.reasons:
            object.__setattr__(self, "reasons", tuple(() for _ in self.series))


class Nowcaster:
    """A bundle at work, with the calibration in force."""

    def __init__(self, bundle: Bundle, calibration: Calibration | None = None) -> None:
        self.bundle = bundle
        self.calibration = calibration or bundle.calibration

    def nowcast(self, panel: Panel, issue_time: np.datetime64, *, flags: Sequence[str] = ()) -> Nowcast:
        """The nowcast of every series at `issue_time`, from what the panel holds up to then.

        `flags` name known faults of the panel; they make the quality worse, as the flags of the model do.

        Raises:
            HistoryError: the panel reaches back less far than the model's minimum history.
            StaleDataError: no series has a recent enough value.
        """
        bundle, region = self.bundle, self.bundle.region
        issue = np.datetime64(issue_time, "m")
        self._check_history(panel, issue)
        block = bundle.features(panel, np.array([issue]))
        age = block.age_minutes[0]
        if not np.isfinite(age).any():
            newest = _newest(panel, issue)
            raise StaleDataError(
                f"The newest observation of {region.name}: {newest or 'none'}. The issue time: {issue} UTC.",
                remedy=f"Ingest or send values of the last {MAX_AGE_MINUTES} minutes before the issue time.",
                region=region.name,
                issue_time=f"{issue}Z",
                newest=newest,
            )
        missing = (*self.flags(panel, issue), *flags)
        answers = Ladder(bundle, self.calibration, panel, block, missing, region.power.delay_minutes).answers()
        told = (*missing, *(["zones missing"] if any(one.rung is Rung.ZONES for one in answers) else []))
        return Nowcast(
            region=region.name,
            issue_time=issue,
            series=block.series,
            steps_minutes=region.steps_minutes,
            quantiles=QUANTILES,
            values=np.stack([one.values for one in answers]),
            origin_mw=np.array([one.origin_mw for one in answers]),
            age_minutes=np.array([one.age_minutes for one in answers]),
            quality=tuple(quality_of(one.rung, is_whole=not missing) for one in answers),
            flags=(*told, *self._training_flags(issue)),
            model_digest=bundle.digest,
            calibration_id=self.calibration.id,
            rungs=tuple(one.rung for one in answers),
            reasons=tuple((*one.reasons, *(f"{HELD}{why}" for why in one.held)) for one in answers),
        )

    def paths(self, nowcast: Nowcast, count: int, seed: int = 0) -> Floats:
        """Sample paths in MW through the steps of a nowcast of this bundle, shape (series, path, step).

        NaN for a series that is refused. The greatest value of a path is a draw of the coming hour's peak.
        """
        return self.bundle.paths(nowcast.issue_time, nowcast.values, nowcast.age_minutes, count, seed)

    def _check_history(self, panel: Panel, issue: np.datetime64) -> None:
        # Usually the first row has values, and the search ends there.
        begin = next((n for n, row in enumerate(panel.power.values) if np.isfinite(row).any()), len(panel.power))
        first = panel.start + begin * np.timedelta64(panel.step_minutes, "m")
        held = int((issue - first).astype(np.int64))
        if held < self.bundle.minimum_history_minutes:
            needed = self.bundle.minimum_history_minutes
            raise HistoryError(
                f"The observations reach back {max(0, held) / 60:.1f} hours from {issue} UTC; "
                f"the model needs {needed / 60:.1f}.",
                remedy=f"Send or ingest at least {needed / 60:.1f} hours; "
                f"{self.bundle.history_minutes / 60:.0f} give its full accuracy.",
                region=panel.region,
                history_minutes=held,
                needed_minutes=needed,
            )

    def _training_flags(self, issue: np.datetime64) -> tuple[str, ...]:
        """Flags of an issue time whose future the model knew; its inputs are whole, so the quality stays the same."""
        first, last = self.bundle.info.training
        if issue >= last:
            return ()
        return (INSIDE_TRAINING,) if issue >= first else (BEFORE_TRAINING,)

    def flags(self, panel: Panel, issue: np.datetime64) -> tuple[str, ...]:
        """Flags of what the model lacks: a family of inputs, some of its history, or much of the recent hours."""
        spec, region, flags = self.bundle.spec, self.bundle.region, []
        slot = min(int((issue - panel.start).astype(np.int64)) // panel.step_minutes, len(panel.power) - 1)
        if spec.weather and region.weather and not np.isfinite(panel.weather.values[slot]).any():
            flags.append("no weather")
        if spec.forecast and region.forecast and not _is_told(panel.forecast, issue):
            flags.append("no operator forecast")
        if spec.weather_forecast and region.weather_forecast and not _is_told(panel.weather_forecast, issue):
            flags.append("no weather forecast")
        if (issue - panel.start).astype(np.int64) < self.bundle.history_minutes:
            flags.append("short history")
        recent = panel.power.values[max(0, slot + 1 - GAP_HOURS * 60 // panel.step_minutes) : slot + 1]
        if np.isnan(recent).mean() > GAP_SHARE:
            flags.append("gaps in the recent hours")
        return tuple(flags)


def _is_told(forecast: Grid, issue: np.datetime64) -> bool:
    """Whether any series has a forecast for the interval that holds the issue time, and for the next one."""
    ahead = int((issue - forecast.start).astype(np.int64)) // forecast.step_minutes + 1
    rows = forecast.values[ahead : ahead + 2]
    return rows.size > 0 and bool(np.isfinite(rows).any(axis=1).all())


def _newest(panel: Panel, issue: np.datetime64) -> str | None:
    times = panel.times
    known = np.isfinite(panel.power.values).any(axis=1) & (times <= issue)
    return f"{times[known][-1]}Z" if known.any() else None


class Calibrations(Protocol):
    """A store of the states of online calibration."""

    def read_calibration(self, region: str, model_digest: str, *, at: datetime | None = None) -> str | None: ...


def calibration_in_force(records: Calibrations, bundle: Bundle, at: datetime | None = None) -> Calibration:
    """The newest state of the bundle's calibration that counts no outcome after `at`; the frozen one if there is none.

    Raises:
        ModelError: the state cannot be read, or has other series or leads than the bundle, or factors that are no
            finite numbers.
    """
    state = records.read_calibration(bundle.region.name, bundle.digest, at=at)
    if state is None:
        return bundle.calibration
    frozen = bundle.calibration
    try:
        kept = unpack(state)
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"The calibration that is kept for the model {bundle.digest[:12]} of {bundle.region.name} cannot be read: "
            f"{error}.",
            remedy="Restore the table `calibrations` of the store from a copy.",
            region=bundle.region.name,
        ) from error
    if (kept.series, kept.leads) != (frozen.series, frozen.leads) or not kept.is_whole:
        raise ModelError(
            f"The calibration that is kept for the model {bundle.digest[:12]} of {bundle.region.name} is of another "
            "model: its series, leads or factors are not those of this one.",
            remedy="Restore the table `calibrations` of the store from a copy.",
            region=bundle.region.name,
        )
    return kept
