"""Requests to publishers' servers: patient, polite and distrustful. Keys in addresses never leave this package."""

from power_nowcast.ingest.web.addresses import base_url, redact
from power_nowcast.ingest.web.asking import Http, answers_folder, client
from power_nowcast.ingest.web.body import Body
from power_nowcast.ingest.web.limits import Deadline, Limits
from power_nowcast.ingest.web.times import doubled, http_date

__all__ = [
    "Body",
    "Deadline",
    "Http",
    "Limits",
    "answers_folder",
    "base_url",
    "client",
    "doubled",
    "http_date",
    "redact",
]
