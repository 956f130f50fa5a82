"""The slot of the model version that answers. A checked version replaces the one before it by one assignment."""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Panel
from power_nowcast.errors import ModelError, NowcastError, RegistryUnavailableError
from power_nowcast.features.panel import add_total, unknown
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.regions import Region

logger = logging.getLogger("power_nowcast.live")


class Fetched(NamedTuple):
    """A version's folder, its label, and the digest under which it is registered."""

    folder: Path
    version: str
    digest: str


type Loader = Callable[[], Fetched]
"""Fetches the version that should answer, or raises RegistryUnavailableError."""

type Opener = Callable[[Path, str], Bundle]
"""Reads a version's folder and verifies its digest, as `Bundle.load` does."""


@dataclass(frozen=True)
class Loaded:
    """One version at work; `from_disk`: the last good version answers because the registry's is not available."""

    nowcaster: Nowcaster
    version: str
    from_disk: bool = False

    @property
    def bundle(self) -> Bundle:
        return self.nowcaster.bundle


class ModelSlot:
    """Holds the version that answers for one region; readers take `current` once and keep it for their request.

    Args:
        region: the region that the version must be for.
        loader: fetches the version that should answer; only `load` calls it, never a reader.
        cache: folder in which versions are kept; a note in it names the last good one and its registered digest.
        opener: opens the version that `loader` fetched. Parsers hold the interpreter's lock for many milliseconds, in
            which nothing answers: a process of its own can open it. The last good one on disk is opened here.
    """

    def __init__(self, region: Region, loader: Loader, cache: Path, opener: Opener = Bundle.load) -> None:
        self.region = region
        self._loader, self._note, self._opener = loader, cache / "last_good.json", opener
        self._loaded: Loaded | None = None
        self._before: Loaded | None = None
        """The version that answered before, for a rollback without reading it again."""
        self._refused: tuple[Fetched, NowcastError] | None = None
        """The version that failed its check, and why: it is not opened again until another one should answer."""
        self.trouble: NowcastError | None = None
        """Why the last `load` did not bring the registry's version, None where it did."""

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    @property
    def current(self) -> Loaded:
        """The version that answers.

        Raises:
            ModelError: none has been loaded.
        """
        loaded = self._loaded
        if loaded is None:
            why = f" {self.trouble.message}" if self.trouble else " It is being fetched."
            remedy = self.trouble.remedy if self.trouble else "Try again in a few seconds."
            raise ModelError(
                f"No model of {self.region.name} is loaded.{why}", remedy=remedy, region=self.region.name
            ) from self.trouble
        return loaded

    def begin(self) -> Loaded | None:
        """Let the last good version on disk answer until the registry's is loaded; returns the version that answers.

        It asks nobody. If no version on disk can be used, nothing changes.
        """
        if self._loaded is None:
            try:
                self._loaded = self._last_good(ModelError("No version is on disk.", remedy="It is fetched now."))
            except (NowcastError, OSError) as error:
                logger.info("%s: nothing answers until the registry's version is here. %s", self.region.name, error)
        return self._loaded

    def load(self) -> Loaded:
        """Fetch, verify, answer the golden rows, then swap. A version that answers already is not opened again.

        A version that fails leaves the one before it in place. If no version is loaded yet, and the registry cannot be
        reached or its version is damaged, the last good version on disk answers. It does not answer if the registry
        says that there is no version.

        Raises:
            NowcastError: the registry's version was not loaded, and no version on disk replaces it.
        """
        try:
            fetched = self._loader()
            loaded = self._held(fetched) or self._checked(fetched)
        except (RegistryUnavailableError, ModelError, OSError) as error:
            self.trouble = _as_own(error)
            if self._loaded is not None:
                raise self.trouble from error
            loaded = self._last_good(self.trouble)
            logger.warning("%s: version %s from disk answers. %s", self.region.name, loaded.version, self.trouble)
            self._loaded = loaded
            return loaded
        except NowcastError as error:
            self.trouble = error
            if self._loaded is not None and self._loaded.from_disk:
                self._loaded = None  # the registry says that no version should answer
            raise
        if self._loaded is not None and self._loaded.bundle is not loaded.bundle:
            self._before = self._loaded
        self._loaded, self.trouble, self._refused = loaded, None, None
        self._remember(fetched)
        return loaded

    def _held(self, fetched: Fetched) -> Loaded | None:
        """The version if it is in memory: it answers now, or answered before."""
        for held in (self._loaded, self._before):
            if held is not None and (held.version, held.bundle.digest) == (fetched.version, fetched.digest):
                return replace(held, from_disk=False)
        return None

    def _checked(self, fetched: Fetched) -> Loaded:
        """The version after its check; one that has failed is not opened again."""
        if self._refused is not None and self._refused[0] == fetched:
            raise self._refused[1]
        try:
            return self._open(fetched, from_disk=False)
        except (ModelError, OSError) as error:
            self._refused = fetched, _as_own(error)
            raise

    def _open(self, fetched: Fetched, *, from_disk: bool) -> Loaded:
        folder, version, digest = fetched
        # The folder's own digest proves nothing: the registry's digest decides.
        bundle = Bundle.load(folder, digest) if from_disk else self._opener(folder, digest)
        if _borders(bundle.region) != _borders(self.region):
            raise ModelError(
                f"Version {version} is a model of {bundle.region.name} every {bundle.region.interval_minutes} minutes, "
                f"of {', '.join(bundle.region.series)}.",
                remedy=f"Train one of {self.region.name} as it is configured now.",
                region=self.region.name,
                version=version,
            )
        bundle.check()
        nowcaster = Nowcaster(bundle)
        # Kernels are compiled and model files touched before the first caller waits for them.
        panel = _ordinary_week(bundle)
        try:
            nowcaster.nowcast(panel, panel.end)
        except Exception as error:  # every caller would meet what goes wrong here
            raise ModelError(
                f"Version {version} gives no nowcast: {error!r}.", remedy="Train it again.", version=version
            ) from error
        return Loaded(nowcaster, version, from_disk)

    def _remember(self, fetched: Fetched) -> None:
        # Relative where it can be, so that the cache may be moved as a whole.
        cache = self._note.parent.resolve()
        place = fetched.folder.resolve()
        kept = place.relative_to(cache) if place.is_relative_to(cache) else place
        note = fetched._asdict() | {"folder": str(kept)}
        beside = self._note.with_suffix(f".{os.getpid()}")
        try:
            cache.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(note))
            beside.replace(self._note)
        except OSError as error:
            logger.warning("%s: the last good version is not noted: %s", self._note, error)

    def _last_good(self, why: NowcastError) -> Loaded:
        try:
            note = json.loads(self._note.read_text())
            kept = Fetched(self._note.parent / note["folder"], str(note["version"]), str(note["digest"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise why from None
        return self._open(kept, from_disk=True)


def _borders(region: Region) -> tuple[object, ...]:
    """The part of a region that callers see and a model cannot change."""
    return region.name, region.interval_minutes, region.series


def _as_own(error: NowcastError | OSError) -> NowcastError:
    if isinstance(error, NowcastError):
        return error
    return ModelError(
        f"The model's files cannot be kept: {error}.", remedy="Check the folder of artifacts and its permissions."
    )


def _ordinary_week(bundle: Bundle) -> Panel:
    """A panel that every part of the feature path accepts: half of each zone's maximum, rising and falling daily."""
    region, step = bundle.region, bundle.region.interval_minutes
    slots = bundle.minimum_history_minutes // step + 2
    start = np.datetime64("2024-01-01T00:00", "m")
    end = start + (slots - 1) * np.timedelta64(step, "m")
    panel = unknown(region, start, end, end + np.timedelta64(1, "D"), known_at=end)
    day = np.sin(2 * np.pi * np.arange(slots) * step / 1440)
    power = panel.power.values
    for zone in region.zones:
        power[:, region.series.index(zone.name)] = zone.max_mw * (0.5 + 0.1 * day)
    add_total(power, region)
    panel.weather.values[:] = 10.0
    panel.forecast.values[:] = power[:1] if region.forecast else np.nan
    panel.weather_forecast.values[:] = 10.0
    return panel
