"""The address of a store: small and plain, to send it to a worker process."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from power_nowcast.store.datafiles import CACHE_BYTES
from power_nowcast.store.lease import WAIT_SECONDS


@dataclass(frozen=True)
class Address:
    """The arguments of `Store.open`.

    Attributes:
        root: folder or s3:// address.
        options: options of the object store, by its client's names; its usual environment variables also count.
        cache_bytes: maximum bytes of data files that the store keeps in memory.
        wait_seconds: maximum time that a write waits for another process.
    """

    root: str
    options: Mapping[str, str] | None = field(default=None, repr=False)  # they may contain keys
    cache_bytes: int = CACHE_BYTES
    wait_seconds: float = WAIT_SECONDS

    @property
    def is_local(self) -> bool:
        """Whether the store is in a folder."""
        return "://" not in self.root

    def uri(self, *parts: str) -> str:
        """Address of a path below the root."""
        return "/".join((self.root, *parts))
