"""The newest panel of a region, made once and shared while nothing changes."""

import threading
from datetime import datetime

from power_nowcast.contracts import Panel
from power_nowcast.features.panel import window
from power_nowcast.live.interventions import interventions, without_marked
from power_nowcast.regions import Region
from power_nowcast.store import Store
from power_nowcast.store.tables import INTERVENTIONS


class Window:
    """The panel of a region as known at a time: callers of the same time share it while the tables do not change."""

    def __init__(self, store: Store, region: Region) -> None:
        self._store = store
        self._region = region
        self._lock = threading.Lock()
        self._key: tuple[object, ...] | None = None
        self._panel: Panel | None = None
        self.data_version = ""
        """Versions of the tables of values that the newest panel was made from, such as "power 12, weather 3"; another
        process may have written since."""

    def at(self, known_at: datetime) -> Panel:
        """What is known at a time, as far back as features look, without telemetry that was marked by then.

        Raises:
            MissingDataError: the store has no power of the region in that time.
            StoreError: a table is damaged.
        """
        with self._lock:
            key = (known_at, self._versions(), self._store.records[INTERVENTIONS].delta.version)
            if self._panel is None or self._key != key:
                decided = interventions(self._store, self._region.name, known_at=known_at)
                panel = window(self._store, self._region, known_at)
                self._panel, self._key = without_marked(panel, self._region, decided), key
                self.data_version = key[1]
            return self._panel

    def _versions(self) -> str:
        """Versions of the tables of values, such as "power 12, weather 3"."""
        return ", ".join(f"{table} {self._store.version(table)}" for table in self._region.specs)
