import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.errors import ConfigurationError, NowcastError, SourceFormatError, SourceUnavailableError, StoreError
from power_nowcast.ingest.web import Body, Http, Limits, redact
from power_nowcast.ingest.web.answers import Answers
from tests.faults import Clock
from tests.ingest.web.conftest import CSV, START, URL, MakeHttp, as_sent, get, reply


def test_an_answer_says_when_and_from_where(make_http: MakeHttp) -> None:
    modified = "Wed, 19 Feb 2025 11:45:00 GMT"
    http = make_http(reply(Last_Modified=modified))
    received = http.get(URL, source="test", body=Body.CSV, params={"day": "1"})
    assert (received.data, received.received_at, received.published_at) == (CSV, START, None)
    assert received.url == f"{URL}?day=1"
    dated = http.get(URL, source="test", body=Body.CSV, dated=True)
    assert dated.published_at == datetime(2025, 2, 19, 11, 45, tzinfo=UTC)


def test_the_user_agent_tells_whom_to_contact(make_http: MakeHttp) -> None:
    agents = []

    def answer(request: httpx.Request) -> httpx.Response:
        agents.append(request.headers["User-Agent"])
        return reply()

    get(make_http(answer, contact="me@example.org"))
    assert agents[0].startswith("power-nowcast/")
    assert agents[0].endswith("(me@example.org)")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_ever_more_slowly(make_http: MakeHttp, clock: Clock, status: int) -> None:
    assert get(make_http(reply(status), reply(status), reply(status), reply())) == CSV
    assert clock.slept == [1, 2, 4]


@given(chance=st.floats(0, 1, exclude_max=True), attempts=st.integers(1, 12))
def test_waits_are_jittered_and_bounded(chance: float, attempts: int) -> None:
    clock = Clock(START)
    transport = httpx.MockTransport(lambda request: reply(503))
    limits = Limits(whole=timedelta(hours=1))
    options = {"clock": clock, "sleep": clock.sleep, "chance": lambda: chance, "transport": transport, "limits": limits}
    with Http(attempts=attempts, **options) as http, pytest.raises(SourceUnavailableError) as caught:  # type: ignore[arg-type]
        get(http)
    assert caught.value.fields["attempts"] == attempts
    assert len(clock.slept) == attempts - 1
    for number, wait in enumerate(clock.slept):
        assert min(2**number / 2, 120) <= wait <= min(2**number, 120)


