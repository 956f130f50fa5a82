"""Requests and answers of the API. Times are ISO 8601 in UTC with a Z, values in MW, null where there is no answer."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from power_nowcast.contracts.rungs import Rung
from power_nowcast.live.nowcaster import Quality
from power_nowcast.store.events import Kind

MAX_ROWS = 40_000
EARLIEST, LATEST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
EXAMPLE_TIME = "2019-06-30T23:55:00Z"


def _iso_text(value: object) -> object:
    # Otherwise seconds since 1970, as number or text, would pass for a time.
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or value[4:5] != "-":
        raise ValueError(f"write an ISO time such as {EXAMPLE_TIME}")
    return value


def _in_range(value: datetime) -> datetime:
    if not EARLIEST <= value < LATEST:
        raise ValueError(f"must lie between {EARLIEST.year} and {LATEST.year}")
    return value.astimezone(UTC)


Time = Annotated[AwareDatetime, BeforeValidator(_iso_text), AfterValidator(_in_range)]
"""An ISO time with an offset, as UTC."""

Reading = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e7, le=1e7)]
"""A measured value; null, not NaN, says that it is unknown."""

Cell = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]})]
# `observations` checks cells column by column: many times faster, and with better messages, than one by one here.
Row = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {"valid_at": {"type": "string", "format": "date-time"}},
            "required": ["valid_at"],
            "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        }
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Columns(_Strict):
    """Observations column by column: as many cells in each line of `data` as there are `columns`."""

    columns: Annotated[list[str], Field(min_length=1, max_length=200)]
    data: Annotated[list[list[Cell]], Field(max_length=MAX_ROWS)]
    index: Annotated[list[Cell], Field(max_length=MAX_ROWS)] | None = Field(
        None, description="Labels of the lines, as pandas writes them; they are ignored."
    )

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        width = len(self.columns)
        for number, line in enumerate(self.data):
            if len(line) != width:
                raise ValueError(f"line {number} of data has {len(line)} cells, there are {width} columns")
        if len(set(self.columns)) != width:
            raise ValueError("a column occurs twice")
        if self.index is not None and len(self.index) != len(self.data):
            raise ValueError(f"index has {len(self.index)} labels, data has {len(self.data)} lines")
        return self


class Observations(_Strict):
    """Recent observations: `valid_at` (the interval's end) and a value in MW for each zone; give `rows` or `split`.

    Further keys are `forecast.<series>` (the operator's own forecast, also for the hours to come), the region's weather
    variables and `forecast.<variable>` where it has forecasts of them. Unknown values are null or left out.
    `/v1/models` says how much history the model needs.
    """

    rows: Annotated[list[Row], Field(max_length=MAX_ROWS)] | None = None
    split: Columns | None = None
    issue_time: Time | None = Field(None, description="The newest observation's time if absent.")
    series: list[str] | None = Field(None, description="Only these; all if absent.")
    horizon: list[int] | None = Field(None, description="Minutes ahead; all if absent.")
    calibration_id: str | None = Field(
        None, description="Answer with this calibration; with the one in force at the issue time if absent."
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.rows is None) == (self.split is None):
            raise ValueError("give either rows or split")
        return self

    def columns(self) -> dict[str, list[Any]]:
        """Cells by column name; a key that a row lacks is null."""
        if self.split is not None:
            return {name: [line[i] for line in self.split.data] for i, name in enumerate(self.split.columns)}
        rows = self.rows or []
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}


class ShortRequest(Observations):
    """The short form: the long form with the region in it."""

    region: str | None = Field(None, description="The service's default region if absent.")


class ModelIdentity(BaseModel):
    """The model that answered, and its calibration."""

    name: str = Field(description="Registered model.")
    version: str
    digest: str
    kind: str
    calibration_id: str


class Facts(BaseModel):
    """What is needed to judge an answer."""

    region: str
    issue_time: str = Field(description="The answer uses what was known then, and nothing later.")
    answered_at: str
    live: bool = Field(description="Whether the issue time is the present; false for answers about the past.")
    newest_observation: str
    newest_observation_age_minutes: float = Field(description="At the issue time.")
    quality: Quality = Field(description="The worst of the series'.")
    rung: Rung = Field(description="The lowest rung of the series'.")
    flags: list[str] = Field(
        description="What was missing; and `inside training data` or `before training data` where the model has learnt "
        "from outcomes of that time, or of later ones: such an answer says nothing about the model's accuracy."
    )
    model: ModelIdentity


class SeriesNowcast(BaseModel):
    """One series: quantiles by horizon, aligned with `horizon_min` of the answer."""

    series: str
    quality: Quality
    rung: Rung = Field(description="How the answer was made when not everything was there; best first in the schema.")
    reasons: list[str] = Field(description="Why it is this rung, and why answers of better rungs were held back.")
    origin_mw: float | None = Field(
        description="The last known value; of a total without some of its zones, what it is by the others."
    )
    age_minutes: float | None = Field(description="How old it was at the issue time.")
    quantiles: dict[str, list[float | None]] = Field(description="MW by level, q05 to q95; q50 is the nowcast.")


class SourceState(BaseModel):
    """The newest data of a table."""

    table: str
    newest: str | None = Field(description="Time of the newest value; of a forecast, when it became known.")
    age_minutes: float | None = Field(description="At `published_at`.")


class AdjustedSeries(BaseModel):
    """A series that a person has adjusted; the model's own stands among the nowcasts."""

    series: str
    adjustment_mw: float = Field(description="What was to be added; ramps beyond all history are not made.")
    why: str = Field(description="The reason, who decided it, and when it ends.")
    quantiles: dict[str, list[float | None]] = Field(description="MW by level, q05 to q95, by horizon.")


class NowcastAnswer(Facts):
    """A nowcast with all that is needed to judge it."""

    published_at: str | None = Field(None, description="When it was published; null for an answer made on request.")
    expires_at: str | None = Field(None, description="When the next one is due; null for an answer made on request.")
    caught_up: bool = Field(False, description="Whether it was made after its interval, from what was known then.")
    sources: list[SourceState] = Field([], description="Age of the data by table; empty for an answer made on request.")
    unit: str = "MW"
    horizon_min: list[int]
    valid_at: list[str]
    nowcasts: list[SeriesNowcast]
    adjusted: list[AdjustedSeries] = Field([], description="Series that a person has adjusted, beside the model's.")


class SeriesPaths(BaseModel):
    """One series: its highest and lowest value over the requested horizons, and sample paths."""

    series: str
    quality: Quality
    peak: dict[str, float | None] = Field(description="The highest value, MW by level, q05 to q95.")
    trough: dict[str, float | None] = Field(description="The lowest value, MW by level.")
    paths: list[list[float | None]] = Field(description="Equally likely sample paths, each aligned with `horizon_min`.")


class PathsAnswer(Facts):
    """Sample paths of the coming hour; at each horizon they have the quantiles of the nowcast."""

    unit: str = "MW"
    horizon_min: list[int]
    valid_at: list[str]
    seed: int
    series: list[SeriesPaths]


class SeriesChance(BaseModel):
    """One series: the chance that it happens."""

    series: str
    quality: Quality
    origin_mw: float | None = Field(description="The last known value.")
    probability: float | None = Field(description="0 to 1: the share of the sample paths on which it happens.")


class ChancesAnswer(Facts):
    """The chance that something happens between the issue time and `within_min` minutes after it."""

    above_mw: float | None = Field(description="It happens if the series exceeds this value.")
    below_mw: float | None = Field(description="It happens if the series falls below this value.")
    ramp_mw: float | None = Field(
        description="It happens if the series rises by at least this from `origin_mw`; falls, if it is negative."
    )
    within_min: int
    path_count: int = Field(description="Number of sample paths that were counted.")
    series: list[SeriesChance]


class ShortRow(BaseModel):
    """One series and horizon; `yhat` is the median."""

    series: str
    valid_at: str
    horizon_min: int
    yhat: float | None
    q05: float | None
    q10: float | None
    q25: float | None
    q50: float | None
    q75: float | None
    q90: float | None
    q95: float | None
    quality: Quality


class ShortAnswer(Facts):
    """The short form's answer: one row a series and horizon."""

    rows: list[ShortRow]


class HistoryRow(BaseModel):
    """One issue time, series and step: what was published, and what came. Null as long as it is not known."""

    issue_time: str
    series: str
    horizon_min: int
    valid_at: str
    published_at: str
    is_live: bool = Field(description="False if it was caught up after its interval.")
    quality: Quality
    model_version: str
    origin_mw: float | None = Field(description="The last known value at the issue time.")
    median_mw: float | None
    q05: float | None = Field(description="MW, as the other quantiles.")
    q10: float | None
    q25: float | None
    q50: float | None
    q75: float | None
    q90: float | None
    q95: float | None
    first_mw: float | None = Field(description="The value of `valid_at` that was published first.")
    actual_mw: float | None = Field(description="Its newest value, after corrections.")
    error_mw: float | None = Field(description="The median minus `first_mw`.")
    pinball_mw: float | None = Field(description="Mean over the quantiles, against `first_mw`.")
    is_inside_80: bool | None = Field(description="Whether `first_mw` is within the band of 80 %.")
    rung: Rung = Field(description="How the answer was made when not everything was there.")
    adjusted_mw: float | None = Field(description="The median that a person has adjusted, null without an adjustment.")
    adjusted_error_mw: float | None = Field(description="It minus `first_mw`.")


class EventCard(BaseModel):
    """What happened."""

    region: str
    at: str
    kind: Kind
    about: str = Field(description="A series, a table or a model version; empty for the region.")
    what: str = Field(description="A sentence.")


class ModelCard(BaseModel):
    """The model that is loaded for a region; `model` names the calibration in force."""

    region: str
    model: ModelIdentity
    frozen_calibration_id: str = Field(
        description="The calibration in the artifact, which MLflow's server answers with."
    )
    train_start: str
    train_end: str
    calibrated_until: str
    created_at: str
    git_sha: str
    history_minutes: int = Field(description="History that gives the full accuracy.")
    minimum_history_minutes: int
    columns: list[str] = Field(description="Columns that observations may have.")
    from_disk: bool = Field(description="The registry's version was not available; this is the last good one.")
    trouble: str | None = Field(description="Why the registry's version does not answer.")


class RegionCard(BaseModel):
    """A region of the service."""

    name: str
    title: str
    timezone: str
    interval_minutes: int
    series: list[str]
    horizon_min: list[int]
    archive: bool = Field(description="Its data are of the past and do not grow: answers are for their newest moment.")


class Health(BaseModel):
    """The process is alive."""

    status: str = "ok"
    version: str


class RegionState(BaseModel):
    """One region's readiness."""

    ready: bool
    reason: str = Field(description="Why not, empty if ready.")
    model_version: str | None
    newest_observation: str | None
    newest_observation_age_minutes: float | None = Field(description="Now.")


class Readiness(BaseModel):
    """Whether every region has a model and observations that are new enough."""

    ready: bool
    regions: dict[str, RegionState]


class Problem(BaseModel):
    """An RFC 9457 problem, with the error's own fields beside."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    remedy: str | None = None
    instance: str
