"""The present of each region: the newest publication as bytes that are made once, for any number of readers."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from power_nowcast.live.records import Published

MOST_FURTHER = 64
"""Further bytes of an edition that are kept; what is asked for beyond is made anew."""


def etag_of(body: bytes) -> str:
    """The entity tag of bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:16]}"'


@dataclass(frozen=True)
class Edition:
    """A publication with its bytes.

    Attributes:
        published: the publication.
        body: the answer, as JSON.
        etag: identifies the bytes.
        further: further bytes that were made of it, by name.
        event: the answer as a Server-Sent Event, which all readers share.
    """

    published: Published
    body: bytes
    etag: str = field(init=False)
    event: bytes = field(init=False)
    further: dict[str, bytes] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def id(self) -> str:
        """Identifies the publication."""
        return self.published.id

    def __post_init__(self) -> None:
        object.__setattr__(self, "etag", etag_of(self.body))
        object.__setattr__(self, "event", event("nowcast", self.body, self.id))


def event(kind: str, data: bytes, id: str = "") -> bytes:  # noqa: A002 - the name of the field
    """A Server-Sent Event; its data are one line."""
    told = f"id: {id}\n" if id else ""
    return b"event: %b\ndata: %b\n%b\n" % (kind.encode(), data, told.encode())


class Present:
    """The newest edition of each region. One thread tells, readers of an event loop are woken.

    Args:
        render: makes the bytes of a publication; it runs once for each.
    """

    def __init__(self, render: Callable[[Published], bytes]) -> None:
        self._render = render
        self._editions: dict[str, Edition] = {}
        # Re-entrant: a signal may close it while its thread holds the lock.
        self._lock = threading.RLock()
        self._making = threading.Lock()
        self._readers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._closed = False

    def tell(self, published: Published) -> None:
        """Make the edition of a publication, and wake the readers; from any thread."""
        edition = Edition(published, self._render(published))
        with self._lock:
            held = self._editions.get(published.region)
            if held is not None and _order(held.published) >= _order(published):
                return
            self._editions[published.region] = edition
        self._wake()

    def of(self, region: str) -> Edition | None:
        """The newest edition of a region, None before the first."""
        return self._editions.get(region)

    def once(self, edition: Edition, name: str, make: Callable[[], bytes]) -> bytes:
        """Further bytes of an edition, such as a picture of it: made at the first request, while the others wait.

        Args:
            edition: the edition.
            name: names the bytes.
            make: makes them.
        """
        with self._making:
            body = edition.further.get(name)
            if body is None:
                body = make()
                if len(edition.further) < MOST_FURTHER:
                    edition.further[name] = body
        return body

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        self._wake()

    async def follow(self, region: str, *, seen: str = "", beat_seconds: float = 15.0) -> AsyncIterator[Edition | None]:
        """The editions of a region from the present on, and None whenever nothing came for `beat_seconds`.

        A reader that is slow gets the newest edition; it has no backlog that could grow.

        Args:
            region: the region.
            seen: id of the edition that the reader has.
            beat_seconds: seconds of silence.
        """
        reader = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._readers.add(reader)
        try:
            while not self._closed:
                edition = self.of(region)
                if edition is not None and edition.id != seen:
                    seen = edition.id
                    yield edition
                    continue
                try:
                    await asyncio.wait_for(reader[1].wait(), beat_seconds)
                except TimeoutError:
                    yield None
                reader[1].clear()
        finally:
            with self._lock:
                self._readers.discard(reader)

    def _wake(self) -> None:
        with self._lock:
            readers = tuple(self._readers)
        for loop, event in readers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)


def _order(published: Published) -> tuple[object, ...]:
    return published.issue_time, published.revision
