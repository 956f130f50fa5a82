"""Where a store is: small and plain, so that it can be sent to a worker process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from power_nowcast.store.datafiles import CACHE_BYTES
from power_nowcast.store.lease import WAIT_SECONDS


@dataclass(frozen=True)
class Address:
    """All that `Store.open` needs.

    Attributes:
        root: folder or s3:// address.
        options: of the object store, as its client names them; its customary environment variables count too.
        cache_bytes: bytes of data files that the store keeps in memory at most.
        wait_seconds: how long a write waits for another process's.
    """

    root: str
    options: Mapping[str, str] | None = field(default=None, repr=False)  # they may hold keys
    cache_bytes: int = CACHE_BYTES
    wait_seconds: float = WAIT_SECONDS

    @property
    def is_local(self) -> bool:
        """Whether it is a folder."""
        return "://" not in self.root

    def uri(self, *parts: str) -> str:
        """Address of what lies below the root."""
        return "/".join((self.root, *parts))
