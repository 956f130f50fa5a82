"""The expected content of an answer, and the fault of an answer with other content."""

import re
from enum import StrEnum

import httpx

from power_nowcast.ingest.web.addresses import redact, secrets_of


class Body(StrEnum):
    """Expected content of an answer, with the content types that name it or leave it open."""

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


def fault(response: httpx.Response, data: bytes, body: Body, address: httpx.URL) -> str | None:
    """The fault of a body that came with status 200; None if it holds what it should."""
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        return f"gave an empty body in place of {body}"
    if content_type in ("text/html", "application/xhtml+xml") or start[:14].lower().startswith(
        (b"<!doctype html", b"<html")
    ):
        return f"gave a web page ({_title(start, address)}) in place of {body}"
    if content_type not in _TYPES[body] and not (body is Body.JSON and content_type.endswith("+json")):
        return f"gave {_plain(content_type[:60].encode(), address)} in place of {body}"
    if _BEGINNINGS[body] and not start.startswith(_BEGINNINGS[body]):
        return f"gave something else than {body}, beginning {_plain(start[:60], address)!r}"
    return None


def _title(page: bytes, address: httpx.URL) -> str:
    title = re.search(rb"<(?:title|h1)[^>]*>([^<]*)", page, re.IGNORECASE)
    return _plain((title[1] if title else re.sub(rb"<[^>]*>", b" ", page))[:80], address) or "without words"


def _plain(words: bytes, address: httpx.URL) -> str:
    """Text of an answer without the keys of its address, which a server may repeat."""
    text = " ".join(redact(words.decode(errors="replace")).split())
    for key in secrets_of(address):
        text = text.replace(key, "***")
    return text
