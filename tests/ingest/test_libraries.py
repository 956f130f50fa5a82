import gzip
import io
import logging
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path

import pytest

from power_nowcast.errors import ConfigurationError, DataError, SourceFormatError, SourceUnavailableError
from power_nowcast.ingest.libraries import Asking, check_library, library, read_table, table_bytes, time_of
from power_nowcast.ingest.published import Source
from power_nowcast.ingest.sources.entsoe import Entsoe
from power_nowcast.ingest.sources.gridstatus import Gridstatus
from power_nowcast.ingest.web import Limits
from power_nowcast.settings import settings
from tests.faults import Dripping, Reply, Server

from .conftest import Recorder, needs, region_of, request_of

KEY = "k3y-that-nobody-may-see"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class AbsentError(Exception):
    pass


def asked(error: Exception, key: str = KEY) -> DataError:
    def ask() -> None:
        raise error

    variable = "THEIR_API_KEY" if key else ""
    with pytest.raises(DataError) as caught:
        Asking("publisher", "load of today", NOON, key, variable, (AbsentError,)).call(ask)
    assert KEY not in str(caught.value)
    assert KEY not in str(caught.value.fields)
    assert caught.value.__context__ is None, "the library's own error may hold the key"
    return caught.value


def refused(status: int) -> Exception:
    return urllib.error.HTTPError(f"https://example.org/?securityToken={KEY}", status, "no", Message(), None)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (refused(401), SourceUnavailableError, "was refused with 401.*Check the key in THEIR_API_KEY"),
        (refused(403), SourceUnavailableError, "was refused with 403"),
        (refused(503), SourceUnavailableError, "was answered 503"),
        (AbsentError("no rows"), SourceUnavailableError, "has nothing"),
        (
            ConnectionResetError(f"https://example.org/?x={KEY}"),
            SourceUnavailableError,
            r"ConnectionResetError: .*\*\*\*",
        ),
        (RuntimeError("Failed to get data"), SourceUnavailableError, "Failed to get data"),
        (KeyError("Battery Storage"), SourceFormatError, "cannot read .KeyError: 'Battery Storage'"),
        (ValueError(), SourceFormatError, "cannot read .ValueError"),
    ],
)
def test_what_a_library_raises_becomes_an_error_without_the_key(
    error: Exception, kind: type[DataError], message: str
) -> None:
    found = asked(error)
    assert type(found) is kind
    with pytest.raises(kind, match=message):
        raise found


def test_an_error_tells_the_status_and_where_nothing_is_there() -> None:
    assert asked(refused(401)).fields["status"] == 401
    assert asked(AbsentError()).fields["status"] == 404
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = refused(429)
    assert asked(wrapped).fields["status"] == 429
    assert "refuses access" in asked(refused(403), key="").remedy


def test_what_a_library_logs_and_prints_shows_no_key(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    def ask() -> int:
        for name in ("gridstatus", "entsoe.entsoe", "urllib3.connectionpool"):
            logging.getLogger(name).info("asking with %s", {"headers": {"Ocp-Apim-Subscription-Key": KEY}})
        sys.stdout.write("Attempt 1 failed")
        return 7

    asking = Asking("publisher", "load", NOON, KEY)
    assert asking.call(ask) == 7
    assert KEY not in repr(asking)
    assert caplog.text.count("***") == 3
    assert KEY not in caplog.text
    assert capsys.readouterr().out == ""


def test_a_library_that_is_not_there_is_told_by_the_command_that_installs_it() -> None:
    remedy = r"no_such_library.*make setup, or elsewhere: pip install '\.\[grids\]'"
    for ask in (library, check_library):
        with pytest.raises(ConfigurationError, match=remedy) as caught:
            ask("no_such_library", source="gridstatus")
        assert caught.value.fields == {"source": "gridstatus", "package": "no_such_library"}


def test_nothing_of_the_extra_is_imported_before_it_is_asked() -> None:
    code = (
        "import sys, power_nowcast.ingest.fetch, power_nowcast.cli\n"
        "print({'gridstatus', 'entsoe', 'meteostat', 'requests'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("source", "options", "variable"),
    [(Entsoe(), {"area": "FI"}, "ENTSOE_API_KEY"), (Gridstatus(), {"grid": "PJM"}, "PJM_API_KEY")],
)
def test_a_source_without_its_key_asks_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: Source, options: dict[str, str], variable: str
) -> None:
    needs("entsoe")
    needs("gridstatus")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(variable, raising=False)
    settings.cache_clear()
    region = region_of("X", timezone="UTC", interval=15, source=variable, label="start", **options)
    with pytest.raises(ConfigurationError, match=f"{variable} is not set"):
        next(source.deliveries(request_of(region, http=Recorder(NOON))))
    (tmp_path / ".env").write_text(f"{variable}={KEY}\n")
    settings.cache_clear()
    assert next(source.deliveries(request_of(region, http=Recorder(NOON)))).server
    assert KEY not in repr(settings())
    settings.cache_clear()


