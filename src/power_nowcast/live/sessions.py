"""Sign-ins of browsers, in the memory of this process: a key is sent once, a cookie stands for it afterwards."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

SESSION_SECONDS = 12 * 3600
"""A shift: a sign-in lasts for so long."""
MOST_SESSIONS = 1000
"""The most sign-ins at a time; the oldest one ends first."""
_BYTES = 32


@dataclass(frozen=True)
class Session:
    """A sign-in.

    Attributes:
        key_id: the key that was brought; once it is revoked, the session allows nothing.
        proof: what a request that changes something must bring in a header. A page of another site can have a browser
            send the cookie, but cannot read the proof.
        ends: when it ends, by the clock of the sessions.
    """

    key_id: str
    proof: str
    ends: float

    def proves(self, brought: str) -> bool:
        """Whether this is the session's proof."""
        return hmac.compare_digest(self.proof.encode(), brought.encode("utf-8", "surrogateescape"))


class Sessions:
    """The sessions of a service; safe to call from several threads.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # By digest: how long a look takes says nothing about the token of another session.
        self._sessions: dict[bytes, Session] = {}

    def begin(self, key_id: str) -> str:
        """Begin a session of a key; returns the token for its cookie."""
        token = secrets.token_urlsafe(_BYTES)
        made = Session(key_id, secrets.token_urlsafe(_BYTES), self._clock() + SESSION_SECONDS)
        with self._lock:
            self._sessions[_digest(token)] = made
            if len(self._sessions) > MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        return token

    def find(self, token: str) -> Session | None:
        """The session of a token, None if there is none or it has ended."""
        with self._lock:
            found = self._sessions.get(_digest(token))
        return found if found is not None and self._clock() < found.ends else None

    def end(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
