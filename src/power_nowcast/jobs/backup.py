"""Backup and restore: tables with keys and states of calibration, artifacts, and the registry in one folder or file.

A backup has the folders `data/`, `artifacts/` and `registry/`, and `backup.json` with the SHA-256 of every file. It can
be made while services run. What it holds is checked before anything of it is put in its place.
"""

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from power_nowcast import __version__, mlflow_client
from power_nowcast.contracts import Progress
from power_nowcast.errors import ConfigurationError, StoreError
from power_nowcast.settings import Settings
from power_nowcast.store import Store
from power_nowcast.store.copies import state
from power_nowcast.store.durable import sync

FORMAT = 1
CONTENT = "backup.json"
DATABASE = "registry/mlflow.db"
ARCHIVE = ".tar"


@dataclass(frozen=True)
class Told:
    """What a backup holds: number and bytes of its files, and whether the registry is among them."""

    files: int
    bytes: int
    has_registry: bool


class _Target(Protocol):
    def add(self, name: str, size: int, content: IO[bytes]) -> None: ...


def backup(place: Path, chosen: Settings, store: Store, progress: Progress = lambda _: None) -> Told:
    """Write a backup to a new folder, or to a new file whose name ends with `.tar`.

    It appears under its name when it is complete. A registry on a server is not in it: its database is backed up there.

    Raises:
        ConfigurationError: the place exists, or the tables are in a bucket.
        MissingDataError: there are no tables.
        RegistryError: the registry's database cannot be read.
        WriterBusyError: another process held the tables for too long.
    """
    if place.exists():
        raise ConfigurationError(
            f"{place} exists already.", remedy="Give a name that is new: a backup replaces nothing.", path=str(place)
        )
    database = mlflow_client.database_file(chosen.tracking_uri)
    has_registry = database is not None and database.is_file()
    _check_outside(place, [Path(store.root), chosen.artifacts])
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=_made(place.absolute().parent)) as folder:
        aside = Path(folder)
        files = dict[str, Path]()
        if database is not None and has_registry:
            progress("backup: registry")
            # First: a version in it has its artifacts, which are copied afterwards, for certain.
            mlflow_client.copy_database(database, aside / "mlflow.db")
            files[DATABASE] = aside / "mlflow.db"
            files |= _below(database.parent / mlflow_client.ARTIFACTS, f"registry/{mlflow_client.ARTIFACTS}")
        files |= _below(chosen.artifacts, "artifacts")
        progress("backup: tables")
        files |= {f"data/{name}": file for name, file in state(store, aside / "data").items()}
        told: dict[str, tuple[int, str]] = {}
        part = aside / "part"
        progress(f"backup: {len(files):,} files")
        with _target(part, is_archive=place.suffix == ARCHIVE) as target:
            for name, file in files.items():
                with file.open("rb") as content:
                    digest = hashlib.file_digest(content, "sha256").hexdigest()
                    told[name] = content.tell(), digest
                    content.seek(0)
                    target.add(name, told[name][0], content)
            facts = {
                "format_version": FORMAT,
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "version": __version__,
                "registry_folder": str(database.parent) if database is not None and has_registry else None,
                "files": told,
            }
            text = json.dumps(facts, indent=1).encode()
            target.add(CONTENT, len(text), io.BytesIO(text))
        sync([part] if part.is_file() else [file for file in part.rglob("*") if file.is_file()])
        part.rename(place)
    return Told(len(told), sum(size for size, _ in told.values()), has_registry)


def restore(place: Path, chosen: Settings, progress: Progress = lambda _: None) -> Told:
    """Put a backup where the settings say: tables, artifacts, and the registry's database with what lies beside it.

    Every file is checked against its SHA-256 first. Nothing that exists is replaced.

    Raises:
        ConfigurationError: something is at the places already, or the registry of the settings is no SQLite file.
        StoreError: this is no backup, or it is damaged.
    """
    with _opened(place) as source:
        facts = _facts(place, source)
        files = {name: (int(size), str(digest)) for name, (size, digest) in facts["files"].items()}
        homes = _homes(chosen, has_registry=facts["registry_folder"] is not None)
        _check_free(homes)
        parts = {name: home.with_name(f".{home.name}.restoring") for name, home in homes.items()}
        _remove(parts)  # a killed restore may have left some
        try:
            progress(f"restore: {len(files):,} files")
            for name, (size, digest) in files.items():
                target = _inside(parts, name)
                _made(target.parent)
                with source.open(name) as content, target.open("wb") as written:
                    shutil.copyfileobj(content, written)
                with target.open("rb") as read:
                    found = hashlib.file_digest(read, "sha256").hexdigest()
                if (target.stat().st_size, found) != (size, digest):
                    raise _damaged(place, f"{name} has another content than when the backup was made")
            if DATABASE in files:
                folder = homes[DATABASE].parent
                mlflow_client.move_addresses(parts[DATABASE], Path(facts["registry_folder"]), folder)
            for name, part in parts.items():
                if part.exists():
                    if homes[name].is_dir():
                        homes[name].rmdir()
                    part.rename(homes[name])
        finally:
            _remove(parts)
    return Told(len(files), sum(size for size, _ in files.values()), DATABASE in files)


