"""Servers that never come to an end, and bodies that hold more than a machine does."""

import gzip
import time
import zlib
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.errors import SourceFormatError, SourceUnavailableError
from power_nowcast.ingest.web import Http, Limits
from power_nowcast.ingest.web.limits import decoded
from tests.faults import Dripping
from tests.ingest.web.conftest import CSV, URL, MakeHttp, get, reply

SOON = Limits(attempt=timedelta(seconds=0.3))
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 O", b"K"),
        (OK + b"X-Long: ", b"a"),
        (OK, b"X-More: 1\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK + b"Content-Length: 1000000\r\n\r\n", b"a"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (OK + b"\r\n", b"a"),
    ],
    ids=["silence", "status line", "header", "headers", "informational", "body", "chunks", "body without a length"],
)
def test_what_drips_for_ever_is_given_up_in_time(head: bytes, drop: bytes) -> None:
    with Dripping(head, drop) as server, Http(attempts=1, limits=SOON, timer=time.monotonic) as http:
        with pytest.raises(SourceUnavailableError, match="took longer than") as caught:
            get(http, server.url)
        assert caught.value.fields["url"] == server.url


def test_a_proxy_that_drips_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with Dripping(b"HTTP/1.1 200 ", b"a") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with Http(attempts=1, limits=SOON) as http, pytest.raises(SourceUnavailableError, match="took longer than"):
            get(http)


def test_a_redirect_begins_no_new_deadline() -> None:
    # It is followed by a connection of its own, which drips as well.
    with Dripping(b"HTTP/1.1 302 Found\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n", b"") as server:
        limits = Limits(attempt=timedelta(seconds=0.3), redirects=3)
        with Http(attempts=1, limits=limits) as http, pytest.raises(SourceUnavailableError, match="took longer than"):
            get(http, server.url)


SMALL = Limits(sent=1000, content=5000)


def endless() -> Iterator[bytes]:
    while True:
        yield b"a" * 100


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (reply(content=b"a" * 1001), "announces a body of 1,001 bytes, more than 1,000"),
        (reply(Content_Length="9" * 20), "announces a body of 99,999,999,999,999,999,999 bytes"),
        (gzip.compress(b"0" * 5001), "holds more than 5,000 bytes once it is decoded"),
        (gzip.compress(b"0" * 4000) + gzip.compress(b"0" * 4000), "holds more than 5,000 bytes once it is decoded"),
    ],
    ids=["announced", "announced beyond measure", "gzip bomb", "two gzips"],
)
def test_what_is_too_large_is_refused_at_once(make_http: MakeHttp, told: httpx.Response | bytes, message: str) -> None:
    if isinstance(told, bytes):
        packed, headers = told, {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
        assert len(packed) < SMALL.sent
        http = make_http(
            lambda request: httpx.Response(200, stream=httpx.ByteStream(packed), headers=headers), limits=SMALL
        )
    else:
        http = make_http(told, limits=SMALL)
    with pytest.raises(SourceFormatError, match=message) as caught:
        get(http)
    limit = 5000 if "decoded" in message else 1000
    assert (caught.value.fields["attempts"], caught.value.fields["limit_bytes"]) == (1, limit)
    assert "--start" in caught.value.remedy


def test_a_body_without_an_end_is_refused(make_http: MakeHttp) -> None:
    http = make_http(lambda request: httpx.Response(200, content=endless()), limits=SMALL)
    with pytest.raises(SourceFormatError, match="sends more than 1,000 bytes"):
        get(http)


def test_what_just_fits_is_taken(make_http: MakeHttp) -> None:
    assert get(make_http(reply(content=b"a" * 1000), limits=SMALL)) == b"a" * 1000


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "identity, gzip"])
def test_a_coding_that_was_not_asked_for_is_refused(make_http: MakeHttp, coding: str) -> None:
    """Each layer multiplies what a few bytes may hold, and its libraries decode whole chunks at once."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Accept-Encoding"] == "gzip, deflate"
        stream = httpx.ByteStream(b"\x1b\x07")
        return httpx.Response(200, stream=stream, headers={"Content-Type": "text/csv", "Content-Encoding": coding})

    with pytest.raises(SourceFormatError, match=f"is encoded as {coding}, which was not asked for"):
        get(make_http(answer))


@given(data=st.binary(max_size=3000), size=st.integers(1, 200))
def test_codings_are_read_in_pieces_of_any_size(data: bytes, size: int) -> None:
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = {
        "identity": data,
        "gzip": gzip.compress(data),
        "x-gzip": gzip.compress(data[:100]) + gzip.compress(data[100:]),
        "deflate": zlib.compress(data),
        "deflate without a frame": raw.compress(data) + raw.flush(),
    }
    for name, body in packed.items():
        pieces = [body[place : place + size] for place in range(0, len(body), size)]
        assert b"".join(decoded(pieces, name.partition(" ")[0])) == data, name


def test_half_a_gzip_and_none_are_no_answers() -> None:
    for body in (gzip.compress(CSV)[:-3], b"no gzip", gzip.compress(CSV) + b"more"):
        with pytest.raises(httpx.DecodingError):
            list(decoded([body], "gzip"))


def test_an_error_page_without_an_end_is_its_status(make_http: MakeHttp) -> None:
    http = make_http(lambda request: httpx.Response(404, content=endless()), limits=SMALL)
    with pytest.raises(SourceUnavailableError, match="answered 404"):
        get(http, URL)