@pytest.mark.parametrize("told", ["30", "Wed, 19 Feb 2025 12:00:30 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(make_http: MakeHttp, clock: Clock, status: int, told: str) -> None:
    assert get(make_http(reply(status, Retry_After=told), reply())) == CSV
    assert clock.slept == [30]


def test_a_server_that_wants_an_hour_of_peace_gets_it(make_http: MakeHttp, clock: Clock) -> None:
    http = make_http(reply(429, Retry_After="3600"), reply())
    for attempts in (1, 0):
        with pytest.raises(SourceUnavailableError, match="13:00:00Z") as caught:
            get(http)
        assert caught.value.fields["attempts"] == attempts
    assert clock.slept == []
    clock.now += timedelta(hours=1)
    assert get(http) == CSV


@pytest.mark.parametrize(
    "told",
    [
        *("soon", "", "-5", "inf", "nan", "1e9", "1.5", "0x10", "30, 60", "9" * 9000, "Wed, 99 Feb 2025"),
        *("86401", "999999999999999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"),
        *("Wed, 19 Feb 9999999 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "Wed, 19 Feb 2025 12:00:00 +9999999"),
    ],
)
def test_a_retry_after_that_is_unreadable_or_not_meant_is_none(make_http: MakeHttp, clock: Clock, told: str) -> None:
    assert get(make_http(reply(503, Retry_After=told), reply())) == CSV
    assert clock.slept == [1]


def test_a_clock_that_is_set_back_holds_up_nobody(clock: Clock) -> None:
    seconds = iter(range(100))
    transport = httpx.MockTransport(lambda request: as_sent(reply()))
    with Http(clock=clock, timer=lambda: next(seconds), sleep=clock.sleep, transport=transport) as http:
        get(http)
        clock.now -= timedelta(days=400)
        get(http)
    assert clock.slept == []


def test_all_attempts_together_have_a_deadline(make_http: MakeHttp, clock: Clock) -> None:
    limits = Limits(whole=timedelta(seconds=10))
    with pytest.raises(SourceUnavailableError, match=r"503.*another attempt would end after the 10 s") as caught:
        get(make_http(reply(503), attempts=12, limits=limits))
    assert (clock.slept, caught.value.fields["attempts"]) == ([1, 2, 4], 4)


@pytest.mark.parametrize("told", ["Wed, 19 Feb 2025 12:00:01 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 99, "x"])
def test_a_publish_time_that_cannot_be_is_none(
    make_http: MakeHttp, caplog: pytest.LogCaptureFixture, told: str
) -> None:
    received = make_http(reply(Last_Modified=told)).get(URL, source="test", body=Body.CSV, dated=True)
    assert (received.data, received.published_at) == (CSV, None)
    assert "Last-Modified" in caplog.text


def test_each_host_is_asked_with_pauses(make_http: MakeHttp, clock: Clock) -> None:
    http = make_http(reply(), spacing=timedelta(seconds=2))
    for url in (URL, "https://other.org/day.csv", URL):
        get(http, url)
    assert clock.slept == [2]
    get(http, "https://third.org/x", spacing=timedelta(seconds=6))
    get(http, "https://third.org/x")
    assert clock.slept == [2, 6]


FAILURES = [
    (httpx.ReadTimeout("slow"), SourceUnavailableError, "timed out"),
    (httpx.ConnectError("refused"), SourceUnavailableError, "failed: refused"),
    (httpx.DecodingError("bad gzip"), SourceUnavailableError, "bad gzip"),
    (reply(503), SourceUnavailableError, "answered 503 Service Unavailable"),
    (reply(Content_Length="99"), SourceUnavailableError, "broke off after 8 of 99 bytes"),
    (reply(content=b""), SourceFormatError, "empty body"),
    (reply(content=b"\xef\xbb\xbf \r\n"), SourceFormatError, "empty body"),
    (reply(content=b"<h1>Down</h1>", content_type="text/html; charset=utf-8"), SourceFormatError, r"web page \(Down\)"),
    (reply(content=b"\n<!DOCTYPE HTML><title>Sorry</title>"), SourceFormatError, r"web page \(Sorry\)"),
    (reply(content_type="image/png"), SourceFormatError, "gave image/png in place of csv"),
]


@pytest.mark.parametrize(("failure", "kind", "message"), FAILURES)
def test_what_keeps_failing_is_told_with_all_facts(
    make_http: MakeHttp,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    failure: httpx.Response | Exception,
    kind: type[NowcastError],
    message: str,
) -> None:
    with pytest.raises(kind, match=message) as caught:
        get(make_http(failure))
    error = caught.value
    status = failure.status_code if isinstance(failure, httpx.Response) else None
    assert error.fields == {"source": "test", "url": URL, "time": clock.now, "status": status, "attempts": 4}
    assert str(error).startswith(f"test: {URL} ")
    assert f"{clock.now:%Y-%m-%dT%H:%M:%SZ}, the last of 4 attempts. Run it again" in str(error)
    assert [record.levelname for record in caplog.records if record.name == "power_nowcast.ingest"] == ["WARNING"] * 3
    assert get(make_http(failure, reply())) == CSV


def test_what_will_not_pass_is_not_tried_again(make_http: MakeHttp, clock: Clock) -> None:
    with pytest.raises(SourceUnavailableError, match="404 Not Found") as caught:
        get(make_http(reply(404)))
    assert (caught.value.fields["status"], caught.value.fields["attempts"], clock.slept) == (404, 1, [])
    with pytest.raises(SourceUnavailableError, match="304"):
        get(make_http(reply(304)))


@pytest.mark.parametrize(
    ("body", "content_type", "content"),
    [
        (Body.JSON, "application/geo+json", b' {"a": 1}'),
        (Body.JSON, "application/json; charset=utf-8", b"[]"),
        (Body.ZIP, "application/x-zip-compressed", b"PK\x03\x04"),
        (Body.CSV, "", b"a"),
    ],
)
def test_the_usual_types_are_taken(make_http: MakeHttp, body: Body, content_type: str, content: bytes) -> None:
    assert get(make_http(reply(content=content, content_type=content_type)), body=body) == content


@pytest.mark.parametrize(("body", "content"), [(Body.ZIP, CSV), (Body.JSON, b"null")])
def test_a_body_begins_as_its_kind_does(make_http: MakeHttp, body: Body, content: bytes) -> None:
    with pytest.raises(SourceFormatError, match="beginning"):
        get(make_http(reply(content=content, content_type="application/octet-stream")), body=body)


def test_a_body_that_drips_for_minutes_is_given_up(make_http: MakeHttp, clock: Clock) -> None:
    def drip() -> Iterator[bytes]:
        while True:
            clock.now += timedelta(seconds=50)
            yield b"a"

    with pytest.raises(SourceUnavailableError, match="took longer than"):
        get(make_http(lambda request: httpx.Response(200, content=drip())))


@pytest.mark.parametrize("url", ["ftp://example.org/x", "example.org", "http://[::1/x", "http://example.org:port/"])
def test_what_is_no_address_is_a_wrong_setting(make_http: MakeHttp, url: str) -> None:
    with pytest.raises(ConfigurationError, match="NOWCAST_URLS"):
        get(make_http(reply()), url)


def test_unchanged_content_is_not_sent_again(make_http: MakeHttp, clock: Clock, tmp_path: Path) -> None:
    conditions = []

    def answer(request: httpx.Request) -> httpx.Response:
        conditions.append((request.headers.get("If-None-Match"), request.headers.get("If-Modified-Since")))
        modified = "Wed, 19 Feb 2025 11:45:00 GMT"
        known = request.headers.get("If-None-Match") == '"1"'
        return reply(304 if known else 200, b"" if known else CSV, ETag='"1"', Last_Modified=modified)

    first = make_http(answer, folder=tmp_path).get(URL, source="test", body=Body.CSV, dated=True)
    clock.now += timedelta(hours=1)
    again = make_http(answer, folder=tmp_path).get(URL, source="test", body=Body.CSV, dated=True)
    assert again == first, "it was received when it was first received"
    assert conditions == [(None, None), ('"1"', "Wed, 19 Feb 2025 11:45:00 GMT")]


def test_every_content_of_an_address_is_kept_with_its_time(make_http: MakeHttp, clock: Clock, tmp_path: Path) -> None:
    contents = [b"a\n1\n", b"a\n1\n2\n", b"a\n1\n2\n", b"a\n1\n"]
    http = make_http(
        *(reply(content=content, ETag=f'"{number}"') for number, content in enumerate(contents)), folder=tmp_path
    )
    received = []
    for _ in contents:
        received.append(http.get(URL, source="test", body=Body.CSV))
        clock.now += timedelta(minutes=5)
    minutes = [(one.received_at - START).total_seconds() / 60 for one in received if one.received_at]
    assert minutes == [0, 5, 5, 15]
    kept = Answers(tmp_path)
    assert [(answer.received_at, kept.data(answer)) for answer in kept] == [
        (one.received_at, one.data) for one in (received[0], received[1], received[3])
    ]
    assert len(list(tmp_path.glob("content/*/*.gz"))) == 2


def test_a_damaged_copy_is_asked_for_again(make_http: MakeHttp, tmp_path: Path) -> None:
    http = make_http(
        lambda request: reply(304 if "If-None-Match" in request.headers else 200, ETag='"1"'), folder=tmp_path
    )
    get(http)
    (content,) = tmp_path.glob("content/*/*.gz")
    for damage in (content.read_bytes()[:-4], b"", b"no gzip"):
        content.write_bytes(damage)
        assert get(http) == CSV
        assert get(http) == CSV, "the copy is whole again"


def test_a_folder_that_cannot_be_written_is_named(make_http: MakeHttp, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="file"):
        get(make_http(reply(), folder=tmp_path / "file"))


SECRET = "c0ffee-and-cake"


@pytest.mark.parametrize(
    "failure",
    [
        reply(401),
        reply(503),
        httpx.ConnectError(f"no route to https://example.org/api?securityToken={SECRET}"),
        reply(content=f"<html><title>bad token {SECRET}</title>".encode()),
        reply(content=f"<html>https://x.org/?api_key={SECRET}&b=1".encode()),
    ],
)
def test_keys_reach_no_log_error_or_file(
    make_http: MakeHttp, caplog: pytest.LogCaptureFixture, tmp_path: Path, failure: httpx.Response | Exception
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"https://user:{SECRET}@example.org/api?day=1"
    params = {"securityToken": SECRET, "zone": "BE"}
    with pytest.raises(NowcastError) as caught:
        get(make_http(failure, folder=tmp_path), url, params=params)
    told = [str(caught.value), repr(caught.value.fields), caplog.text]
    assert "securityToken=***&zone=BE" in told[0]
    received = make_http(reply(), folder=tmp_path).get(url, source="test", body=Body.CSV, params=params)
    assert "HTTP Request: GET" in caplog.text, "httpx tells what it asks"
    told += [repr(received), caplog.text, *(str(file) + file.read_text() for file in tmp_path.glob("answers/*/*.json"))]
    assert len(told) == 6
    assert not [text for text in told if SECRET in text]


@given(st.text("abc/?&=:@#. ", max_size=40), st.text("xyz012", min_size=1, max_size=8))
def test_redacting_hides_the_key_and_nothing_else(around: str, key: str) -> None:
    assert redact(f"http://h/?q=1&token={key}&r=2#f") == "http://h/?q=1&token=***&r=2#f"
    assert redact(redact(around)) == redact(around)
