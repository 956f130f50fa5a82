"""Requests to publishers' servers: patient, polite and distrustful. Keys in addresses never leave this package."""

from power_nowcast.ingest.web.access import answers_folder, api_key, base_url, client
from power_nowcast.ingest.web.addresses import redact
from power_nowcast.ingest.web.asking import Http
from power_nowcast.ingest.web.body import Body
from power_nowcast.ingest.web.limits import Deadline, Limits
from power_nowcast.ingest.web.times import doubled, http_date

__all__ = [
    "Body",
    "Deadline",
    "Http",
    "Limits",
    "answers_folder",
    "api_key",
    "base_url",
    "client",
    "doubled",
    "http_date",
    "redact",
]
