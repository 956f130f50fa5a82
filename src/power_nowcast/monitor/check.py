"""The state of a followed region in one line and an exit code, from its tables alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from power_nowcast.live.records import newest
from power_nowcast.monitor.alarms import alarms
from power_nowcast.monitor.rules import longest_silence
from power_nowcast.regions import Region
from power_nowcast.store import Store

FINE, WARNING, CRITICAL = 0, 1, 2
"""Exit codes: all is well; an alarm waits for somebody; nobody is served."""
WORDS = {FINE: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL"}


@dataclass(frozen=True)
class Check:
    """An exit code, and a line that begins with its word."""

    code: int
    line: str


def check(store: Store, region: Region, now: datetime) -> Check:
    """Whether the newest nowcast is fresh, and whether an alarm waits for somebody.

    It needs neither the service nor its watch: if both have ended, the newest nowcast is too old.

    Raises:
        StoreError: a table cannot be read.
    """
    present, stand = newest(store, region.name, until=now), alarms(store, region.name, now)
    waiting = [one for one in stand.values() if one.is_open(now)]
    if present is None:
        code, told = CRITICAL, "nothing has been published: nowcast live"
    else:
        age = now - present.published_at
        is_fresh = age <= longest_silence(region)
        code = CRITICAL if not is_fresh or any(one.is_critical for one in waiting) else WARNING if waiting else FINE
        told = f"the nowcast of {present.issue_time:%Y-%m-%d %H:%M} UTC is {_minutes(age)} minutes old"
        told += "" if is_fresh else f", and {_minutes(longest_silence(region))} are the most"
    named = "; ".join(f"{one.name} since {one.raised_at:%Y-%m-%d %H:%M} UTC" for one in waiting)
    shown = f"alarms: {named}" if waiting else "no alarm waits"
    return Check(code, f"{WORDS[code]}: {region.name}: {told}; {shown}.")


def _minutes(span: timedelta) -> str:
    return f"{span / timedelta(minutes=1):.0f}"
