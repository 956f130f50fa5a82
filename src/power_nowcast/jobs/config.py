"""The settings in force, each with its origin; secrets are masked."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from power_nowcast.ingest.web import redact
from power_nowcast.mlflow_client import shown_address
from power_nowcast.settings import PARAMETERS, Settings

MASK = "***"


def in_force(settings: Settings, origins: Mapping[str, tuple[str, str]]) -> list[dict[str, str]]:
    """Rows of variable, value and origin, one for each setting.

    A key is masked, and so is every value of the Parameter Store. Addresses lose their user, their password, and the
    keys in their queries.
    """
    return [
        {"variable": variable, "value": MASK if origin == PARAMETERS else _shown(name, settings), "origin": origin}
        for name, (variable, origin) in ((one.name, origins[one.name]) for one in fields(Settings))
    ]


def _shown(name: str, settings: Settings) -> str:
    value: Any = getattr(settings, name)
    if value is None:
        return ""
    if name == "tracking_uri":
        return shown_address(value)
    if name == "urls":
        return json.dumps({source: shown_address(redact(url)) for source, url in value.items()}) if value else ""
    return str(value)
