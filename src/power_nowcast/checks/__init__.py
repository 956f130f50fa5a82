"""Rules of which values may be believed: for deliveries by `ingest.validate`, for callers' rows by `serve.screen`."""

from datetime import timedelta

CLOCK_SKEW = timedelta(minutes=1)
"""So much earlier than the end of its interval a value may be received: clocks differ."""
