"""Who may ask, and how often: keys by scope, and a rate for each key or address. It runs ahead of everything else."""

import base64
import binascii
import ipaddress
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from power_nowcast.errors import NowcastError
from power_nowcast.live.keyring import KeyRing
from power_nowcast.live.sessions import Session, Sessions
from power_nowcast.serve import problems
from power_nowcast.store import keys

OPEN = frozenset(("/healthz", "/readyz"))
"""Probes ask these, and have no key."""
READING = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods that need no more than a key to read; every other method needs one of an administrator."""
SESSION, COOKIE, PROOF = "/v1/session", "nowcast_session", b"x-csrf-token"
"""The page's sign-in, which looks at what is brought itself; its cookie; the header with the proof of a session."""
COMPUTING = "/v1/nowcast/"
"""Requests below this address compute an answer from what they bring, and change nothing."""
CALLERS = 10_000
"""The most callers that are remembered at a time; the one that has been silent for longest is forgotten first."""
WINDOW_SECONDS = 60.0


@dataclass(frozen=True)
class Limits:
    """What the service allows.

    Attributes:
        max_body: the most bytes of a request's body.
        posts: the most requests with a body that are worked on at a time; further ones wait.
        waiting: the most requests with a body that wait; further ones are refused.
        needs_key: scopes for which a request needs a key; what changes the service needs one in any case.
        rate: requests a minute of each key, or of each address without one; 0 for any number.
    """

    max_body: int = 32 * 1024 * 1024
    posts: int = 4
    waiting: int = 64
    needs_key: frozenset[keys.Scope] = frozenset()
    rate: int = 0


NO_KEYS = Limits()
"""The limits of a service that only this machine can reach."""


def limits_of(host: str, wanted: str, rate: int | None) -> Limits:
    """The limits of a service that listens on `host`.

    Args:
        host: an address or a name.
        wanted: what needs a key: `auto`, `admin` or `all`, as in the setting.
        rate: requests a minute, None for the default.
    """
    is_local = host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
    if wanted == "all":
        needed = frozenset(keys.Scope)
    else:
        needed = frozenset() if is_local and wanted == "auto" else frozenset({keys.Scope.ADMIN})
    return Limits(needs_key=needed, rate=(0 if is_local else RATE) if rate is None else rate)


RATE = 1200
"""Requests a minute where no setting says otherwise and the service is not for this machine only."""


