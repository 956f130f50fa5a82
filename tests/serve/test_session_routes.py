"""The page's sign-in: the key is sent once, a cookie reads, and writes only beside the proof that the page knows."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from power_nowcast.live.slot import ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.guard import Limits
from power_nowcast.serve.service import Served
from power_nowcast.store.keys import Scope, make, revoke
from tests.live.test_loop import BEGIN, REGION, World
from tests.serve.conftest import Client, problem_of
from tests.serve.test_decision_routes import MARK, PATH
from tests.serve.test_guard import basic

NOBODY = {"name": None, "scope": None, "proof": None}


class Desk:
    """A service with a reader and an administrator."""

    def __init__(self, folder: Path, slot: ModelSlot, limits: Limits) -> None:
        self.world = World(folder)
        store = self.world.store
        app = create_app(
            {"toy": Served(REGION, slot)}, store, default_region="toy", clock=self.world.clock, limits=limits
        )
        self.client = Client(app)
        self.keys = {scope.value: make(store, f"a-{scope}", scope, now=BEGIN) for scope in Scope}

    def sign_in(self, scope: str) -> tuple[dict[str, str], dict[str, Any], httpx.Response]:
        """The header with the cookie, who is signed in, and the answer."""
        response = self.client.post("/v1/session", json={"key": self.keys[scope]})
        assert response.status_code == 200, response.text
        return {"cookie": response.headers["set-cookie"].partition(";")[0]}, response.json(), response


@pytest.fixture
def desk(slot: ModelSlot, tmp_path: Path) -> Desk:
    return Desk(tmp_path / "data", slot, Limits())


def test_the_cookie_is_for_this_service_only_and_has_not_the_key(desk: Desk) -> None:
    _, told, response = desk.sign_in("admin")
    cookie = response.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Max-Age=43200" in cookie
    assert "Secure" not in cookie
    assert desk.keys["admin"] not in cookie
    assert (told["name"], told["scope"]) == ("a-admin", "admin")
    assert told["proof"] not in cookie
    assert response.headers["cache-control"] == "no-store"


def test_a_write_needs_the_proof_beside_the_cookie(desk: Desk) -> None:
    cookie, told, _ = desk.sign_in("admin")
    for proof in ({}, {"x-csrf-token": ""}, {"x-csrf-token": "é".encode()}, {"x-csrf-token": cookie["cookie"]}):
        refused = desk.client.post(PATH, json=MARK, headers=cookie | proof)
        assert problem_of(refused, 403, "Not allowed")["detail"] == "The request does not come from the page."
    made = desk.client.post(PATH, json=MARK, headers=cookie | {"x-csrf-token": told["proof"]})
    assert (made.status_code, made.json()["person"]) == (201, "a-admin")
    other = desk.sign_in("admin")[1]["proof"]
    assert desk.client.post(PATH, json=MARK, headers=cookie | {"x-csrf-token": other}).status_code == 403
    assert desk.client.post(PATH, json=MARK, headers={"x-csrf-token": told["proof"]}).status_code == 401


def test_a_reader_signs_in_and_may_not_write(desk: Desk) -> None:
    cookie, told, _ = desk.sign_in("read")
    refused = desk.client.post(PATH, json=MARK, headers=cookie | {"x-csrf-token": told["proof"]})
    assert problem_of(refused, 403, "Not allowed")["detail"] == "This key may only read."


def test_who_is_signed_in_until_the_sign_out_or_the_end_of_the_key(desk: Desk) -> None:
    assert desk.client.get("/v1/session").json() == NOBODY
    cookie, told, _ = desk.sign_in("admin")
    assert desk.client.get("/v1/session", headers=cookie).json() == told
    gone = desk.client.delete("/v1/session", headers=cookie)
    assert gone.json() == desk.client.get("/v1/session", headers=cookie).json() == NOBODY
    assert 'nowcast_session=""' in gone.headers["set-cookie"]
    cookie, told, _ = desk.sign_in("admin")
    revoke(desk.world.store, "a-admin", now=BEGIN)
    desk.client.app.state.keys.refresh()
    assert desk.client.get("/v1/session", headers=cookie).json() == NOBODY
    refused = desk.client.post(PATH, json=MARK, headers=cookie | {"x-csrf-token": told["proof"]})
    assert "is revoked" in problem_of(refused, 401, "Key needed")["detail"]


def test_what_is_no_sign_in_is_refused(desk: Desk) -> None:
    problem_of(desk.client.post("/v1/session", json={"key": "wrong"}), 403, "Forbidden")
    problem_of(desk.client.post("/v1/session", json={}), 422, "Invalid request")
    body = f'{{"key": "{desk.keys["admin"]}"}}'
    for kind in ({}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}):
        response = desk.client.post("/v1/session", content=body, headers=kind)
        assert response.status_code in (415, 422), "a form of another site sends these types"
        assert "set-cookie" not in response.headers
        assert desk.keys["admin"] not in response.text


def test_where_reading_needs_a_key_the_cookie_reads_streams_too(slot: ModelSlot, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data", slot, Limits(needs_key=frozenset(Scope)))
    assert desk.client.get("/v1/interventions/toy").status_code == 401
    cookie, told, _ = desk.sign_in("read")
    assert desk.client.get("/v1/interventions/toy", headers=cookie).status_code == 200
    # The stream itself has no end; an unknown region shows that the guard lets it through.
    assert desk.client.get("/v1/stream/atlantis").status_code == 401
    assert desk.client.get("/v1/stream/atlantis", headers=cookie).status_code == 404
    stale = {"cookie": "nowcast_session=stale"}
    assert desk.client.get("/v1/regions", headers=stale).status_code == 401
    assert desk.client.get("/v1/regions", headers=stale | basic(desk.keys["read"])).status_code == 200
    cookie, told, _ = desk.sign_in("admin")
    both = cookie | basic(desk.keys["read"]) | {"x-csrf-token": told["proof"]}
    assert desk.client.post(PATH, json=MARK, headers=both).status_code == 201, "a browser sends its password, too"


def test_behind_tls_the_cookie_never_goes_over_an_open_line(desk: Desk) -> None:
    asked = desk.client.post("https://api/v1/session", json={"key": desk.keys["read"]})
    assert "Secure" in asked.headers["set-cookie"]
