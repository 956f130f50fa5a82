"""Limits of one request: time from the first byte to the last, bytes as sent, and bytes once decoded."""

import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import local
from typing import Any

import httpcore
import httpx

MIB = 1 << 20
CODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
"""Content codings that are read; requests ask for gzip and deflate."""
_LENGTH = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True)
class Limits:
    """Limits of one call of `Http.get`.

    Args:
        attempt: from connecting to the last byte of one attempt, its redirects included.
        whole: of all attempts and the waits between them.
        sent: bytes of a body as sent.
        content: bytes of a body without its content coding.
        redirects: how many are followed.
    """

    attempt: timedelta = timedelta(minutes=2)
    whole: timedelta = timedelta(minutes=5)
    sent: int = 64 * MIB
    content: int = 128 * MIB
    redirects: int = 5


class TooLargeError(Exception):
    """A body is larger than a limit; `said` names the limit."""

    def __init__(self, said: str, limit: int) -> None:
        super().__init__(said)
        self.said, self.limit = said, limit


class UnknownCodingError(Exception):
    """A body has a content coding that the request did not ask for."""


class Deadline:
    """The deadline of the requests of a thread; there is none unless `until` sets one.

    A time-out of a socket bounds one read only, so a server that sends a byte now and then meets it for ever. `bind`
    therefore gives every read of a client the time that is left, if that is less.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self.timer = timer
        self._of = local()

    @contextmanager
    def until(self, end: float) -> Iterator[None]:
        """Bound the requests of this thread in the block."""
        self._of.end = end
        try:
            yield
        finally:
            self._of.end = None

    @property
    def is_over(self) -> bool:
        end = getattr(self._of, "end", None)
        return end is not None and self.timer() >= end

    def within(self, timeout: float | None, error: type[Exception]) -> float | None:
        """The time-out, or the time that is left if that is less.

        Raises:
            Exception: `error`, if no time is left.
        """
        end = getattr(self._of, "end", None)
        if end is None:
            return timeout
        left = float(end - self.timer())
        if left <= 0:
            raise error("the time for the whole request is over")
        return left if timeout is None else min(timeout, left)

    def bind(self, client: httpx.Client) -> None:
        """Apply this deadline to every connection of a client, through proxies too."""
        # httpx has no public way to name a network backend, which is httpcore's public place for this.
        for transport in (client._transport, *client._mounts.values()):
            if isinstance(transport, httpx.HTTPTransport):
                pool = transport._pool
                pool._network_backend = _Backend(pool._network_backend, self)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, backend: httpcore.NetworkBackend, deadline: Deadline) -> None:
        self._backend, self._deadline = backend, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.within(timeout, httpcore.ConnectTimeout)
        stream = self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._deadline)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.within(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.within(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = self._deadline.within(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def length_of(response: httpx.Response) -> int | None:
    """The bytes of a body that a response announces, None if it does not say."""
    told = response.headers.get("Content-Length", "")
    return int(told) if _LENGTH.fullmatch(told) else None


def body_of(response: httpx.Response, limits: Limits, deadline: Deadline) -> bytes:
    """The body of a response that is still to be read, decoded within the limits.

    Raises:
        TooLargeError: it is larger than a limit.
        UnknownCodingError: its content coding is not in `CODINGS`.
        TimeoutError: the deadline came first.
        httpx.DecodingError: it does not match its content coding.
    """
    if (told := length_of(response)) is not None and told > limits.sent:
        raise TooLargeError(f"announces a body of {told:,} bytes, more than {limits.sent:,}", limits.sent)
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in CODINGS:
        raise UnknownCodingError(f"is encoded as {coding[:40]}, which was not asked for")

    def sent() -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_raw():
            if deadline.is_over:
                raise TimeoutError
            size += len(chunk)
            if size > limits.sent:
                raise TooLargeError(f"sends more than {limits.sent:,} bytes", limits.sent)
            yield chunk

    chunks, size = [], 0
    for chunk in decoded(sent(), coding):
        size += len(chunk)
        if size > limits.content:
            raise TooLargeError(f"holds more than {limits.content:,} bytes once it is decoded", limits.content)
        chunks.append(chunk)
    return b"".join(chunks)


def decoded(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Bytes without their content coding, a mebibyte at a time: a few bytes of gzip hold thousands of times as many.

    Raises:
        httpx.DecodingError: they do not match `coding`, or are incomplete.
    """
    if coding in ("", "identity"):
        yield from chunks
        return
    decoder = None
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if decoder is None or decoder.eof:  # the first, or the next member of a gzip
                    decoder = zlib.decompressobj(_window(coding, data[0]))
                yield decoder.decompress(data, MIB)
                data = decoder.unconsumed_tail or decoder.unused_data
    except zlib.error as error:
        raise httpx.DecodingError(f"the body is no {coding}: {error}") from error
    if decoder is not None and not decoder.eof:
        raise httpx.DecodingError(f"the body breaks off within its {coding}")


def _window(coding: str, first: int) -> int:
    """Window bits of zlib for a gzip, for deflate in zlib's frame, and for bare deflate, which some servers send."""
    if coding != "deflate":
        return zlib.MAX_WBITS + 16
    return zlib.MAX_WBITS if first & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