def _homes(chosen: Settings, *, has_registry: bool) -> dict[str, Path]:
    """Where the parts of a backup belong, by the beginnings of their names."""
    if "://" in chosen.data:
        raise ConfigurationError(
            f"NOWCAST_DATA is {chosen.data}: a backup is restored into a folder.",
            remedy="Set NOWCAST_DATA to a new folder, and copy it to the bucket afterwards.",
            variable="NOWCAST_DATA",
        )
    homes = {"data": Path(chosen.data).absolute(), "artifacts": chosen.artifacts.absolute()}
    if has_registry:
        database = mlflow_client.database_file(chosen.tracking_uri)
        if database is None:
            raise ConfigurationError(
                "The backup has a registry in a file, and MLFLOW_TRACKING_URI is no such file.",
                remedy="Set MLFLOW_TRACKING_URI to a new one, such as sqlite:///mlflow.db.",
                variable="MLFLOW_TRACKING_URI",
            )
        homes |= {DATABASE: database, f"registry/{mlflow_client.ARTIFACTS}": database.parent / mlflow_client.ARTIFACTS}
    return homes


def _remove(parts: dict[str, Path]) -> None:
    for part in parts.values():
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def _check_outside(place: Path, folders: list[Path]) -> None:
    """Check that a backup does not lie in what it is a backup of: it would have to hold itself."""
    for folder in folders:
        if place.absolute().is_relative_to(folder.absolute()):
            raise ConfigurationError(
                f"{place} lies in {folder}, which is backed up.",
                remedy="Give a place outside, at best on another disk.",
                path=str(place),
            )


def _check_free(homes: dict[str, Path]) -> None:
    for home in homes.values():
        if home.exists() and not (home.is_dir() and not any(home.iterdir())):
            raise ConfigurationError(
                f"{home} exists already, and a restore replaces nothing.",
                remedy="Move it away, or set NOWCAST_DATA, NOWCAST_ARTIFACTS and MLFLOW_TRACKING_URI to new places.",
                path=str(home),
            )


def _inside(parts: dict[str, Path], name: str) -> Path:
    """The place of a file among the parts.

    Raises:
        StoreError: its name leads out of them.
    """
    path = PurePosixPath(name)
    for beginning, part in parts.items():
        if path.is_relative_to(beginning) and ".." not in path.parts:
            return part.joinpath(*path.relative_to(beginning).parts)
    raise StoreError(
        f"The backup has a file {name!r}, which belongs nowhere.",
        remedy="Take another backup: this one was not made by nowcast backup.",
        path=name,
    )


def _below(folder: Path, name: str) -> dict[str, Path]:
    """The files below a folder by their names in a backup; downloads that are not complete are left out."""
    return {
        f"{name}/{file.relative_to(folder).as_posix()}": file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(part.startswith(".download-") for part in file.relative_to(folder).parts)
    }


class _Folder:
    """A backup in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, name: str, size: int, content: IO[bytes]) -> None:  # noqa: ARG002 - as that of an archive
        file = self._root / name
        _made(file.parent)
        with file.open("wb") as written:
            shutil.copyfileobj(content, written)

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")


class _Archive:
    """A backup in a tar file."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def add(self, name: str, size: int, content: IO[bytes]) -> None:
        info = tarfile.TarInfo(name)
        info.size = size
        self._archive.addfile(info, content)

    def open(self, name: str) -> IO[bytes]:
        found = self._archive.extractfile(name)
        if found is None:
            raise KeyError(name)
        return found


@contextmanager
def _target(part: Path, *, is_archive: bool) -> Iterator[_Target]:
    if not is_archive:
        yield _Folder(_made(part))
        return
    with tarfile.open(part, "w") as archive:
        yield _Archive(archive)


@contextmanager
def _opened(place: Path) -> Iterator[_Folder | _Archive]:
    """The backup for reading; what is missing or unreadable in it is an error of this package."""
    if not place.exists():
        raise ConfigurationError(f"There is no {place}.", remedy="Give a backup's folder or file.", path=str(place))
    try:
        if place.is_dir():
            yield _Folder(place)
        else:
            with tarfile.open(place, "r:") as archive:
                yield _Archive(archive)
    except (tarfile.TarError, KeyError, EOFError, FileNotFoundError) as error:
        raise _damaged(place, str(error).strip("'\"")) from error


def _facts(place: Path, source: _Folder | _Archive) -> dict[str, Any]:
    """What `backup.json` says.

    Raises:
        StoreError: it is not readable, or of another format.
    """
    try:
        with source.open(CONTENT) as content:
            facts = json.load(content)
        known = facts["format_version"] == FORMAT and isinstance(facts["files"], dict)
    except (ValueError, TypeError, LookupError) as error:
        raise _damaged(place, f"its {CONTENT} cannot be read") from error
    if not known:
        raise _damaged(place, f"its format is not {FORMAT}, which this version reads")
    return dict(facts)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _damaged(place: Path, why: str) -> StoreError:
    return StoreError(f"{place} is no whole backup: {why.rstrip('.')}.", remedy="Take another backup.", path=str(place))
