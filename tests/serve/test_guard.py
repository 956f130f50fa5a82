"""Keys and rates on the real application: who may ask what, how often, and what is told to those who may not."""

import base64
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from power_nowcast.serve.guard import Guard, Limits, Rate, limits_of
from power_nowcast.serve.middleware import FromPresent
from power_nowcast.store import Store
from power_nowcast.store.keys import Scope, keys, make, revoke
from tests.serve.conftest import Client, Place, Serve, problem_of

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
ADMIN_ONLY, ALL = frozenset({Scope.ADMIN}), frozenset(Scope)
PATH = "/v1/nowcast/toy"


@pytest.fixture
def secrets(place: Place) -> Iterator[dict[str, str]]:
    made = {scope.value: make(place.store, f"a-{scope}", scope, now=NOW) for scope in Scope}
    yield made
    for one in keys(place.store):
        if one.is_valid:
            revoke(place.store, one.id, now=NOW)


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def basic(secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anyone:{secret}".encode()).decode()}


def post(client: Client, rows: list[dict[str, Any]], headers: dict[str, str]) -> Any:
    return client.post(PATH, json={"rows": rows}, headers=headers)


def test_without_limits_nobody_needs_a_key(client: Client, rows: list[dict[str, Any]]) -> None:
    assert client.get(PATH).status_code == 200
    assert post(client, rows, {}).status_code == 200
    inside = [one.cls for one in client.app.user_middleware]
    assert inside.index(FromPresent) < inside.index(Guard), "the present is answered before anybody looks who asks"


def test_an_administrator_s_key_writes_and_nothing_else_does(
    serve: Serve, secrets: dict[str, str], rows: list[dict[str, Any]]
) -> None:
    client = serve(limits=Limits(needs_key=ADMIN_ONLY))
    assert client.get(PATH).status_code == 200, "reading needs none"
    assert client.get(PATH, headers=bearer("wrong")).status_code == 200
    missing = post(client, rows, {})
    told = problem_of(missing, 401, "Key needed")
    assert told["detail"] == "This request needs a key."
    assert "nowcast keys new NAME --scope admin" in told["remedy"]
    assert missing.headers.get_list("www-authenticate") == ['Bearer realm="power-nowcast"']
    assert problem_of(post(client, rows, bearer("wrong")), 401, "Key needed")["detail"] == "This key is not known."
    assert problem_of(post(client, rows, bearer(secrets["read"])), 403, "Not allowed")["detail"].endswith("only read.")
    told = problem_of(post(client, rows, basic(secrets["admin"])), 403, "Not allowed")
    assert "Bearer" in told["remedy"], "a browser sends passwords by itself, to whoever asks it"
    assert post(client, rows, bearer(secrets["admin"])).status_code == 200
    assert post(client, rows, {"x-api-key": secrets["admin"]}).status_code == 200
    assert client.post("/nowcast", json={"rows": rows}).status_code == 401


def test_where_all_needs_a_key_only_probes_go_without(serve: Serve, secrets: dict[str, str]) -> None:
    client = serve(limits=Limits(needs_key=ALL))
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/v1/regions", "/v1/stream/toy", PATH, "/nothing"):
        refused = client.get(path)
        assert problem_of(refused, 401, "Key needed")["remedy"]
        assert 'Basic realm="power-nowcast"' in refused.headers.get_list("www-authenticate"), "the page's browser asks"
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    for headers in (bearer(secrets["read"]), bearer(secrets["admin"]), basic(secrets["read"])):
        assert client.get(PATH, headers=headers).status_code == 200
        assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic", "Basic ???", "Basic b25seQ==", "Digest x", "é", "nowcast_" + "x" * 43]
)
def test_what_is_no_key_is_refused(serve: Serve, value: str) -> None:
    client = serve(limits=Limits(needs_key=ALL))
    problem_of(client.get(PATH, headers={b"authorization": value.encode()}), 401, "Key needed")


def test_a_revoked_key_is_refused_at_the_next_look(serve: Serve, place: Place, secrets: dict[str, str]) -> None:
    client = serve(limits=Limits(needs_key=ALL))
    assert client.get(PATH, headers=bearer(secrets["read"])).status_code == 200
    (gone,) = revoke(Store(place.store.root), "a-read", now=NOW)
    client.app.state.keys.refresh()
    told = problem_of(client.get(PATH, headers=bearer(secrets["read"])), 401, "Key needed")
    assert told["detail"] == f"The key {gone.id} is revoked."
    assert client.get(PATH, headers=bearer(secrets["admin"])).status_code == 200


