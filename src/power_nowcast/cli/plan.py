"""From the commands' options to a plan for a region's features."""

from typing import TYPE_CHECKING, Any

from power_nowcast.errors import ConfigurationError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.regions import Region

if TYPE_CHECKING:
    from power_nowcast.jobs.job import Job, Plan


def plan(
    job: "Job",
    days: int | None,
    horizon: int,
    lags: str | None,
    rolling: str | None,
    every: int | None,
    valid_days: int,
    test_days: int,
) -> "Plan":
    """The plan that a command's options describe.

    Raises:
        ConfigurationError: an option does not fit the region.
    """
    from power_nowcast.jobs.job import EVERY_MINUTES, Plan

    step = job.region.interval_minutes
    if every is not None and every % step:
        raise off_grid(job.region, "every", str(every))
    return Plan(
        spec(job.region, horizon, lags, rolling), every or max(EVERY_MINUTES, step), days, valid_days, test_days
    )


def spec(region: Region, horizon: int, lags: str | None, rolling: str | None) -> FeatureSpec:
    """The requested features: `lags` and `rolling` as minutes, "5,15,30"; the region's defaults if None.

    Raises:
        UnknownHorizonError: the region has no nowcasts so many minutes ahead.
        ConfigurationError: a text is not a list of minutes, or is off the region's grid.
    """
    region.check_horizon(horizon)
    changes: dict[str, Any] = {}
    for name, text in (("lags", lags), ("rolling", rolling)):
        if text is not None:
            changes[name] = _minutes(name, text)
            if any(span % region.interval_minutes for span in changes[name]):
                raise off_grid(region, name, text)
    default = FeatureSpec.for_interval(region.interval_minutes, **changes)
    # One knot beyond the horizon remains, for late data.
    keep = [knot for knot in default.knots if knot < horizon]
    beyond = [knot for knot in default.knots if knot > horizon]
    knots = (*keep, horizon, *(beyond[:1] or [horizon + 15]))
    return FeatureSpec.for_interval(region.interval_minutes, **changes, knots=knots)


def off_grid(region: Region, name: str, text: str) -> ConfigurationError:
    """The error for a span that is not a multiple of the region's interval."""
    step = region.interval_minutes
    return ConfigurationError(
        f"--{name} {text}: {region.name} has a value every {step} minutes, so these must be multiples of {step}.",
        remedy=f"Write for example --{name} {step if name == 'every' else f'{step},{2 * step}'}.",
        option=name,
    )


def _minutes(name: str, text: str) -> tuple[int, ...]:
    try:
        found = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        found = ()
    if not found or found[0] <= 0:
        raise ConfigurationError(
            f"--{name} {text!r} is no list of minutes.", remedy=f"Write for example --{name} 5,15,30,60.", option=name
        )
    return found
