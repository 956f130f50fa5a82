"""The client: it asks politely, retries patiently, gives up in time, and keeps the answers."""

import hashlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from power_nowcast import __version__
from power_nowcast.contracts import Received
from power_nowcast.errors import DataError, SourceFormatError, SourceUnavailableError
from power_nowcast.ingest.web.addresses import Hop, address_of, redact, secrets_of
from power_nowcast.ingest.web.answers import Answer, Answers
from power_nowcast.ingest.web.body import Body, fault
from power_nowcast.ingest.web.limits import Deadline, Limits, TooLargeError, UnknownCodingError, body_of, length_of
from power_nowcast.ingest.web.times import doubled, http_date, retry_after

logger = logging.getLogger("power_nowcast.ingest")

TIMEOUT = httpx.Timeout(30, connect=10)
"""Time-out of one read or write; `Limits` bounds the whole request."""
ATTEMPTS = 4
FIRST_WAIT = timedelta(seconds=1)
"""Wait before the second attempt; each further wait is twice as long, up to ..."""
LONGEST_WAIT = timedelta(minutes=2)
"""... this. If a server asks for a longer wait the call fails."""
SPACING = timedelta(seconds=0.5)
"""Least time between two requests to one host."""
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes of a temporary failure."""


@dataclass(frozen=True)
class _Failure:
    """Why an attempt failed. `again`: a later attempt may succeed; `wait`: how long the server asks to wait."""

    reason: str
    status: int | None = None
    again: bool = True
    wait: timedelta | None = None
    kind: type[DataError] = SourceUnavailableError
    remedy: str = "Run it again later; what has arrived is kept."
    more: Mapping[str, object] = field(default_factory=dict)


class Http:
    """A client for all hosts; a context manager.

    Args:
        folder: keeps answers; without it nothing is kept, and every request is answered in full.
        contact: mail address or page for the User-Agent.
        attempts: how often a request is sent if it fails for a temporary reason.
        spacing: least time between two requests to one host.
        timeout: of one read or write.
        limits: of one request.
        clock: the time, aware; by default the system's.
        timer: passing seconds: by `clock` if one is given, else by the system's monotonic timer.
        sleep: waits this many seconds.
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
        limits: Limits | None = None,
        clock: Callable[[], datetime] | None = None,
        timer: Callable[[], float] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.contact = contact
        self.limits = limits or Limits()
        self.clock = clock or (lambda: datetime.now(UTC))
        self._timer = timer or (time.monotonic if clock is None else lambda: clock().timestamp())
        self._answers = None if folder is None else Answers(folder)
        self._attempts = attempts
        self._spacing = spacing
        self._sleep = sleep
        self._chance = chance
        self._next: dict[str, float] = {}
        """The time from which each host may be asked again, by the timer."""
        agent = f"power-nowcast/{__version__}" + (f" ({contact})" if contact else "")
        self._client = httpx.Client(
            transport=transport, timeout=timeout, headers={"User-Agent": agent, "Accept-Encoding": "gzip, deflate"}
        )
        self._deadline = Deadline(self._timer)
        self._deadline.bind(self._client)

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
        """The answer of an address. Content that has not changed keeps the time when it was first received.

        Args:
            url: address; its parameters may hold keys.
            source: name of the source, for errors.
            body: what the answer should hold.
            params: further parameters.
            headers: further headers.
            dated: whether Last-Modified is the publisher's own time of the content.
            spacing: time until the next request to this host, in place of the client's.

        Raises:
            SourceUnavailableError: no complete answer after all attempts, or a failure that is permanent.
            SourceFormatError: every answer held something else than `body`.
            ConfigurationError: the address is no http or https address.
            StoreError: the answer cannot be kept.
        """
        address = address_of(url, params, source)
        shown = redact(str(address))
        known = None if self._answers is None else self._answers.newest(shown)
        hop = Hop(address, {**_conditions(known), **(headers or {})})
        end = self._timer() + self.limits.whole.total_seconds()
        failure = _Failure("was not asked")
        for attempt in range(1, self._attempts + 1):
            too_late = self._take_turn(address.host, end, failure)
            if too_late is not None:
                raise self._error(too_late, source, shown, attempt - 1)
            outcome = self._ask(hop, end, body, known, dated)
            self._rest(address.host, spacing or self._spacing)
            if isinstance(outcome, Received):
                return outcome
            failure = outcome
            wait = max(failure.wait or timedelta(0), self._backoff(attempt))
            if failure.again:
                self._rest(address.host, wait)
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

    def _rest(self, host: str, wait: timedelta) -> None:
        self._next[host] = self._timer() + wait.total_seconds()

    def _take_turn(self, host: str, end: float, failure: _Failure) -> _Failure | None:
        """Wait until the host may be asked again; returns a failure if that takes too long."""
        now = self._timer()
        wait = self._next.get(host, now) - now
        if wait > LONGEST_WAIT.total_seconds():
            asked_for = f"{self.clock().astimezone(UTC) + timedelta(seconds=wait):%Y-%m-%dT%H:%M:%SZ}"
            reason = f"{failure.reason}; the server asked to wait until {asked_for}"
            return replace(failure, reason=reason, remedy=f"Run it again after {asked_for}.")
        if now + max(wait, 0) >= end:
            reason = f"{failure.reason}; another attempt would end after the {_seconds(self.limits.whole)} of a request"
            return replace(failure, reason=reason)
        if wait > 0:
            self._sleep(wait)
        return None

    def _ask(
        self, hop: Hop, end: float, body: Body, known: tuple[Answer, bytes] | None, dated: bool
    ) -> Received | _Failure:
        """One attempt."""
        limit = min(self.limits.attempt.total_seconds(), end - self._timer())
        until = self._timer() + limit
        try:
            with self._deadline.until(until):
                return self._follow(hop, body, known, dated)
        except (httpx.TimeoutException, TimeoutError) as error:
            if self._timer() >= until:
                return _Failure(f"took longer than {limit:.0f} s")
            return _Failure(f"timed out ({type(error).__name__})")
        except TooLargeError as error:
            remedy = "Ask for fewer days at a time (--start, --end), or check the address."
            more = {"limit_bytes": error.limit}
            return _Failure(error.said, again=False, kind=SourceFormatError, remedy=remedy, more=more)
        except UnknownCodingError as error:
            remedy = "Check the address, and a proxy on the way to it."
            return _Failure(str(error), again=False, kind=SourceFormatError, remedy=remedy)
        except (httpx.TransportError, httpx.DecodingError) as error:
            return _Failure(f"failed: {redact(str(error)) or type(error).__name__}")
        except httpx.RequestError as error:
            return _Failure(f"failed: {redact(str(error))}", again=False, remedy="Check the address.")

    def _follow(self, hop: Hop, body: Body, known: tuple[Answer, bytes] | None, dated: bool) -> Received | _Failure:
        """The answer, after its redirects."""
        asked, secrets = hop.address, secrets_of(hop.address, hop.headers)
        for _ in range(self.limits.redirects + 1):
            with self._client.stream("GET", hop.address, headers=hop.headers) as response:
                if response.next_request is None:
                    return self._judge(response, hop, asked, body, known, dated)
                status, following = response.status_code, hop.to(response.next_request.url, secrets)
            if following is None:
                reason = "redirects to something that is no address, or to another host with the key in its address"
                return _Failure(reason, status, again=False, remedy="Ask the publisher for the new address.")
            hop = following
        reason = f"redirects more than {self.limits.redirects} times"
        return _Failure(reason, status, again=False, remedy="Check the address.")

    def _judge(
        self,
        response: httpx.Response,
        hop: Hop,
        asked: httpx.URL,
        body: Body,
        known: tuple[Answer, bytes] | None,
        dated: bool,
    ) -> Received | _Failure:
        """The result of the last response of an attempt: an answer or a failure."""
        status = response.status_code
        said = f"answered {status} {response.reason_phrase}".rstrip()
        if hop.is_foreign:
            said += f" at {hop.address.host}, to which it redirected and which is told no key"
        if status == httpx.codes.NOT_MODIFIED and known is not None:
            return _received(*known, dated)
        if status in BUSY:
            return _Failure(said, status, wait=retry_after(response.headers.get("Retry-After"), self.clock()))
        if status != httpx.codes.OK:
            remedy = "Check the address and the key; the publisher may not have this (yet, or any more)."
            return _Failure(said, status, again=False, remedy=remedy)
        data = body_of(response, self.limits, self._deadline)
        told = length_of(response)
        if told is not None and told != response.num_bytes_downloaded:
            return _Failure(f"broke off after {response.num_bytes_downloaded} of {told} bytes", status)
        if (reason := fault(response, data, body, asked)) is not None:
            remedy = "Run it again later; if it stays, open the address in a browser to see what the publisher says."
            return _Failure(reason, status, kind=SourceFormatError, remedy=remedy)
        return self._keep(response, data, known, asked, dated)

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
        return doubled(FIRST_WAIT * (0.5 + 0.5 * self._chance()), attempt - 1, LONGEST_WAIT)

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
            **failure.more,
        )


def _conditions(known: tuple[Answer, bytes] | None) -> dict[str, str]:
    if known is None:
        return {}
    given = {"If-None-Match": known[0].etag, "If-Modified-Since": known[0].last_modified}
    return {name: value for name, value in given.items() if value}


def _received(answer: Answer, data: bytes, dated: bool) -> Received:
    published_at = None
    if dated and answer.last_modified:
        published_at = http_date(answer.last_modified)
        if published_at is None:
            logger.warning("%s: unreadable Last-Modified %r", answer.url, answer.last_modified[:100])
        elif published_at > answer.received_at:
            # Content that is here has been published: the server's clock or its header is wrong.
            logger.warning("%s: Last-Modified %s lies after its receipt", answer.url, answer.last_modified)
            published_at = None
    return Received(data, published_at=published_at, received_at=answer.received_at, url=answer.url)


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} s"
