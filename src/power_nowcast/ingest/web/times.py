"""Times that servers write into headers: they are read if a clock can hold them, and ignored otherwise."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_PATIENCE = timedelta(days=1)
"""A longer wait is a mistake: a host that sends such a header would not be asked again for years."""
_SECONDS = re.compile(r"[0-9]{1,9}")


def http_date(header: str | None) -> datetime | None:
    """The time of an HTTP date in UTC, None if it is no date or lies outside of the calendar.

    >>> http_date("Wed, 19 Feb 2025 11:45:00 GMT").isoformat()
    '2025-02-19T11:45:00+00:00'
    >>> http_date("Wed, 19 Feb 9999999 11:45:00 GMT")
    """
    try:
        time = parsedate_to_datetime(header or "")
        # "-0000" is UTC of unknown origin: Python's parser leaves it without a zone.
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The wait that a server asks for; None if the header has none, or more than `LONGEST_PATIENCE`.

    >>> retry_after("30", datetime(2025, 2, 19, tzinfo=UTC))
    datetime.timedelta(seconds=30)
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        wait = timedelta(seconds=int(text))
    elif (time := http_date(text)) is not None:
        wait = max(time - now, timedelta(0))
    else:
        return None
    return wait if wait <= LONGEST_PATIENCE else None


def doubled(first: timedelta, times: int, most: timedelta) -> timedelta:
    """`first`, doubled this many times, and at most `most`: the wait before the next of many attempts.

    >>> doubled(timedelta(seconds=1), 3, timedelta(minutes=2))
    datetime.timedelta(seconds=8)
    """
    # Within hours of an outage a power of 2 exceeds the range of a timedelta.
    return min(first * 2 ** min(times, 32), most) if first < most else most
