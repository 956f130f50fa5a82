"""The newest nowcast of a region, from a registered version and the tables."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Panel, Table
from power_nowcast.contracts.times import minute
from power_nowcast.features.panel import window
from power_nowcast.features.state import MAX_AGE_MINUTES
from power_nowcast.jobs.job import Job
from power_nowcast.live.nowcaster import Nowcast, Nowcaster, calibration_in_force
from power_nowcast.live.records import not_live
from power_nowcast.live.slot import Loaded
from power_nowcast.regions import Region
from power_nowcast.regions.sun import known_until
from power_nowcast.report.terminal import Fan
from power_nowcast.serve.answers import answer_of, identity
from power_nowcast.serve.schemas import NowcastAnswer

FAN_HOURS = 4


@dataclass(frozen=True)
class Newest:
    """A nowcast, the version that made it, and the window that it was made from."""

    nowcast: Nowcast
    loaded: Loaded
    panel: Panel
    made_at: datetime

    @property
    def region(self) -> Region:
        return self.loaded.bundle.region

    def answer(self, series: list[str] | None = None) -> NowcastAnswer:
        """The API's answer for these series, by default for all."""
        model = identity(self.loaded, self.nowcast.calibration_id)
        return answer_of(self.region, model, self.nowcast, series, None, now=self.made_at, flags=not_live(self.region))

    def fan(self, series: str | None = None) -> Fan:
        """The nowcast of one series, by default of the first, with the observations before it."""
        name = series or self.region.series[0]
        panel, slots = self.panel, FAN_HOURS * 60 // self.panel.step_minutes
        return Fan(
            region=self.region,
            series=name,
            times=panel.times[-slots:],
            actual=panel.power.values[-slots:, panel.series.index(name)],
            issue_time=self.nowcast.issue_time,
            steps_minutes=self.nowcast.steps_minutes,
            values=self.nowcast.values[self.nowcast.series.index(name)],
            quantiles=self.nowcast.quantiles,
        )


def newest(
    job: Job, bundle: Bundle, version: str, *, at: datetime | None = None, now: datetime | None = None
) -> Newest:
    """The nowcast of a bundle from what the tables knew at the issue time `at`.

    Without `at` the nowcast is issued now if an observation is recent enough, and at the newest observation if none is:
    the tables of an archive end in the past.

    Args:
        job: the region and its tables.
        bundle: the model.
        version: its number in the registry.
        at: the issue time, aware.
        now: the present, aware.

    Raises:
        MissingDataError, HistoryError, StaleDataError: the tables do not allow a nowcast at that time.
    """
    present = now or datetime.now(UTC)
    moment = at or _issue_time(job, present)
    panel = window(job.store, job.region, moment)
    nowcaster = Nowcaster(bundle, calibration_in_force(job.store, bundle, moment))
    return Newest(nowcaster.nowcast(panel, minute(moment)), Loaded(nowcaster, version), panel, present)


def _issue_time(job: Job, now: datetime) -> datetime:
    last = job.store.last(Table.POWER, job.region.name, until=now)
    if last is None:
        raise job.store.no_power(job.region.name)
    is_old = now - known_until(job.region, last, now) > timedelta(minutes=MAX_AGE_MINUTES)
    return last if is_old else job.region.slot(now)