class Rate:
    """A rate for each caller: so many requests a minute, in any rhythm.

    Args:
        per_minute: requests a minute.
        clock: seconds.
        callers: the most callers that are remembered.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic, callers: int = CALLERS) -> None:
        self._interval, self._clock, self._callers = WINDOW_SECONDS / per_minute, clock, callers
        # When the requests so far would be over, had they come one by one at the allowed rate; the last caller last.
        self._over: dict[str, float] = {}

    def wait(self, caller: str) -> float:
        """Seconds until this caller may ask again, 0 if it may now: then the request counts."""
        now = self._clock()
        before = max(self._over.pop(caller, now), now)
        after = before + self._interval
        left = after - now - WINDOW_SECONDS
        self._over[caller] = before if left > 0 else after
        if len(self._over) > self._callers:
            del self._over[next(iter(self._over))]
        return max(left, 0.0)


class Refusal(NamedTuple):
    """Why a request is not answered: the parts of a problem, and further headers."""

    status: int
    title: str
    detail: str
    remedy: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Guard:
    """Lets a request through, or has `refuse` answer it.

    Args:
        app: the application.
        limits: what is allowed.
        ring: the keys.
        sessions: the sign-ins of the page.
        refuse: makes an application of one that answers with a refusal, so that refusals are logged and counted.
        clock: seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        ring: KeyRing,
        sessions: Sessions,
        refuse: Callable[[ASGIApp], ASGIApp] = lambda app: app,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self._limits, self._ring, self._sessions = app, limits, ring, sessions
        self._rate = Rate(limits.rate, clock) if limits.rate else None
        self._refuse = refuse(_answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            scope["refusal"] = refusal
            await self._refuse(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        needed, headers = needed_for(scope["method"]), dict(scope["headers"])
        is_needed = needed in self._limits.needs_key or is_decision(scope["method"], scope["path"])
        found = Found()
        if is_needed or self._limits.needs_key:
            try:
                found = self._find(headers)
            except NowcastError as error:
                retry = (b"retry-after", str(problems.RETRY_SECONDS).encode())
                return Refusal(503, error.title, error.message, error.remedy, (retry,))
        key = found.key
        is_valid = key is not None and key.is_valid
        if key is not None and is_valid:
            scope["key"], scope["person"] = key.id, key.name
        if self._rate is not None:
            wait = self._rate.wait(key.id if key is not None and is_valid else _address(scope))
            if wait:
                return _too_many(wait, self._limits.rate)
        if not is_needed or scope["path"] == SESSION:
            return None
        if key is None or not is_valid:
            return _no_valid_key(key, found.is_given, needed)
        return None if needed is keys.Scope.READ else _may_write(found, key, headers)

    def _find(self, headers: Mapping[bytes, bytes]) -> "Found":
        """The key that a request brings, in the best way that leads to one."""
        given = brought(headers)
        for secret, way in given:
            session = None
            if way is Way.SESSION:
                session = self._sessions.find(secret)
                key = None if session is None else self._ring.of(session.key_id)
            else:
                key = self._ring.find(secret)
            if key is not None:
                return Found(key, way, session, is_given=True)
        return Found(is_given=any(way is not Way.SESSION for _, way in given))


class Way(StrEnum):
    """How a key is brought."""

    HEADER = "header"
    SESSION = "session"  # by the cookie of a sign-in
    PASSWORD = "password"  # noqa: S105 - of a browser's own dialog


class Found(NamedTuple):
    """The key of a request, and how it came; `is_given`: a key or password was sent, whether it is known or not."""

    key: keys.Key | None = None
    way: Way = Way.HEADER
    session: Session | None = None
    is_given: bool = False


def _may_write(found: Found, key: keys.Key, headers: Mapping[bytes, bytes]) -> Refusal | None:
    """Why a valid key does not allow to write. A browser adds a password or a cookie by itself, whoever asks it to."""
    if key.scope is not keys.Scope.ADMIN:
        return Refusal(403, "Not allowed", "This key may only read.", "Use a key of an administrator: --scope admin.")
    if found.way is Way.PASSWORD:
        remedy = "Send it as: Authorization: Bearer KEY."
        return Refusal(403, "Not allowed", "A key that is sent as a password may only read.", remedy)
    proof = headers.get(PROOF, b"").decode("latin-1")
    if found.session is not None and not found.session.proves(proof):
        return Refusal(403, "Not allowed", "The request does not come from the page.", "Open the page and sign in.")
    return None


def needed_for(method: str) -> keys.Scope:
    """The scope that a request of this method needs: what only reads is for everyone who may read."""
    return keys.Scope.READ if method in READING else keys.Scope.ADMIN


def is_decision(method: str, path: str) -> bool:
    """Whether a request changes what the service does: it needs the key of an administrator, whatever the setting.

    >>> is_decision("POST", "/v1/interventions/nyiso"), is_decision("POST", "/v1/nowcast/nyiso")
    (True, False)
    """
    return method not in READING and path not in ("/nowcast", SESSION) and not path.startswith(COMPUTING)


def brought(headers: Mapping[bytes, bytes]) -> list[tuple[str, Way]]:
    """What a request's headers bring: keys, passwords of a Basic login, tokens of a session; the best way first.

    >>> brought({b"authorization": b"Bearer abc"}) == brought({b"x-api-key": b"abc"})
    True
    >>> [way.value for _, way in brought({b"authorization": b"Basic OmFiYw==", b"cookie": b"nowcast_session=x"})]
    ['session', 'password']
    """
    scheme, _, rest = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    key, password = headers.get(b"x-api-key", b"").decode("latin-1").strip(), ""
    match scheme.lower():
        case "bearer":
            key = rest.strip()
        case "basic":
            with suppress(binascii.Error, ValueError):
                password = base64.b64decode(rest, validate=True).decode("latin-1").partition(":")[2]
    token = cookie_parser(headers[b"cookie"].decode("latin-1")).get(COOKIE, "") if b"cookie" in headers else ""
    found = [(key, Way.HEADER), (token, Way.SESSION), (password, Way.PASSWORD)]
    return [one for one in found if one[0]]


def _no_valid_key(key: keys.Key | None, is_given: bool, needed: keys.Scope) -> Refusal:
    if key is not None:
        detail = f"The key {key.id} is revoked."
    elif is_given:
        detail = "This key is not known."
    else:
        detail = "This request needs a key."
    remedy = f"Send one as: Authorization: Bearer KEY. The operator makes it: nowcast keys new NAME --scope {needed}."
    headers = [(b"www-authenticate", b'Bearer realm="power-nowcast"')]
    if needed is keys.Scope.READ:
        headers.append((b"www-authenticate", b'Basic realm="power-nowcast"'))  # browsers ask for it
    return Refusal(401, "Key needed", detail, remedy, tuple(headers))


def _too_many(wait: float, rate: int) -> Refusal:
    seconds = math.ceil(wait)
    detail = f"More than {rate:,} requests a minute came from this key or address."
    remedy = f"Ask again in {seconds} s; /v1/stream/REGION sends every nowcast without being asked."
    return Refusal(429, "Too many requests", detail, remedy, ((b"retry-after", str(seconds).encode()),))


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - an application
    refusal: Refusal = scope["refusal"]
    await problems.send(scope, send, *refusal[:4], headers=refusal.headers)


def _address(scope: Scope) -> str:
    """The caller's address; of IPv6 the network, because one caller has a whole one."""
    host = scope["client"][0] if scope.get("client") else ""
    if ":" in host and _is_address(host):
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
    return str(host)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
