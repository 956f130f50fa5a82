"""Asking publishers' servers: patient, polite and distrustful. Keys in addresses never leave this module."""

import atexit
import hashlib
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from power_nowcast import __version__
from power_nowcast.errors import ConfigurationError, DataError, SourceFormatError, SourceUnavailableError
from power_nowcast.ingest.answers import Answer, Answers
from power_nowcast.ingest.published import Received
from power_nowcast.regions import SourceSpec
from power_nowcast.settings import settings

logger = logging.getLogger("power_nowcast.ingest")

TIMEOUT = httpx.Timeout(30, connect=10)
ATTEMPTS = 4
FIRST_WAIT = timedelta(seconds=1)
"""Before the second attempt; each further wait is twice as long, up to ..."""
LONGEST_WAIT = timedelta(minutes=2)
"""... this. Where a server asks for more patience, or a body takes longer, the call fails instead."""
SPACING = timedelta(seconds=0.5)
"""Between two requests to one host."""
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""States of a server that pass."""


class Body(StrEnum):
    """What an answer should hold; the content types that say so or leave it open."""

    CSV = "csv"
    JSON = "json"
    ZIP = "zip"


_OPEN = ("", "application/octet-stream", "binary/octet-stream", "application/x-download", "application/force-download")
_TYPES = {
    Body.CSV: ("text/csv", "text/plain", "application/csv", "application/vnd.ms-excel", *_OPEN),
    Body.JSON: ("application/json", "text/json", "text/plain", *_OPEN),
    Body.ZIP: ("application/zip", "application/x-zip", "application/x-zip-compressed", *_OPEN),
}
_BEGINNINGS = {Body.CSV: (), Body.JSON: (b"{", b"["), Body.ZIP: (b"PK",)}

_KEY = r"[^=&#?\s]*(?:token|key|secret|passw|signature|credential|auth)[^=&#\s]*="
_KEY_IN_URL = re.compile(rf"([?&;]{_KEY})[^&#\s\"']*", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(://)[^/@\s]+@")


def redact(text: str) -> str:
    """The text without what the addresses in it hold of keys and passwords."""
    return _KEY_IN_URL.sub(r"\1***", _USER_IN_URL.sub(r"\1***@", text))


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


logging.getLogger("httpx").addFilter(_Redacting())  # it logs every address


@dataclass(frozen=True)
class _Failure:
    """Why an attempt failed. `again`: a later one may not; `wait`: how long the server asks to wait."""

    reason: str
    status: int | None = None
    again: bool = True
    wait: timedelta | None = None
    kind: type[DataError] = SourceUnavailableError
    remedy: str = "Run it again later; what has arrived is kept."


class Http:
    """A client for all hosts; a context manager.

    Args:
        folder: where answers are kept; without it nothing is, and every request is answered in full.
        contact: mail address or page for the User-Agent.
        attempts: how often a request is sent that fails for a reason that passes.
        spacing: between two requests to one host.
        clock: the time, aware.
        sleep: waits so many seconds.
        chance: a number in [0, 1).
        transport: in place of the network.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        contact: str = "",
        attempts: int = ATTEMPTS,
        spacing: timedelta = SPACING,
        timeout: httpx.Timeout | float = TIMEOUT,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.contact = contact
        self.clock = clock
        self._answers = None if folder is None else Answers(folder)
        self._attempts = attempts
        self._spacing = spacing
        self._sleep = sleep
        self._chance = chance
        self._next: dict[str, datetime] = {}
        agent = f"power-nowcast/{__version__}" + (f" ({contact})" if contact else "")
        self._client = httpx.Client(
            transport=transport, timeout=timeout, follow_redirects=True, headers={"User-Agent": agent}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self,
        url: str,
        *,
        source: str,
        body: Body,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        dated: bool = False,
        spacing: timedelta | None = None,
    ) -> Received:
        """The answer of an address; content that has not changed keeps the time when it was first received.

        Args:
            url: address; its parameters may hold keys.
            source: name of the source, for errors.
            body: what the answer should hold.
            params: further parameters.
            headers: further headers.
            dated: Last-Modified is the publisher's own time of the content.
            spacing: until the next request to this host, in place of the client's.

        Raises:
            SourceUnavailableError: no whole answer after all attempts, or none that will ever come.
            SourceFormatError: something else than `body` came, each time.
            ConfigurationError: the address is none.
            StoreError: the answer cannot be kept.
        """
        address = _address(url, params, source)
        shown = redact(str(address))
        known = None if self._answers is None else self._answers.newest(shown)
        headers = {**_conditions(known), **(headers or {})}
        failure = _Failure("was not asked")
        for attempt in range(1, self._attempts + 1):
            self._take_turn(address.host, source, shown, failure, attempt - 1)
            outcome = self._ask(address, headers, body, known, dated)
            self._next[address.host] = self.clock() + (spacing or self._spacing)
            if isinstance(outcome, Received):
                return outcome
            failure = outcome
            wait = max(failure.wait or timedelta(0), self._backoff(attempt))
            if failure.again:
                self._next[address.host] = self.clock() + wait
            if not failure.again or attempt == self._attempts:
                break
            logger.warning(
                "%s: %s %s at %s; attempt %d of %d, the next in %.1f s.",
                source,
                shown,
                failure.reason,
                f"{self.clock():%Y-%m-%dT%H:%M:%SZ}",
                attempt,
                self._attempts,
                wait.total_seconds(),
            )
        raise self._error(failure, source, shown, attempt)

    def _take_turn(self, host: str, source: str, shown: str, failure: _Failure, attempts: int) -> None:
        """Wait until the host may be asked again."""
        wait = self._next.get(host, self.clock()) - self.clock()
        if wait > LONGEST_WAIT:
            asked_for = f"{self._next[host]:%Y-%m-%dT%H:%M:%SZ}"
            reason = f"{failure.reason}; the server asked to wait until {asked_for}"
            raise self._error(
                replace(failure, reason=reason, remedy=f"Run it again after {asked_for}."), source, shown, attempts
            )
        if wait > timedelta(0):
            self._sleep(wait.total_seconds())

    def _ask(
        self,
        address: httpx.URL,
        headers: Mapping[str, str],
        body: Body,
        known: tuple[Answer, bytes] | None,
        dated: bool,
    ) -> Received | _Failure:
        """One attempt."""
        asked_at = self.clock()
        try:
            with self._client.stream("GET", address, headers=headers) as response:
                chunks = []
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    if self.clock() - asked_at > LONGEST_WAIT:
                        return _Failure(f"took longer than {LONGEST_WAIT}", response.status_code)
        except httpx.TimeoutException as error:
            return _Failure(f"timed out ({type(error).__name__})")
        except (httpx.TransportError, httpx.DecodingError) as error:
            return _Failure(f"failed: {redact(str(error)) or type(error).__name__}")
        except httpx.RequestError as error:
            return _Failure(f"failed: {redact(str(error))}", again=False, remedy="Check the address.")
        data, status = b"".join(chunks), response.status_code
        if status == httpx.codes.NOT_MODIFIED and known is not None:
            return _received(*known, dated)
        if status in BUSY:
            wait = _retry_after(response.headers.get("Retry-After"), self.clock())
            return _Failure(f"answered {status} {response.reason_phrase}", status, wait=wait)
        if status != httpx.codes.OK:
            remedy = "Check the address and the key; the publisher may not have this (yet, or any more)."
            return _Failure(f"answered {status} {response.reason_phrase}", status, again=False, remedy=remedy)
        if (failure := _fault(response, data, body, address)) is not None:
            return failure
        return self._keep(response, data, known, address, dated)

    def _keep(
        self,
        response: httpx.Response,
        data: bytes,
        known: tuple[Answer, bytes] | None,
        address: httpx.URL,
        dated: bool,
    ) -> Received:
        answer = Answer(
            url=redact(str(address)),
            status=response.status_code,
            received_at=self.clock().astimezone(UTC),
            sha256=hashlib.sha256(data).hexdigest(),
            content_type=response.headers.get("Content-Type"),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        )
        if known is not None and known[0].sha256 == answer.sha256:
            answer = replace(answer, received_at=known[0].received_at)
        if self._answers is not None and (known is None or known[0] != answer):
            self._answers.keep(answer, data)
        return _received(answer, data, dated)

    def _backoff(self, attempt: int) -> timedelta:
        wait: timedelta = FIRST_WAIT * 2 ** (attempt - 1) * (0.5 + 0.5 * self._chance())
        return min(wait, LONGEST_WAIT)

    def _error(self, failure: _Failure, source: str, shown: str, attempts: int) -> DataError:
        at = self.clock().astimezone(UTC)
        times = "" if attempts < 2 else f", the last of {attempts} attempts"
        return failure.kind(
            f"{source}: {shown} {failure.reason} at {at:%Y-%m-%dT%H:%M:%SZ}{times}.",
            remedy=failure.remedy,
            source=source,
            url=shown,
            time=at,
            status=failure.status,
            attempts=attempts,
        )


