"""The alarms of a region as an answer."""

from datetime import datetime

from pydantic import BaseModel, Field

from power_nowcast.monitor.alarms import alarms
from power_nowcast.serve.answers import iso
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
