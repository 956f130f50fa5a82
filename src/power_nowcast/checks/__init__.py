"""Rules that decide which values are plausible. `ingest.validate` applies them to deliveries, `serve.screen` to
callers' rows.
"""

from datetime import timedelta

CLOCK_SKEW = timedelta(minutes=1)
"""A value may be received this much before the end of its interval, because clocks differ."""
