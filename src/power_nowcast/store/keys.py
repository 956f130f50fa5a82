"""Keys of the API: made once and shown once, stored as SHA-256, revoked for ever. Any number of processes read them."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl

from power_nowcast.errors import ConfigurationError
from power_nowcast.store.store import Store
from power_nowcast.store.tables import KEYS

EVERYWHERE = "all"
"""The region of every row: a key is for the whole service."""
PREFIX = "nowcast_"
SECRET_BYTES = 32
SECRET = re.compile(PREFIX + r"[\w-]{43}", re.ASCII)
"""The form of a key: the prefix and 256 random bits in URL-safe base 64. Logs and scanners find it by this form."""
_NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)


class Scope(StrEnum):
    """What a key allows. An administrator may also read."""

    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True)
class Key:
    """A key as it is stored.

    Attributes:
        id: names it in lists and logs; it says nothing about the key.
        name: who has it.
        scope: what it allows.
        sha256: SHA-256 of the key.
        made_at: when it was made.
        revoked_at: when it was revoked, None as long as it is valid.
    """

    id: str
    name: str
    scope: Scope
    sha256: bytes
    made_at: datetime
    revoked_at: datetime | None = None

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None


def digest(secret: str) -> bytes:
    """SHA-256 of a key. A key has 256 random bits: no slow hash is needed against guesses."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def make(store: Store, name: str, scope: Scope, *, now: datetime) -> str:
    """Make a key and store its digest; returns the key, which cannot be had again.

    Raises:
        ConfigurationError: the name is not a plain one, or a valid key has it.
        StoreError: the table cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name for a key.",
            remedy="Use 1 to 64 letters, digits and the characters . _ @ -.",
            name=name,
        )
    with store.lease():
        if any(one.is_valid and one.name == name for one in keys(store)):
            raise ConfigurationError(
                f"There is a valid key of {name} already.",
                remedy=f"Choose another name, or revoke it first: nowcast keys revoke {name}.",
                name=name,
            )
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        _append(store, Key(secrets.token_hex(4), name, scope, digest(secret), now), now=now)
    return secret


def revoke(store: Store, name: str, *, now: datetime) -> list[Key]:
    """Revoke the valid keys of this name or id; returns them. Running services refuse them within a second.

    Raises:
        ConfigurationError: there is no such valid key.
        StoreError: the table cannot be written.
    """
    with store.lease():
        found = [one for one in keys(store) if one.is_valid and name in (one.name, one.id)]
        if not found:
            raise ConfigurationError(
                f"There is no valid key of the name or id {name!r}.", remedy="List them: nowcast keys list.", name=name
            )
        for one in found:
            _append(store, one, now=now, is_revoked=True)
    return found


def keys(store: Store) -> list[Key]:
    """All keys, also the revoked ones, in the order in which they were made.

    Raises:
        StoreError: the table is damaged.
    """
    rows = store.records[KEYS].read(EVERYWHERE)
    revoked = {row["id"]: row["first_seen_at"] for row in rows.filter("is_revoked").iter_rows(named=True)}
    return [
        Key(
            row["id"],
            row["name"],
            Scope(row["scope"]),
            bytes.fromhex(row["sha256"]),
            row["first_seen_at"],
            revoked.get(row["id"]),
        )
        for row in rows.filter(~pl.col("is_revoked")).iter_rows(named=True)
    ]


def _append(store: Store, key: Key, *, now: datetime, is_revoked: bool = False) -> None:
    row = (EVERYWHERE, key.id, key.name, key.scope.value, key.sha256.hex(), is_revoked)
    store.records[KEYS].add(pl.DataFrame([row], KEYS.given, orient="row"), now=now)
