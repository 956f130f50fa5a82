"""The context of every use case: a region, its tables and folders, workers, and the function that gets progress."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from power_nowcast.contracts import Manifest, Panel, Progress, Table
from power_nowcast.features.panel import history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.regions import Region
from power_nowcast.settings import Settings
from power_nowcast.store import Store
from power_nowcast.store.pinned import Pinned

EVERY_MINUTES = 15
"""Spacing of issue times in the feature tables and in backtests."""


@dataclass(frozen=True)
class Plan:
    """The options of the main job: `None` keeps a model's own default."""

    spec: FeatureSpec
    every_minutes: int = EVERY_MINUTES
    days: int | None = None
    valid_days: int = 30
    test_days: int = 30


@dataclass(frozen=True)
class Job:
    """The context of the steps: region, tables, folders, progress; `data` is the folder of the sources' files.

    `named` is the region as a command named it: its name, or its file.
    """

    region: Region
    store: Store
    settings: Settings
    progress: Progress = lambda _: None
    executor: Callable[[], Executor | None] = lambda: None
    data: Path | None = None
    named: str | None = None

    @property
    def artifacts(self) -> Path:
        return self.settings.artifacts / self.region.name

    @property
    def reports(self) -> Path:
        return self.settings.reports / self.region.name

    def table(self, part: str) -> str:
        return f"{self.region.name}-{part}"

    def document(self, name: str) -> str:
        """Name of a document of the region in the store."""
        return f"{self.region.name}/{name}"

    def panel(self, *, days: int | None = None, of: Pinned | None = None) -> Panel:
        """All stored data of the region, or of its last days; those of a pinned store in place of the newest.

        Raises:
            MissingDataError: there is none.
        """
        reader = of or self.store
        first, last = reader.span(Table.POWER, self.region.name)
        if first is None or last is None:
            raise self.store.no_power(self.region.name)
        if days is not None:
            first = max(first, last - timedelta(days=days))
        return history(reader, self.region, first, last)

    def manifests(self) -> list[Manifest]:
        """Manifests of the region's tables."""
        return [self.store.manifest(table, self.region.name) for table in Table]
