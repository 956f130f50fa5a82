"""What goes outside after a look: a webhook in Alertmanager's format, and a heartbeat.

Both are sent beside the watch, with a deadline. An address that does not take a message gets it again after the next
look; nothing waits for it.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from power_nowcast.monitor.alarms import Alarm
from power_nowcast.monitor.reading import heartbeat_lost_since
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind, note

logger = logging.getLogger("power_nowcast.live")

DEADLINE_SECONDS = 5.0
"""A connection, and each part of an answer, takes at most this long."""
NOT_OVER = "0001-01-01T00:00:00Z"
"""The end of an alarm that stands, as Alertmanager writes it."""


@dataclass(frozen=True)
class Look:
    """What the watch has seen.

    Attributes:
        region: the region's name.
        at: the moment.
        before: the alarms that stood before the look, by name.
        after: those that stand after it.
        is_fresh: whether the newest nowcast is fresh.
    """

    region: str
    at: datetime
    before: Mapping[str, Alarm]
    after: Mapping[str, Alarm]
    is_fresh: bool


class Outside:
    """Sends what the looks of one region say.

    Args:
        store: its events say whether the heartbeat is taken.
        webhook: address that gets the alarms; None for none.
        heartbeat: address that is asked after each look with a fresh nowcast; None for none.
    """

    def __init__(self, store: Store, webhook: str | None, heartbeat: str | None) -> None:
        self._store, self._webhook, self._heartbeat = store, webhook, heartbeat
        self._sent: dict[str, Alarm] | None = None
        """By name, the alarms that the webhook knows; None before the first message."""

    def step(self, look: Look) -> None:
        """Send the heartbeat, and the alarms if they have changed.

        Raises:
            StoreError: the events cannot be read or written.
        """
        if self._heartbeat is not None and look.is_fresh:
            self._beat(self._heartbeat, look)
        elif self._heartbeat is None and heartbeat_lost_since(self._store, look.region) is not None:
            note(self._store, [Event(look.region, look.at, Kind.BEAT_BACK, "No heartbeat is set.")])
        if self._webhook is not None:
            self._tell(self._webhook, look)

    def _beat(self, address: str, look: Look) -> None:
        trouble = self._post(address, None)
        is_lost = heartbeat_lost_since(self._store, look.region) is not None
        if trouble and not is_lost:
            what = f"The heartbeat's address does not take it: {trouble}."
            note(self._store, [Event(look.region, look.at, Kind.BEAT_LOST, what)])
        elif not trouble and is_lost:
            note(self._store, [Event(look.region, look.at, Kind.BEAT_BACK, "The heartbeat is taken again.")])

    def _tell(self, address: str, look: Look) -> None:
        # Before the first message, a process before this one may have told of what stood.
        known = dict(look.before) if self._sent is None else self._sent
        shown = {name: one for name, one in look.after.items() if not one.is_shelved(look.at)}
        over = [one for name, one in known.items() if not _stands(one, look.after)]
        new = [one for name, one in shown.items() if self._sent is None or not _stands(one, self._sent)]
        if not new and not over:
            self._sent = known
            return
        trouble = self._post(address, message(look.region, list(shown.values()), over, look.at))
        if trouble:
            logger.warning("%s: the webhook has not taken the alarms: %s; the next look repeats", look.region, trouble)
            return
        self._sent = {name: one for name, one in known.items() if _stands(one, look.after)} | shown

    def _post(self, address: str, body: object) -> str:
        """Why an address has not taken a message; empty if it has. The address itself may be a secret."""
        try:
            with httpx.stream("POST", address, json=body, timeout=DEADLINE_SECONDS) as answer:
                return "" if answer.is_success else f"it answered {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__


def message(region: str, stand: list[Alarm], over: list[Alarm], at: datetime) -> dict[str, object]:
    """Alarms in the format of Alertmanager's webhook, version 4.

    Args:
        region: the region's name.
        stand: the alarms that stand.
        over: those that are over.
        at: when they ended.
    """
    alerts = [_alert(one, None) for one in stand] + [_alert(one, at) for one in over]
    common = {"region": region, "service": "power-nowcast"}
    return {
        "version": "4",
        "groupKey": f'{{}}:{{region="{region}"}}',
        "truncatedAlerts": 0,
        "status": "firing" if stand else "resolved",
        "receiver": "power-nowcast",
        "groupLabels": {"region": region},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": alerts,
    }


def _alert(alarm: Alarm, ended_at: datetime | None) -> dict[str, object]:
    labels = {
        "alertname": alarm.name,
        "region": alarm.region,
        "service": "power-nowcast",
        "severity": "critical" if alarm.is_critical else "warning",
    }
    return {
        "status": "firing" if ended_at is None else "resolved",
        "labels": labels,
        "annotations": {"summary": alarm.text, "acknowledged_by": alarm.acknowledged_by},
        "startsAt": _rfc3339(alarm.raised_at),
        "endsAt": NOT_OVER if ended_at is None else _rfc3339(ended_at),
        "generatorURL": "",
        "fingerprint": hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16],
    }


def _stands(alarm: Alarm, among: Mapping[str, Alarm]) -> bool:
    """Whether the same alarm, raised at the same time, is among others."""
    other = among.get(alarm.name)
    return other is not None and other.raised_at == alarm.raised_at


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