def test_no_key_gets_into_a_log_or_an_answer(
    serve: Serve, secrets: dict[str, str], rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    client, admin = serve(limits=Limits(needs_key=ALL)), secrets["admin"]
    with caplog.at_level(logging.DEBUG):
        answers = [
            post(client, rows, bearer(admin)),
            post(client, rows, bearer(secrets["read"])),
            client.get(PATH, headers=bearer(admin + "x")),
            client.get("/v1/regions", headers=bearer(admin), params={"key": admin}),
            client.get(f"/v1/nowcast/{admin}", headers=bearer(admin)),
            client.get(PATH, headers=bearer(admin) | {"x-request-id": admin}),
        ]
    assert [one.status_code for one in answers] == [200, 403, 401, 200, 404, 200]
    told = " ".join(record.getMessage() for record in caplog.records if record.name != "httpx")  # the test's client
    assert admin not in told
    assert secrets["read"] not in told
    lines = [json.loads(record.message) for record in caplog.records if record.name == "power_nowcast.access"]
    assert [line["status"] for line in lines] == [one.status_code for one in answers], "refusals are logged, too"
    assert [line["request_id"] for line in lines] == [one.headers["x-request-id"] for one in answers]
    assert lines[4]["path"] == "/v1/nowcast/KEY"
    assert len(lines[0]["key"]) == 8
    assert "key" not in lines[2]


def test_a_store_whose_keys_cannot_be_read_lets_nobody_in(serve: Serve, tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    secret = make(store, "desk", Scope.READ, now=NOW)
    for commit in (tmp_path / "data/interim/keys/_delta_log").glob("*.json"):
        commit.write_bytes(b"")
    client = serve(store=Store(tmp_path / "data"), limits=Limits(needs_key=ALL))
    refused = client.get(PATH, headers=bearer(secret))
    problem_of(refused, 503, "The store cannot be used")
    assert refused.headers["retry-after"]
    assert client.get("/healthz").status_code == 200


def test_a_rate_is_counted_for_each_key_and_each_address(serve: Serve, secrets: dict[str, str]) -> None:
    client = serve(limits=Limits(needs_key=ADMIN_ONLY, rate=3))
    assert [client.get("/v1/regions").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/v1/regions")
    told = problem_of(refused, 429, "Too many requests")
    assert 19 <= int(refused.headers["retry-after"]) <= 20
    assert told["detail"] == "More than 3 requests a minute came from this key or address."
    assert client.get("/v1/regions", headers=bearer("wrong")).status_code == 429, "guesses count for the address"
    assert client.get("/v1/regions", headers=bearer(secrets["read"])).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_a_rate_lets_so_many_through_in_each_minute() -> None:
    now = [0.0]
    rate = Rate(60, lambda: now[0])
    assert [rate.wait("a") for _ in range(60)] == [0.0] * 60
    assert rate.wait("a") == pytest.approx(1.0)
    assert rate.wait("b") == 0.0
    now[0] = 0.5
    assert rate.wait("a") == pytest.approx(0.5), "a refused request does not count"
    now[0] = 1.0
    assert rate.wait("a") == 0.0
    assert rate.wait("a") == pytest.approx(1.0)
    now[0] = 1000.0
    assert [rate.wait("a") for _ in range(60)] == [0.0] * 60, "silence saves up a minute, no more"
    assert rate.wait("a") > 0


def test_the_memory_for_callers_is_bounded() -> None:
    rate = Rate(1, lambda: 0.0, callers=100)
    assert rate.wait("first") == 0.0
    for n in range(99):
        rate.wait(str(n))
        assert rate.wait("first") > 0, "who asks again is remembered"
    for n in range(1000):
        rate.wait(f"more {n}")
    assert len(rate._over) == 100
    assert rate.wait("first") == 0.0, "who was silent for longest is forgotten"


def test_one_network_of_ipv6_is_one_caller() -> None:
    from power_nowcast.serve.guard import _address

    def of(host: str) -> str:
        return _address({"client": (host, 1)})

    assert of("2001:db8:1:2::3") == of("2001:db8:1:2:ffff::") != of("2001:db8:1:3::3")
    assert of("fe80::1%eth0") == "fe80::/64"
    assert (of("192.0.2.1"), of("testclient:x"), _address({"client": None})) == ("192.0.2.1", "testclient:x", "")


@pytest.mark.parametrize(
    ("host", "wanted", "rate", "needed", "told"),
    [
        ("127.0.0.1", "auto", None, frozenset(), 0),
        ("localhost", "auto", None, frozenset(), 0),
        ("::1", "auto", 7, frozenset(), 7),
        ("127.0.0.1", "admin", None, ADMIN_ONLY, 0),
        ("127.0.0.1", "all", None, ALL, 0),
        ("0.0.0.0", "auto", None, ADMIN_ONLY, 1200),  # noqa: S104
        ("::", "auto", 0, ADMIN_ONLY, 0),
        ("nowcast.example.org", "admin", None, ADMIN_ONLY, 1200),
        ("10.0.0.5", "all", 60, ALL, 60),
    ],
)
def test_limits_follow_from_where_the_service_listens(
    host: str, wanted: str, rate: int | None, needed: frozenset[Scope], told: int
) -> None:
    found = limits_of(host, wanted, rate)
    assert (found.needs_key, found.rate) == (needed, told)