def test_a_table_is_the_same_bytes_each_time_and_reads_back() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "Time": pandas.to_datetime(["2026-03-08T01:55-06:00", "2026-03-08T03:00-05:00"], utc=True).tz_convert(
                "America/Chicago"
            ),
            "naive": pandas.to_datetime(["2026-03-08T07:55", None]),
            "Load": [0.1 + 0.2, None],
        }
    )
    before = frame.copy()
    data = table_bytes(frame, "not raw: a test")
    assert data == table_bytes(frame, "not raw: a test")
    pandas.testing.assert_frame_equal(frame, before)
    assert data.startswith(
        b"# not raw: a test\nTime,naive,Load\n2026-03-08T07:55:00Z,2026-03-08T07:55:00Z,0.30000000000000004\n"
    )
    rows = read_table(data, "x.csv")
    assert rows.select(time_of("Time"))["Time"].to_list()[1] == datetime(2026, 3, 8, 8, tzinfo=UTC)
    assert rows["Load"].to_list() == ["0.30000000000000004", None]


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", data)
    return buffer.getvalue()


SMALL = Limits(whole=timedelta(seconds=0.3), sent=1000, content=5000)


def by_urllib(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:  # noqa: S310 - a server of the test
        return bytes(response.read())


def by_requests(url: str) -> bytes:
    return bytes(pytest.importorskip("requests").get(url).content)


def by_pandas(url: str) -> bytes:
    return pytest.importorskip("pandas").read_csv(url).to_csv(index=False).encode()


LIBRARIES = [by_urllib, by_requests, by_pandas]


def call(ask: Callable[[str], bytes], url: str, limits: Limits = SMALL) -> bytes:
    return Asking("publisher", "load of today", NOON, limits=limits).call(lambda: ask(url))


@pytest.mark.parametrize("ask", LIBRARIES)
@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"]
)
def test_a_server_that_drips_does_not_hold_a_library(ask: Callable[[str], bytes], head: bytes) -> None:
    with Dripping(head) as server, pytest.raises(SourceUnavailableError, match="took longer than 0 s"):
        call(ask, server.url)


@pytest.mark.parametrize("ask", LIBRARIES)
@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(b"a" * 1001), "sends more than 1,000 bytes"),
        (Reply(gzip.compress(b"0" * 5001), headers={"Content-Encoding": "gzip"}), "more than 5,000 bytes once"),
        (Reply(gzip.compress(b"0" * 5001)), "more than 5,000 bytes once"),
        (Reply(zipped(b"0" * 5001)), "more than 5,000 bytes once"),
    ],
)
def test_what_is_too_large_does_not_reach_a_library(ask: Callable[[str], bytes], reply: Reply, message: str) -> None:
    with Server() as server:
        server.serve("/x", reply)
        with pytest.raises(SourceFormatError, match=message) as caught:
            call(ask, f"{server.url}/x")
    assert "--start" in caught.value.remedy


@pytest.mark.parametrize("ask", LIBRARIES)
@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_what_is_in_order_reaches_a_library_as_it_is(ask: Callable[[str], bytes], headers: dict[str, str]) -> None:
    table = b"a,b\n1,2\n3,4\n"
    if headers and ask is by_urllib:
        table = gzip.compress(table)  # urllib leaves that to its caller
    with Server() as server:
        server.serve("/x", Reply(gzip.compress(table) if headers and ask is not by_urllib else table, headers=headers))
        server.serve("/cut", Reply(table, cut=True))
        for _ in range(2):
            assert call(ask, f"{server.url}/x", Limits()) == table
        with pytest.raises(SourceUnavailableError, match="failed"):
            call(ask, f"{server.url}/cut", Limits())
        server.serve("/large", Reply(b"a\n" * 2000))
        with pytest.raises(SourceFormatError):
            call(ask, f"{server.url}/large")
        assert len(ask(f"{server.url}/large")) == 4000, "nothing is bound outside of a call"


@pytest.mark.parametrize("ask", LIBRARIES)
def test_a_library_with_a_key_follows_no_redirect_to_another_address(ask: Callable[[str], bytes]) -> None:
    with Server() as server, Server() as other:
        other.serve("/x", Reply(b"a\n1\n"))
        server.serve("/x", Reply(b"a\n2\n"))
        server.serve("/away", Reply(status=302, headers={"Location": f"{other.url}/x"}))
        server.serve("/near", Reply(status=302, headers={"Location": "/x"}))
        with_key = Asking("publisher", "load of today", NOON, KEY)
        with pytest.raises(SourceUnavailableError, match="redirects to another address"):
            with_key.call(lambda: ask(f"{server.url}/away"))
        assert other.asked == []
        assert with_key.call(lambda: ask(f"{server.url}/near")) == b"a\n2\n"
        assert call(ask, f"{server.url}/away", Limits()) == b"a\n1\n", "without a key nothing can be told"


def test_a_gzip_that_is_a_file_is_unpacked_by_pandas_alone() -> None:
    """As Meteostat's files are, whether the server says so in a header or not."""
    pandas = pytest.importorskip("pandas")
    for headers in ({}, {"Content-Encoding": "gzip"}):
        with Server() as server:
            server.serve("/x.csv.gz", Reply(gzip.compress(b"a\n7\n"), headers=headers))
            found = call(lambda url: pandas.read_csv(url, compression="gzip"), f"{server.url}/x.csv.gz", Limits())
        assert found["a"].to_list() == [7]  # type: ignore[call-overload]
