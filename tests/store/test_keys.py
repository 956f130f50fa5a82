"""Keys in the store: shown once, stored as digests, revoked for ever, seen by every process."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from power_nowcast.errors import ConfigurationError
from power_nowcast.store import Store
from power_nowcast.store.keys import SECRET, Scope, digest, keys, make, revoke

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def test_a_key_is_256_random_bits_and_stored_as_its_sha256(store: Store) -> None:
    made = [make(store, f"reader-{n}", Scope.READ, now=NOW) for n in range(3)]
    assert len(set(made)) == 3
    assert all(SECRET.fullmatch(secret) for secret in made)
    found = keys(store)
    assert [one.sha256 for one in found] == [hashlib.sha256(secret.encode()).digest() for secret in made]
    assert (found[0].name, found[0].scope, found[0].is_valid) == ("reader-0", Scope.READ, True)
    written = b"".join(file.read_bytes() for file in Path(store.root).rglob("*") if file.is_file())
    for secret in made:
        assert secret.removeprefix("nowcast_").encode() not in written
        assert digest(secret).hex() not in [one.id for one in found]


def test_a_revoked_key_stays_in_the_list_and_its_name_is_free_again(store: Store) -> None:
    first = make(store, "desk", Scope.ADMIN, now=NOW)
    with pytest.raises(ConfigurationError, match="a valid key of desk") as caught:
        make(store, "desk", Scope.READ, now=NOW)
    assert "nowcast keys revoke desk" in caught.value.remedy
    (gone,) = revoke(store, "desk", now=NOW + timedelta(hours=1))
    assert gone.sha256 == digest(first)
    second = make(store, "desk", Scope.READ, now=NOW + timedelta(hours=2))
    other = Store(store.root)
    assert [(one.sha256, one.scope, one.is_valid) for one in keys(other)] == [
        (digest(first), Scope.ADMIN, False),
        (digest(second), Scope.READ, True),
    ]
    assert keys(other)[0].revoked_at == NOW + timedelta(hours=1)
    (by_id,) = revoke(other, keys(other)[1].id, now=NOW + timedelta(hours=3))
    assert by_id.name == "desk"
    assert not any(one.is_valid for one in keys(store))


def test_what_is_not_there_cannot_be_revoked(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="no valid key") as caught:
        revoke(store, "nobody", now=NOW)
    assert "nowcast keys list" in caught.value.remedy


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "line\nbreak", "[red]"])
def test_odd_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name for a key"):
        make(store, name, Scope.READ, now=NOW)
    assert keys(store) == []