@cache
def client() -> Http:
    """The process's own client, by the settings; answers are kept beside the tables where those are in a folder."""
    data = settings().data
    made = Http(None if "://" in data else answers_folder(data), contact=settings().contact)
    atexit.register(made.close)
    return made


def answers_folder(data: str) -> Path:
    """Where the process's own client keeps answers, beside the tables in the folder `data`."""
    return Path(data, "raw", "http")


def base_url(spec: SourceSpec, default: str, *, name: str | None = None) -> str:
    """Where a source is: the region file's option `url`, else what NOWCAST_URLS says of `name`, else the default."""
    return str(spec.options.get("url") or settings().urls.get(name or spec.source) or default).rstrip("/")


def _address(url: str, params: Mapping[str, str] | None, source: str) -> httpx.URL:
    try:
        address = httpx.URL(url).copy_merge_params(params or {})
    except httpx.InvalidURL as error:
        reason = str(error)
    else:
        if address.scheme in ("http", "https") and address.host:
            return address
        reason = "it is no http:// or https:// address"
    raise ConfigurationError(
        f"{source}: {redact(url)} cannot be asked: {redact(reason)}.",
        remedy="Correct NOWCAST_URLS or the option url in the region file.",
        source=source,
        url=redact(url),
    )


def _conditions(known: tuple[Answer, bytes] | None) -> dict[str, str]:
    if known is None:
        return {}
    given = {"If-None-Match": known[0].etag, "If-Modified-Since": known[0].last_modified}
    return {name: value for name, value in given.items() if value}


