"""Questions to sources in a process of its own, whose libraries are led to a proxy."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from tests.proxy import Proxy

from .conftest import region_of

KEYS = {"PJM_API_KEY": "pjm-k3y-that-nobody-may-see", "ENTSOE_API_KEY": "entsoe-k3y-that-nobody-may-see"}


def ask(proxy: Proxy, *questions: dict[str, Any]) -> list[dict[str, Any]]:
    """What a process says whose libraries are led to the proxy; no key is in what it writes."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.ingest.ask_source"],
        input=json.dumps(questions, default=str),
        capture_output=True,
        text=True,
        env={**proxy.environment, **KEYS, "HOME": str(proxy.folder)},
        check=False,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    for key in KEYS.values():
        assert key not in told.stdout
        assert key not in told.stderr
    answers: list[dict[str, Any]] = json.loads(told.stdout)
    return answers


def question(
    source: str, now: datetime, *zones: str, table: str = "power", label: str = "end", interval: int = 5, **options: Any
) -> dict[str, Any]:
    """A question; a forecast is of hours unless `minutes` says otherwise, `start` is when it begins."""
    minutes, start = options.pop("minutes", 60), options.pop("start", None)
    region = region_of(*zones, timezone="UTC", interval=interval, source=source, label=label, **options)
    told = region.model_dump(mode="json")
    told["forecast"]["interval_minutes"] = minutes
    told["weather"]["delay_minutes"] = 180
    return {"region": told, "table": table, "now": now.isoformat(), "start": start and start.isoformat()}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def grid(name: str, now: str, zone: str, column: str, **more: Any) -> dict[str, Any]:
    return question("gridstatus", moment(now), zone, grid=name, series={zone: column}, table="forecast", **more)


def finland(now: str, table: str = "forecast", **more: Any) -> dict[str, Any]:
    options = {"area": "FI", "dataset": "generation", "series": {"Wind": "B19"}, **more}
    return question("entsoe", moment(now), "Wind", table=table, label="start", interval=15, minutes=15, **options)
