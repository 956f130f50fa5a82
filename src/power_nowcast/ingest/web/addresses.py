"""Addresses of servers: the secrets in them, and the hosts that may see them."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

import httpx

from power_nowcast.errors import ConfigurationError

_KEY = r"[^=&#?\s]*(?:token|key|secret|passw|signature|credential|auth)[^=&#\s]*="
_KEY_IN_URL = re.compile(rf"([?&;]{_KEY})[^&#\s\"']*", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(://)[^/?#\s]+@")
_HARMLESS = ("accept", "if-none-match", "if-modified-since")
"""Headers of a request that any host may see; every other may hold a key."""
SHORTEST_KEY = 6
"""A shorter value may occur in any address by chance."""
_PORTS = {"http": 80, "https": 443}


def redact(text: str) -> str:
    """The text without the keys and passwords in its addresses."""
    return _KEY_IN_URL.sub(r"\1***", _USER_IN_URL.sub(r"\1***@", text))


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


logging.getLogger("httpx").addFilter(_Redacting())  # httpx logs every address


def address_of(url: str, params: Mapping[str, str] | None, source: str) -> httpx.URL:
    """The address of a request.

    Raises:
        ConfigurationError: it is no http or https address.
    """
    try:
        address = httpx.URL(url).copy_merge_params(params or {})
    except httpx.InvalidURL as error:
        reason = str(error)
    else:
        if address.scheme in _PORTS and address.host:
            return address
        reason = "it is no http:// or https:// address"
    raise ConfigurationError(
        f"{source}: {redact(url)} cannot be asked: {redact(reason)}.",
        remedy="Correct NOWCAST_URLS or the option url in the region file.",
        source=source,
        url=redact(url),
    )


def secrets_of(address: httpx.URL, headers: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Parts of a request for its own host only: the user, keys in the parameters, and most headers' values."""
    keys = [value for name, value in address.params.multi_items() if re.fullmatch(_KEY, f"{name}=", re.IGNORECASE)]
    # If a base address ends in a key, the path of the request follows the key.
    keys += [key.partition("/")[0] for key in keys]
    kept = [value for name, value in (headers or {}).items() if name.lower() not in _HARMLESS]
    user = address.password or address.username  # a key may stand in either place
    return tuple(secret for secret in (user, *keys, *kept) if secret)


@dataclass(frozen=True)
class Hop:
    """One request in a chain of redirects; `is_foreign` once the chain has left the first host."""

    address: httpx.URL
    headers: Mapping[str, str]
    is_foreign: bool = False

    def to(self, target: httpx.URL, secrets: tuple[str, ...]) -> "Hop | None":
        """The next request of a redirect; None if that is no address, or holds a secret that cannot be left out.

        Another host, or the same host without encryption, gets none of the secrets.
        """
        if target.scheme not in _PORTS or not target.host:
            return None
        if _is_same(self.address, target):
            if not target.userinfo:
                target = target.copy_with(username=self.address.username, password=self.address.password)
            return Hop(target, self.headers, self.is_foreign)
        params = [(name, value) for name, value in target.params.multi_items() if value not in secrets]
        if len(params) < len(target.params.multi_items()):
            target = target.copy_with(params=params)
        texts = (str(target), unquote_plus(str(target)))
        if any(len(secret) >= SHORTEST_KEY and secret in text for secret in secrets for text in texts):
            return None
        harmless = {name: value for name, value in self.headers.items() if name.lower() in _HARMLESS}
        return Hop(target, harmless, is_foreign=True)


def _is_same(one: httpx.URL, other: httpx.URL) -> bool:
    """Whether two addresses are of one server; an upgrade to encryption counts as the same server."""
    if one.host != other.host:
        return False
    ports = [address.port or _PORTS[address.scheme] for address in (one, other)]
    if one.scheme == other.scheme:
        return ports[0] == ports[1]
    return (one.scheme, other.scheme) == ("http", "https") and ports == [80, 443]
