"""Requests and answers of the API. Times are ISO 8601 in UTC with a Z, values in MW, null where there is no answer."""

from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

MAX_ROWS = 40_000

Cell = FiniteFloat | None
Row = dict[str, str | FiniteFloat | None]

_EXAMPLE_ROWS = [
    {"valid_at": "2019-06-30T23:50:00Z", "N.Y.C.": 7631.2, "NORTH": 402.1, "WEST": 1803.0},
    {"valid_at": "2019-06-30T23:55:00Z", "N.Y.C.": 7614.9, "NORTH": 399.7, "WEST": 1798.4},
]


class Columns(BaseModel):
    """Observations column by column: as many cells in each line of `data` as there are `columns`."""

    model_config = ConfigDict(extra="forbid")

    columns: Annotated[list[str], Field(min_length=1, max_length=200)]
    data: Annotated[list[list[str | FiniteFloat | None]], Field(max_length=MAX_ROWS)]

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        width = len(self.columns)
        for number, line in enumerate(self.data):
            if len(line) != width:
                raise ValueError(f"line {number} of data has {len(line)} cells, there are {width} columns")
        if len(set(self.columns)) != width:
            raise ValueError("a column occurs twice")
        return self


class Observations(BaseModel):
    """Recent observations, oldest first: `valid_at` and a value for each zone; give `rows` or `split`.

    Further keys are `forecast.<series>` (the operator's own forecast, also for the hours to come) and the region's
    weather variables. `/v1/models` says how much history the model needs.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"rows": _EXAMPLE_ROWS}]})

    rows: Annotated[list[Row], Field(max_length=MAX_ROWS)] | None = None
    split: Columns | None = None
    issue_time: AwareDatetime | None = Field(None, description="The newest observation's time if absent.")
    series: list[str] | None = None
    horizon: list[int] | None = Field(None, description="Minutes ahead; all if absent.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.rows is None) == (self.split is None):
            raise ValueError("give either rows or split")
        return self

    def columns(self) -> dict[str, list[Any]]:
        """Values by column name; a key that a row lacks is null."""
        if self.split is not None:
            return {name: [line[i] for line in self.split.data] for i, name in enumerate(self.split.columns)}
        rows = self.rows or []
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in names}


class ShortRequest(Observations):
    """The short form: like the long one, with the region beside."""

    region: str | None = Field(None, description="The service's default region if absent.")


class ModelIdentity(BaseModel):
    """Which model answered, with which calibration."""

    version: str
    digest: str
    kind: str
    calibration_id: str


class SeriesNowcast(BaseModel):
    """One series: quantiles by horizon, aligned with `horizon_min` of the answer."""

    series: str
    quality: str = Field(description="full, reduced, persistence or refused.")
    origin_mw: float | None = Field(description="The last known value.")
    age_minutes: float | None = Field(description="How old it was at the issue time.")
    quantiles: dict[str, list[float | None]] = Field(description="MW by level, q05 to q95; q50 is the nowcast.")


class NowcastAnswer(BaseModel):
    """A nowcast with all that is needed to judge it."""

    region: str
    issue_time: str
    valid_at: list[str]
    horizon_min: list[int]
    unit: str = "MW"
    newest_observation_age_minutes: float | None
    quality: str = Field(description="The worst of the series'.")
    flags: list[str] = Field(description="What was missing.")
    model: ModelIdentity
    nowcasts: list[SeriesNowcast]


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
    quality: str


class ShortAnswer(BaseModel):
    """The short form's answer: one row a series and horizon."""

    region: str
    issue_time: str
    newest_observation_age_minutes: float | None
    quality: str
    flags: list[str]
    model: ModelIdentity
    rows: list[ShortRow]


class ModelCard(BaseModel):
    """What is loaded for a region."""

    region: str
    model: ModelIdentity
    train_start: str
    train_end: str
    calibrated_until: str
    history_minutes: int = Field(description="History that gives the full accuracy.")
    minimum_history_minutes: int
    columns: list[str] = Field(description="Columns that observations may have.")
    from_disk: bool = Field(description="The registry did not answer; this is the last good version.")


class RegionCard(BaseModel):
    """A region of the service."""

    name: str
    title: str
    timezone: str
    interval_minutes: int
    series: list[str]
    horizon_min: list[int]


class Health(BaseModel):
    """The process is alive."""

    status: str = "ok"


class Readiness(BaseModel):
    """Whether every region has a model, and how old its data are."""

    ready: bool
    regions: dict[str, str]
    newest_observation: dict[str, str | None]
