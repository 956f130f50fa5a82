"""Lines of the service's log: JSON for machines, plain in a terminal. No key gets into either."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from power_nowcast.store.keys import SECRET

FIELDS = "fields"
"""A record's attribute with the fields of a structured line: `logger.info(text, extra={FIELDS: {...}})`."""


class Plain(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        return SECRET.sub("KEY", super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, then the fields of a structured record, or the message."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, FIELDS, None)
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            **(fields if fields is not None else {"message": record.getMessage()}),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return SECRET.sub("KEY", json.dumps(told))


def config(*, is_terminal: bool | None = None) -> dict[str, Any]:
    """The configuration of `logging` for a service whose log goes to stderr.

    Args:
        is_terminal: whether people read it; None: whether stderr is a terminal.
    """
    plain = sys.stderr.isatty() if is_terminal is None else is_terminal
    form = {"()": Plain, "format": "%(asctime)s %(levelname)s %(name)s %(message)s"} if plain else {"()": JsonLines}
    level = {"handlers": ["console"], "level": "INFO"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": form},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {"uvicorn": level, "power_nowcast": level},
    }
