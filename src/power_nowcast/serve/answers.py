"""Between the schemas and the nowcaster: panels from requests, answers from nowcasts."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl

from power_nowcast.contracts import MEDIAN, Panel
from power_nowcast.errors import SourceFormatError
from power_nowcast.features.panel import from_rows
from power_nowcast.live.model_slot import Loaded
from power_nowcast.live.nowcaster import Nowcast, Quality
from power_nowcast.regions import Region
from power_nowcast.scoring import label
from power_nowcast.serve.schemas import (
    ModelIdentity,
    NowcastAnswer,
    Observations,
    SeriesNowcast,
    ShortAnswer,
    ShortRow,
)


def panel_of(region: Region, asked: Observations) -> Panel:
    """The panel of observations that a caller brings.

    Raises:
        SourceFormatError: a column is missing, unknown or of mixed kinds.
    """
    columns = asked.columns()
    for name, values in columns.items():
        texts = [value for value in values if isinstance(value, str)]
        if (name == "valid_at") != bool(texts) or (name == "valid_at" and len(texts) != len(values)):
            kind = "a time as text" if name == "valid_at" else "a number or null"
            raise SourceFormatError(
                f"Column {name}: not every value is {kind}.",
                remedy="Correct the rows and send them again.",
                column=name,
            )
    frame = pl.DataFrame(
        {
            name: pl.Series(name, values, pl.String if name == "valid_at" else pl.Float64, strict=False)
            for name, values in columns.items()
        }
    )
    return from_rows(region, frame)


def minute(time: datetime) -> np.datetime64:
    """A time as arrays hold it, to the minute."""
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "m")


def iso(time: np.datetime64) -> str:
    """ISO 8601 with a Z."""
    return f"{time.astype('datetime64[s]')}Z"


def identity(loaded: Loaded, calibration_id: str | None = None) -> ModelIdentity:
    """Which model answers."""
    bundle = loaded.bundle
    return ModelIdentity(
        version=loaded.version,
        digest=bundle.digest,
        kind=bundle.info.kind,
        calibration_id=calibration_id or loaded.nowcaster.calibration.id,
    )


def answer_of(
    loaded: Loaded, nowcast: Nowcast, series: Sequence[str] | None, horizons: Sequence[int] | None
) -> NowcastAnswer:
    """The long form; `series` and `horizons` choose what is in it.

    Raises:
        UnknownSeriesError, UnknownHorizonError: the region has none such.
    """
    region = loaded.bundle.region
    names = [region.check_series(name) for name in series or nowcast.series]
    steps = [region.check_horizon(step) for step in horizons or nowcast.steps_minutes]
    places = [nowcast.steps_minutes.index(step) for step in steps]
    chosen = []
    for name in names:
        s = nowcast.series.index(name)
        chosen.append(
            SeriesNowcast(
                series=name,
                quality=nowcast.quality[s].value,
                origin_mw=_number(nowcast.origin_mw[s]),
                age_minutes=_number(nowcast.age_minutes[s]),
                quantiles={
                    f"q{label(level)}": [_number(nowcast.values[s, h, q]) for h in places]
                    for q, level in enumerate(nowcast.quantiles)
                },
            )
        )
    shown = [nowcast.quality[nowcast.series.index(name)] for name in names]
    ages = nowcast.age_minutes[np.isfinite(nowcast.age_minutes)]
    return NowcastAnswer(
        region=nowcast.region,
        issue_time=iso(nowcast.issue_time),
        valid_at=[iso(nowcast.issue_time + np.timedelta64(step, "m")) for step in steps],
        horizon_min=steps,
        newest_observation_age_minutes=float(ages.min()) if len(ages) else None,
        quality=max(shown, key=list(Quality).index).value,
        flags=list(nowcast.flags),
        model=identity(loaded, nowcast.calibration_id),
        nowcasts=chosen,
    )


def short_of(answer: NowcastAnswer) -> ShortAnswer:
    """The same answer, one row a series and horizon."""
    rows = [
        ShortRow(
            series=one.series,
            valid_at=valid_at,
            horizon_min=step,
            quality=one.quality,
            yhat=list(one.quantiles.values())[MEDIAN][h],
            **{name: values[h] for name, values in one.quantiles.items()},
        )
        for one in answer.nowcasts
        for h, (step, valid_at) in enumerate(zip(answer.horizon_min, answer.valid_at, strict=True))
    ]
    shared = answer.model_dump(
        include={"region", "issue_time", "newest_observation_age_minutes", "quality", "flags", "model"}
    )
    return ShortAnswer(**shared, rows=rows)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
