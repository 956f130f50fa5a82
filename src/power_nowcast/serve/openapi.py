"""The OpenAPI description: problems by status, bodies that are read in threads, and examples of the served region."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from power_nowcast.contracts import QUANTILES
from power_nowcast.regions import Region
from power_nowcast.scoring import label
from power_nowcast.serve.answers import iso
from power_nowcast.serve.guard import OPEN, Limits, is_decision, needed_for
from power_nowcast.serve.problems import MEDIA_TYPE
from power_nowcast.serve.schemas import Problem

EXAMPLE_MIDNIGHT = datetime(2019, 7, 1, tzinfo=UTC)
"""The issue time of the examples is that of the interval before."""
_REFERENCE = "#/components/schemas/{model}"


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses of an operation that are problems."""
    schema = {"$ref": _REFERENCE.format(model=Problem.__name__)}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def tables_of(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """The answer of an operation that also gives tables of these media types."""
    return {200: {"content": {one: {"schema": {"type": "string"}} for one in media_types}}}


def body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """The request body of an operation that parses it itself."""
    schema = {"$ref": _REFERENCE.format(model=kind.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI, bodies: Sequence[type[BaseModel]], region: Region | None, limits: Limits) -> None:
    """Complete the description that the app makes of itself, with examples for a region, and with keys and rates."""
    made = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = made()
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            kinds: list[type[BaseModel]] = [*bodies, Problem]
            for kind in kinds:
                own = kind.model_json_schema(ref_template=_REFERENCE)
                schemas.update(own.pop("$defs", {}))
                schemas[kind.__name__] = own
            if region is not None:
                _add_examples(found, region)
            schemas[Problem.__name__]["examples"] = [_PROBLEM]
            _add_limits(found, limits)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _add_limits(description: dict[str, Any], limits: Limits) -> None:
    """Say which operations need a key, and what is answered to those who have none or ask too often."""
    description["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `nowcast keys new`."},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
    }
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if path in OPEN:
                continue
            needed = needed_for(method.upper())
            statuses = [429] if limits.rate else []
            if needed in limits.needs_key or is_decision(method.upper(), path):
                operation["security"] = [{"bearer": []}, {"header": []}]
                statuses += [401, 403, 503]
            for status, told in problems_of(*statuses).items():
                operation["responses"].setdefault(str(status), told)


def _add_examples(description: dict[str, Any], region: Region) -> None:
    schemas, paths = description["components"]["schemas"], description["paths"]
    at = EXAMPLE_MIDNIGHT - region.interval
    issue_time = iso(at)
    # A share of each zone's maximum is about its usual load.
    load = {zone.name: round(zone.max_mw * 0.45, 1) for zone in region.zones}
    rows = [{"valid_at": issue_time, **load}]
    steps = list(region.steps_minutes)[:2]
    shape = {"rows": rows, "horizon": steps}
    schemas["Observations"]["examples"] = [
        shape | {"series": [region.series[0]]},
        {"split": {"columns": list(rows[0]), "data": [list(rows[0].values())]}, "issue_time": issue_time},
    ]
    schemas["ShortRequest"]["examples"] = [shape]
    level = sum(load.values()) if region.total else load[region.series[0]]
    quantiles = {f"q{label(q)}": [round(level * (1 + (q - 0.5) * step / 3000), 1) for step in steps] for q in QUANTILES}
    model = {
        "name": region.model,
        "version": "3",
        "digest": "9f2c4be07a4d5a0c5f0b4a4e6b9a7d1c3e8f6021d4b7c9a5e3f1082b6d7c4e90",
        "kind": "lightgbm",
        "calibration_id": "5d41c0ffee12",
    }
    facts = {
        "region": region.name,
        "issue_time": issue_time,
        "answered_at": iso(at + timedelta(seconds=21)),
        "live": True,
        "newest_observation": issue_time,
        "newest_observation_age_minutes": 0.0,
        "quality": "full",
        "rung": "all inputs",
        "flags": [],
        "model": model,
    }
    valid_at = [iso(at + timedelta(minutes=step)) for step in steps]
    made = {"quality": "full", "rung": "all inputs", "reasons": []}
    known = {"origin_mw": level, "age_minutes": 0.0}
    one = {"series": region.series[0], **made, **known, "quantiles": quantiles}
    schemas["NowcastAnswer"]["examples"] = [
        facts | {"unit": "MW", "horizon_min": steps, "valid_at": valid_at, "nowcasts": [one]}
    ]
    schemas["ShortAnswer"]["examples"] = [
        facts
        | {
            "rows": [
                {"series": region.series[0], "valid_at": valid, "horizon_min": step, "yhat": quantiles["q50"][h]}
                | {name: values[h] for name, values in quantiles.items()}
                | {"quality": "full"}
                for h, (step, valid) in enumerate(zip(steps, valid_at, strict=True))
            ]
        }
    ]
    for operation in (one for methods in paths.values() for one in methods.values()):
        for parameter in operation.get("parameters", []):
            examples = {"region": region.name, "series": [region.series[0]], "horizons": steps, "quantiles": [0.1, 0.9]}
            if parameter["name"] in examples:
                parameter["example"] = examples[parameter["name"]]


_PROBLEM = {
    "type": "urn:power-nowcast:problem:unknown-horizon",
    "title": "Unknown horizon",
    "status": 404,
    "detail": "nyiso is not nowcast 7 minutes ahead.",
    "remedy": "Use one of: 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60.",
    "instance": "/v1/nowcast/nyiso",
    "region": "nyiso",
    "horizon": 7,
}
