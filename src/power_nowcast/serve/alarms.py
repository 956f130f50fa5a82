"""The alarms of a region as an answer, and what a person does about one."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from power_nowcast.monitor.alarms import alarms
from power_nowcast.serve.answers import iso
from power_nowcast.serve.schemas import Time
from power_nowcast.store import Store


class AlarmCard(BaseModel):
    """An alarm that stands."""

    region: str
    name: str
    text: str = Field(description="A sentence with the value and its limit, and one action.")
    critical: bool = Field(description="Nobody is served until somebody acts.")
    open: bool = Field(description="It waits for somebody: it is neither acknowledged nor shelved.")
    raised_at: str
    acknowledged_by: str = Field(description="Empty if nobody has seen it.")
    acknowledged_at: str | None
    shelved_by: str = Field(description="Empty if nobody put it away.")
    shelved_until: str | None


class Attention(BaseModel):
    """What a person does about an alarm that stands."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "slow loop", "acknowledge": True},
                {"name": "loss of a day", "shelve_until": "2026-03-01T18:00:00Z"},
            ]
        },
    )

    name: str = Field(max_length=100, description="The alarm's name.")
    acknowledge: bool = Field(False, description="Whether somebody has seen it.")
    shelve_until: Time | None = Field(
        None, description="It is told to nobody before this time; a time that is over takes it off the shelf."
    )

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.acknowledge and self.shelve_until is None:
            raise ValueError("give acknowledge, or shelve_until")
        return self


def alarm_cards(store: Store, region: str, at: datetime) -> list[AlarmCard]:
    """The alarms that stand at a moment, in the order in which they were raised.

    Raises:
        StoreError: the events cannot be read.
    """
    return [
        AlarmCard(
            region=region,
            name=one.name,
            text=one.text,
            critical=one.is_critical,
            open=one.is_open(at),
            raised_at=iso(one.raised_at),
            acknowledged_by=one.acknowledged_by,
            acknowledged_at=_iso(one.acknowledged_at),
            shelved_by=one.shelved_by,
            shelved_until=_iso(one.shelved_until),
        )
        for one in alarms(store, region, at).values()
    ]


def _iso(time: datetime | None) -> str | None:
    return None if time is None else iso(time)
