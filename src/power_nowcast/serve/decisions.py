"""What administrators decide: their requests, and the answers. `live.interventions` says what a decision does."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from power_nowcast.live.changes import Change, State
from power_nowcast.live.interventions import ADJUST, MARK, Intervention, in_force, interventions
from power_nowcast.serve.answers import iso, number
from power_nowcast.serve.schemas import Reading, Time
from power_nowcast.store import Store


def _said(text: str) -> str:
    told = " ".join(text.split())
    if not told or not told.isprintable():
        raise ValueError("say why, in printable characters")
    return told


type Kind = Literal["mark", "adjust"]
Reason = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_said)]
"""Why a person decides something: one line."""


class Decision(BaseModel):
    """A mark, which takes a zone's telemetry out, or an adjusted series beside the model's."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"kind": "mark", "series": "NORTH", "until": "2026-03-01T18:00:00Z", "reason": "the meter drifts"},
                {
                    "kind": "adjust",
                    "series": "NYCA",
                    "adjustment_mw": 150,
                    "until": "2026-03-01T20:00:00Z",
                    "reason": "a stadium opens",
                },
            ]
        },
    )

    kind: Kind
    series: str = Field(description="A zone for a mark, any series for an adjustment.")
    until: Time = Field(description="The last time that it is about.")
    since: Time | None = Field(None, description="Of a mark: the values after this time are out; now if absent.")
    adjustment_mw: Reading | None = Field(None, description="Of an adjustment: what is added to the median, in MW.")
    reason: Reason

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> Self:
        if self.kind == ADJUST and (self.since is not None or not self.adjustment_mw):
            raise ValueError("an adjustment has adjustment_mw, which is not 0, and no since")
        if self.kind == MARK and self.adjustment_mw is not None:
            raise ValueError("a mark has no adjustment_mw")
        return self

    def made(self, now: datetime, person: str) -> Intervention:
        """The decision of a person at a time."""
        since = min(self.since or now, now)
        return Intervention(
            self.kind, self.series, now, since, self.until, self.adjustment_mw or 0.0, self.reason, person
        )


class DecisionCard(BaseModel):
    """A decision that is in force."""

    kind: Kind
    series: str
    at: str = Field(description="When it was decided.")
    since: str = Field(description="Of a mark: the values after this time are out.")
    until: str = Field(description="The last time that it is about.")
    adjustment_mw: float | None = Field(description="What is added to the median; null for a mark.")
    reason: str
    person: str = Field(description="The name of the key, or the person that a command named.")


def decision_card(one: Intervention) -> DecisionCard:
    """The card of a decision."""
    return DecisionCard(
        kind=MARK if one.kind == MARK else ADJUST,
        series=one.series,
        at=iso(one.at),
        since=iso(one.since),
        until=iso(one.until),
        adjustment_mw=None if one.kind == MARK else number(one.mw),
        reason=one.reason,
        person=one.person,
    )


def standing(store: Store, region: str, now: datetime) -> list[DecisionCard]:
    """The marks and adjustments of a region that are in force, oldest first.

    Raises:
        StoreError: the table is damaged.
    """
    return [decision_card(one) for one in in_force(interventions(store, region, known_at=now), now)]


class Promotion(BaseModel):
    """A version that should answer, if the rule of promotion allows it."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"version": "candidate", "reason": "a week in the shadow"}]}
    )

    version: Annotated[str, Field(pattern=r"^[\w.]{1,64}$")] = Field(
        "candidate", description="Its number, or an alias."
    )
    reason: Reason


class Rollback(BaseModel):
    """The way back to the version before."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"from_version": "3", "reason": "too high since Monday"}]}
    )

    from_version: str = Field(
        max_length=64, description="The version that answers. If it is another one, nothing happens."
    )
    reason: Reason


class ChangeCard(BaseModel):
    """A promotion or a rollback that was asked of this service."""

    region: str
    version: str | None = Field(description="The version or alias to promote; null for a rollback.")
    state: State
    told: list[str] = Field(description="The reasons of the rule; or why it failed, and what to do.")
    person: str = Field(description="The name of the key.")
    reason: str
    asked_at: str
    ended_at: str | None


def change_card(one: Change) -> ChangeCard:
    """The card of a change."""
    return ChangeCard(
        region=one.region,
        version=one.version,
        state=one.state,
        told=list(one.told),
        person=one.person,
        reason=one.reason,
        asked_at=iso(one.asked_at),
        ended_at=None if one.ended_at is None else iso(one.ended_at),
    )
