"""Pages of the history: what was published, by issue time or by the time that it is about."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from power_nowcast.live.records import issue_times
from power_nowcast.live.scores import SCORES, scores
from power_nowcast.regions import Region
from power_nowcast.store import Store

type By = Literal["issue_time", "valid_time"]


@dataclass(frozen=True)
class Span:
    """What a page is of.

    Attributes:
        first: the first time.
        last: the last time.
        by: whether these are issue times, or times that nowcasts are about.
        limit: the most rows of a page; a page has all rows of at least one time.
    """

    first: datetime
    last: datetime
    by: By = "issue_time"
    limit: int = 20_000


def page(
    store: Store, region: Region, span: Span, series: tuple[str, ...] | None = None
) -> tuple[pl.DataFrame, datetime | None]:
    """The first page of a span, and the time with which the next page begins; None if there is no further one.

    Returns:
        Rows of `live.scores.SCORES`. By issue time they are in the order of issue time, series and step. By valid time
        the statements about one moment stand together, the earliest first: the order is valid time, series, issue time.

    Raises:
        StoreError: a table is damaged.
    """
    near, far = (timedelta(minutes=choose(region.steps_minutes)) for choose in (min, max))
    is_valid = span.by == "valid_time"
    if is_valid:
        issued = issue_times(store, region.name, span.first - far, span.last - near)
        about = {one + timedelta(minutes=step) for one in issued for step in region.steps_minutes}
        times = sorted(one for one in about if span.first <= one <= span.last)
    else:
        times = issue_times(store, region.name, span.first, span.last)
    if not times:
        return SCORES.to_frame(), None
    names = region.series if series is None else series
    count = max(1, span.limit // (len(names) * len(region.steps_minutes)))
    chosen, following = times[:count], times[count : count + 1]
    if is_valid:
        rows = scores(store, region, chosen[0] - far, chosen[-1] - near)
        rows = rows.filter(pl.col("valid_at").is_between(chosen[0], chosen[-1]))
        rows = rows.sort("valid_at", "series", "issue_time")
    else:
        rows = scores(store, region, chosen[0], chosen[-1])
    return rows.filter(pl.col("series").is_in(names)), following[0] if following else None
