"""Random requests, drawn from the API's own description: whatever comes, the answer is one that is described."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from power_nowcast.serve.schemas import NowcastAnswer, ShortAnswer
from tests.serve.conftest import Client

SPEED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WORDS = st.sampled_from(["toy", "ALL", "N.E.", "latest", "2024-04-20T11:00:00Z", "2024-04-20T11:00", "30", "-1", "NaN"])
TEXTS = WORDS | st.text(max_size=12)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -0.0, 1e308, 5e-324])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def of_schema(schema: dict[str, Any], schemas: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a JSON schema, or nearly."""
    if "$ref" in schema:
        return of_schema(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    if "anyOf" in schema:
        return st.one_of([of_schema(one, schemas) for one in schema["anyOf"]])
    match schema.get("type"):
        case "object":
            named = {name: of_schema(one, schemas) for name, one in schema.get("properties", {}).items()}
            more = schema.get("additionalProperties") or {}
            extra = st.dictionaries(TEXTS, of_schema(more, schemas), max_size=3) if more else st.just({})
            return st.builds(lambda own, other: other | own, st.fixed_dictionaries({}, optional=named), extra)
        case "array":
            return st.lists(of_schema(schema["items"], schemas), max_size=4)
        case "string":
            return TEXTS
        case "number" | "integer":
            return NUMBERS
        case "null":
            return st.none()
    return ANYTHING


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, one)
        for path, methods in described["paths"].items()
        for method, one in methods.items()
        if "stream" not in path  # it has no end
    ]


def check(response: Any, operation: dict[str, Any]) -> None:
    status = str(response.status_code)
    assert status in operation["responses"], (status, response.text)
    kind = response.headers["content-type"].partition("; version=")[0]
    assert kind in operation["responses"][status]["content"], kind
    if kind == "text/plain":
        return
    told = json.loads(response.text, parse_constant=lambda literal: pytest.fail(literal))
    if "problem" in kind:
        assert {"type", "title", "status", "detail", "remedy", "instance"} <= told.keys()
        assert told["status"] == response.status_code


@SPEED
@given(data=st.data())
def test_whatever_comes_the_answer_is_described(client: Client, data: st.DataObject) -> None:
    described = client.app.openapi()
    schemas = described["components"]["schemas"]
    path, method, operation = data.draw(st.sampled_from(operations(described)))
    query: list[tuple[str, str]] = []
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            # A slash or nothing would be another path.
            name = data.draw(st.just("toy") | st.text(st.characters(exclude_characters="/?#."), min_size=1, max_size=9))
            path = path.replace(f"{{{parameter['name']}}}", _quoted(name))
        else:
            drawn = data.draw(of_schema(parameter["schema"], schemas))
            values = drawn if isinstance(drawn, list) else [drawn]
            query += [(parameter["name"], str(value)) for value in values if value is not None]
    body = {}
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        drawn = data.draw(of_schema(schema, schemas) | ANYTHING)
        body = {"content": json.dumps(drawn), "headers": {"content-type": "application/json"}}
    check(client.request(method.upper(), path, params=query, **body), operation)


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode("utf-8", "surrogatepass"))


@SPEED
@given(data=st.data())
def test_a_good_request_with_one_fault(client: Client, rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """Cells, keys and rows of a request that would be answered are changed, lost or doubled."""
    changed = [dict(row) for row in rows]
    for _ in range(data.draw(st.integers(1, 3))):
        row = changed[data.draw(st.integers(-len(changed), len(changed) - 1))]
        match data.draw(st.sampled_from(["cell", "lose", "add", "double", "cut"])):
            case "cell":
                row[data.draw(st.sampled_from(sorted(row)) if row else TEXTS)] = data.draw(ANYTHING)
            case "lose" if row:
                row.pop(data.draw(st.sampled_from(sorted(row))))
            case "add":
                row[data.draw(TEXTS)] = data.draw(ANYTHING)
            case "double":
                changed.append(row)
            case _:
                del changed[data.draw(st.integers(1, len(changed))) :]
    asked: dict[str, Any] = {"rows": changed}
    if data.draw(st.booleans()):
        asked[data.draw(st.sampled_from(["issue_time", "series", "horizon", "calibration_id", "region"]))] = data.draw(
            ANYTHING
        )
    path = data.draw(st.sampled_from(["/v1/nowcast/toy", "/nowcast"]))
    response = client.post(path, content=json.dumps(asked), headers={"content-type": "application/json"})
    operation = client.app.openapi()["paths"][path.replace("toy", "{region}")]["post"]
    check(response, operation)
    if response.status_code == 200:
        (ShortAnswer if path == "/nowcast" else NowcastAnswer).model_validate(response.json())
