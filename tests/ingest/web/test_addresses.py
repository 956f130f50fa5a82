"""Redirects: followed a few times, and never with a key to another host."""

import httpx
import pytest

from power_nowcast.errors import SourceUnavailableError
from power_nowcast.ingest.web.addresses import Hop, secrets_of
from tests.ingest.web.conftest import CSV, MakeHttp, get, reply

KEY = "c0ffee-and-cake"
HOME = "https://user:hunter2@example.org/api?zone=BE&securityToken=c0ffee-and-cake"
HEADERS = {"X-Api-Key": KEY, "Authorization": f"Bearer {KEY}", "Accept": "text/csv"}


class Asked:
    """Redirects the first request to an address and answers the next one."""

    def __init__(self, location: str) -> None:
        self.location, self.requests = location, list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return reply(302, Location=self.location) if len(self.requests) == 1 else reply()


@pytest.mark.parametrize(
    "location",
    [
        "https://other.org/api",
        "https://example.org:8443/api",
        "http://example.org/api",
        "//other.org/api?zone=BE",
        f"https://other.org/api?zone=BE&securityToken={KEY}",
        f"https://other.org/api?renamed={KEY}&zone=BE",
    ],
)
def test_another_host_is_told_no_key(make_http: MakeHttp, location: str) -> None:
    asked = Asked(location)
    assert get(make_http(asked), HOME, headers=HEADERS) == CSV
    first, second = asked.requests
    assert first.headers["X-Api-Key"] == KEY
    told = f"{second.url} {second.headers.raw!r}"
    assert KEY not in told
    assert "hunter2" not in told
    assert "authorization" not in second.headers
    assert second.headers["Accept"] == "text/csv"
    assert "zone=BE" in str(second.url) or "zone" not in location


@pytest.mark.parametrize("location", ["/new?securityToken=c0ffee-and-cake", "https://example.org/new", "new"])
def test_the_same_host_is_told_what_it_was_told_before(make_http: MakeHttp, location: str) -> None:
    asked = Asked(location)
    assert get(make_http(asked), HOME, headers={"X-Api-Key": KEY}) == CSV
    assert asked.requests[1].headers["X-Api-Key"] == KEY
    assert asked.requests[1].headers["Authorization"] == asked.requests[0].headers["Authorization"]


def test_a_key_that_was_left_out_stays_out_on_the_way_back(make_http: MakeHttp) -> None:
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        back = {0: "https://other.org/a", 1: "https://other.org/b"}.get(len(requests) - 1)
        return reply(307, Location=back) if back else reply()

    assert get(make_http(answer), HOME, headers=HEADERS) == CSV
    assert [request.headers.get("X-Api-Key") for request in requests] == [KEY, None, None]


@pytest.mark.parametrize(
    "location", [f"https://other.org/{KEY}/x", "https://other.org/c0ffee%2Dand-cake", "ftp://example.org/"]
)
def test_a_redirect_that_would_tell_the_key_or_is_none_is_not_followed(make_http: MakeHttp, location: str) -> None:
    asked = Asked(location)
    with pytest.raises(SourceUnavailableError) as caught:
        get(make_http(asked, attempts=1), HOME, headers=HEADERS)
    assert len(asked.requests) == 1
    assert KEY not in str(caught.value)


def test_a_foreign_refusal_says_that_no_key_was_told(make_http: MakeHttp) -> None:
    http = make_http(reply(301, Location="https://other.org/api"), reply(401))
    with pytest.raises(SourceUnavailableError, match=r"401 Unauthorized at other.org, to which it redirected"):
        get(http, HOME)


def test_a_plain_address_may_move_to_its_encrypted_side() -> None:
    address = httpx.URL("http://me:hunter2@example.org/a")
    hop = Hop(address, {"X-Api-Key": KEY}).to(httpx.URL("https://example.org/b"), secrets_of(address))
    assert hop is not None
    assert (hop.address.password, dict(hop.headers), hop.is_foreign) == ("hunter2", {"X-Api-Key": KEY}, False)


def test_redirects_are_followed_a_few_times(make_http: MakeHttp) -> None:
    requests = []

    def circle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return reply(302, Location=f"/{len(requests)}")

    with pytest.raises(SourceUnavailableError, match="redirects more than 5 times") as caught:
        get(make_http(circle))
    assert (len(requests), caught.value.fields["attempts"], caught.value.fields["status"]) == (6, 1, 302)
