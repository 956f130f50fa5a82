"""What is drawn from a nowcast by its dependence between horizons: sample paths, and chances that are counted in them.

Of a region that this process follows both belong to its newest publication: no model runs for them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from power_nowcast.live.nowcaster import Nowcast, Nowcaster
from power_nowcast.live.present import Edition
from power_nowcast.serve.answers import answer_of_published, paths_of
from power_nowcast.serve.chances import Happening, chances_of
from power_nowcast.serve.schemas import ChancesAnswer, NowcastAnswer
from power_nowcast.serve.service import Service, check

PEAK_PATHS = 1000
"""Number of sample paths behind peaks and troughs, even where a request asks for fewer."""
CHANCE_PATHS = 4000
"""Number of sample paths behind a chance: its standard error is at most .008."""


class Part(NamedTuple):
    """The part of a nowcast that a request is about; None is all, and for `issue_time` the present."""

    region: str
    series: Sequence[str] | None
    horizons: Sequence[int] | None
    issue_time: str | None


def sample_paths(service: Service, part: Part, count: int, seed: int) -> bytes:
    """The answer with peak, trough and `count` sample paths, as JSON; of a publication it is made once.

    Raises:
        NowcastError: as `Service.edition` and `Service.made`.
    """

    def make() -> bytes:
        answer, nowcast, nowcaster = _basis(service, part, edition)
        drawn = nowcaster.paths(nowcast, max(count, PEAK_PATHS), seed)
        return paths_of(answer, nowcast, drawn, told=count, seed=seed).model_dump_json().encode()

    edition = _edition(service, part)
    name = f"paths {part.series} {part.horizons} {count} {seed}"
    return make() if edition is None else service.present.once(edition, name, make)


def chances(service: Service, part: Part, happening: Happening, within: int | None) -> ChancesAnswer:
    """The chance that something happens within so many minutes, by default within the longest horizon.

    Raises:
        UnknownRegionError, UnknownSeriesError, UnknownHorizonError: there is no such region, series or horizon.
    """
    region = service.of(part.region).region
    last = region.check_horizon(max(region.steps_minutes) if within is None else within)
    answer, nowcast, nowcaster = _basis(service, part, _edition(service, part))
    drawn = nowcaster.paths(nowcast, CHANCE_PATHS)
    steps = [step for step in region.steps_minutes if step <= last]
    return chances_of(answer, nowcast, drawn, happening, steps)


def _edition(service: Service, part: Part) -> Edition | None:
    """The publication that a request is about, if the version that made it is in memory."""
    one = service.of(part.region)
    check(one.region, part.series, part.horizons)
    edition = None if part.issue_time is not None else service.edition(part.region)
    if edition is None or one.slot.current.bundle.digest != edition.published.nowcast.model_digest:
        return None
    return edition


def _basis(service: Service, part: Part, edition: Edition | None) -> tuple[NowcastAnswer, Nowcast, Nowcaster]:
    if edition is None:
        return service.made(*part)
    one, published = service.of(part.region), edition.published
    answer = answer_of_published(one.region, published, part.series, part.horizons)
    return answer, published.nowcast, Nowcaster(one.slot.current.bundle)
