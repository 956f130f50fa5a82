"""The place where a model version stands while it answers: put in whole, after a check, by one assignment."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from power_nowcast.errors import ModelError, NowcastError, RegistryUnavailableError
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.models.bundle import HEAD, Bundle, read_head
from power_nowcast.models.calibration import Calibration

type Loader = Callable[[], tuple[Path, str]]
"""Brings the folder of the version that should answer and its label, or raises RegistryUnavailableError."""


@dataclass(frozen=True)
class Loaded:
    """One version at work; `fallback` says that the registry did not answer and the last good one on disk does."""

    nowcaster: Nowcaster
    version: str
    fallback: bool = False

    @property
    def bundle(self) -> Bundle:
        return self.nowcaster.bundle


class ModelSlot:
    """Holds the version that answers for one region; readers take `current` once and keep it for their request.

    Args:
        loader: brings the version that should answer.
        cache: folder in which versions are kept, one folder each; the last good one is named in `current`.
        calibration: the state in force for a bundle; the frozen one by default.
    """

    def __init__(
        self, loader: Loader, cache: Path, calibration: Callable[[Bundle], Calibration | None] = lambda _: None
    ) -> None:
        self._loader, self._cache, self._calibration = loader, cache, calibration
        self._loaded: Loaded | None = None

    @property
    def current(self) -> Loaded:
        """The version that answers.

        Raises:
            ModelError: none has been loaded.
        """
        loaded = self._loaded
        if loaded is None:
            raise ModelError("No model is loaded yet.", remedy="Promote one (nowcast promote), then try again.")
        return loaded

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    def load(self) -> Loaded:
        """Fetch, verify, try on its golden rows, then swap; a version that fails leaves the one before in place.

        Raises:
            NowcastError: nothing could be loaded.
        """
        try:
            folder, version = self._loader()
            fallback = False
        except RegistryUnavailableError as error:
            folder, version = self._last_good(error)
            fallback = True
        bundle = Bundle.load(folder)
        bundle.check()
        loaded = Loaded(Nowcaster(bundle, self._calibration(bundle)), version, fallback)
        self._loaded = loaded
        if not fallback:
            self._remember(folder, version)
        return loaded

    def _remember(self, folder: Path, version: str) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        note = self._cache / "current.new"
        note.write_text(f"{version}\n{folder.resolve()}\n")
        note.replace(self._cache / "current")

    def _last_good(self, error: NowcastError) -> tuple[Path, str]:
        try:
            version, folder = (self._cache / "current").read_text().splitlines()
        except (OSError, ValueError):
            raise error from None
        if not (Path(folder) / HEAD).is_file():
            raise error
        read_head(Path(folder))
        return Path(folder), version