def _fault(response: httpx.Response, data: bytes, body: Body, address: httpx.URL) -> _Failure | None:
    """What is wrong with a body that came with status 200."""
    status, told = response.status_code, response.headers.get("Content-Length", "")
    if told.isdigit() and int(told) != response.num_bytes_downloaded:
        return _Failure(f"broke off after {response.num_bytes_downloaded} of {told} bytes", status)
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    remedy = "Run it again later; if it stays, open the address in a browser to see what the publisher says."
    if not start:
        reason = f"gave an empty body in place of {body}"
    elif content_type in ("text/html", "application/xhtml+xml") or start[:14].lower().startswith(
        (b"<!doctype html", b"<html")
    ):
        reason = f"gave a web page ({_title(start, address)}) in place of {body}"
    elif content_type not in _TYPES[body] and not (body is Body.JSON and content_type.endswith("+json")):
        reason = f"gave {content_type} in place of {body}"
    elif _BEGINNINGS[body] and not start.startswith(_BEGINNINGS[body]):
        reason = f"gave something else than {body}, beginning {_plain(start[:60], address)!r}"
    else:
        return None
    return _Failure(reason, status, kind=SourceFormatError, remedy=remedy)


def _title(page: bytes, address: httpx.URL) -> str:
    title = re.search(rb"<(?:title|h1)[^>]*>([^<]*)", page, re.IGNORECASE)
    return _plain((title[1] if title else re.sub(rb"<[^>]*>", b" ", page))[:80], address) or "without words"


def _plain(words: bytes, address: httpx.URL) -> str:
    """Words of an answer without the keys of its address, which a server may repeat."""
    text = " ".join(redact(words.decode(errors="replace")).split())
    keys = [value for name, value in address.params.multi_items() if re.fullmatch(_KEY, f"{name}=", re.IGNORECASE)]
    # A base address that ends in a key has the path of what is asked for behind it.
    for key in (address.password, *keys, *(key.partition("/")[0] for key in keys)):
        text = text.replace(key, "***") if key else text
    return text


def _retry_after(header: str | None, now: datetime) -> timedelta | None:
    if not header:
        return None
    if header.strip().isdigit():
        return timedelta(seconds=int(header))
    try:
        return max(parsedate_to_datetime(header).astimezone(UTC) - now, timedelta(0))
    except ValueError:
        return None


def _received(answer: Answer, data: bytes, dated: bool) -> Received:
    published_at = None
    if dated and answer.last_modified:
        try:
            published_at = parsedate_to_datetime(answer.last_modified).astimezone(UTC)
        except ValueError:
            logger.warning("%s: unreadable Last-Modified %r", answer.url, answer.last_modified)
    return Received(data, published_at=published_at, received_at=answer.received_at, url=answer.url)
