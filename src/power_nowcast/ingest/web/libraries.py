"""The same limits for libraries that send requests themselves: requests, urllib and pandas all use `http.client`."""

import http.client
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from threading import local
from typing import Any

import httpx

from power_nowcast.ingest.web.limits import CODINGS, Deadline, Limits, TooLargeError, UnknownCodingError, decoded

_PIECE = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_RELATIVE = re.compile(r"/(?!/)")
"""An address on the same server."""
_deadline = Deadline()
_of = local()
"""The limits of this thread's requests; none outside of `limited`."""


@contextmanager
def limited(limits: Limits, *, has_key: bool = False) -> Iterator[None]:
    """Bound all requests of this thread by `http.client` in the block: the size of each body, and the total time.

    Requests raise TimeoutError, TooLargeError or UnknownCodingError, unless the library turns them into other errors. A
    library that `has_key` would send the key to the target of a redirect: such an answer counts as broken off.
    """
    http.client.HTTPConnection.response_class = _Response
    before = getattr(_of, "limits", None)
    _of.limits, _of.has_key = limits, has_key
    try:
        with _deadline.until(_deadline.timer() + limits.whole.total_seconds()):
            yield
    finally:
        _of.limits = before


class _Response(http.client.HTTPResponse):
    """An answer whose body is complete and checked as soon as its headers are there; unchanged without limits."""

    def __init__(self, sock: socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._limits: Limits | None = getattr(_of, "limits", None)
        if self._limits is not None:
            self.fp = io.BufferedReader(_Reading(self.fp, sock))

    def begin(self) -> None:
        has_begun = self.headers is not None
        super().begin()
        if self._limits is None or has_begun or self.fp is None:
            return
        if self.status in _REDIRECTS and _of.has_key and not _RELATIVE.match(self.headers.get("Location", "")):
            raise ConnectionAbortedError("it redirects to another address, which is not told the key")
        coding = (self.headers.get("Content-Encoding") or "").strip().lower()
        if coding not in CODINGS:
            raise UnknownCodingError(f"is encoded as {coding[:40]}, which is not read")
        content = self._whole(self._limits)
        _check_content(content, coding, self._limits.content)
        del self.headers["Transfer-Encoding"]
        self.fp, self.length, self.chunked = io.BufferedReader(io.BytesIO(content)), len(content), False

    def _whole(self, limits: Limits) -> bytes:
        pieces, size = [], 0
        while piece := self.read(_PIECE):
            size += len(piece)
            if size > limits.sent:
                raise TooLargeError(f"sends more than {limits.sent:,} bytes", limits.sent)
            pieces.append(piece)
        if self.length:
            raise ConnectionResetError(f"the body broke off {self.length} bytes before its end")
        return b"".join(pieces)


def _check_content(data: bytes, coding: str, limit: int) -> None:
    """Check the unpacked size of a body that a library will unpack, by its header or because it is a gzip or a zip.

    Raises:
        TooLargeError: it holds more than `limit`.
    """
    size = 0
    try:
        if data.startswith(b"PK"):
            # No more of a member is read than its own size.
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                size = sum(member.file_size for member in archive.infolist())
        else:
            for chunk in decoded([data], "gzip" if data.startswith(b"\x1f\x8b") else coding):
                size += len(chunk)
                if size > limit:
                    break
    except (httpx.DecodingError, zipfile.BadZipFile):
        return  # the library itself reports what it cannot read
    if size > limit:
        raise TooLargeError(f"holds more than {limit:,} bytes once it is decoded", limit)


class _Reading(io.RawIOBase):
    """A socket's bytes; each read may take the time that is left."""

    def __init__(self, raw: Any, sock: socket) -> None:
        self._raw, self._sock, self._timeout = raw, sock, sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_deadline.within(self._timeout, TimeoutError))
        return int(self._raw.readinto1(buffer))

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
