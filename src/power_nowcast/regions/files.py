"""Region files: the list of those that have a name, and how one is read."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from power_nowcast.errors import ConfigurationError, UnknownRegionError
from power_nowcast.regions.keys import told
from power_nowcast.regions.region import Region
from power_nowcast.regions.zone_files import KEY, zones_of
from power_nowcast.settings import settings

OWN = Path("regions")
"""Folder of further region files where NOWCAST_REGIONS names none; it need not exist."""
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def _folders() -> list[Traversable | Path]:
    own = settings().regions
    if own is not None and not own.is_dir():
        raise ConfigurationError(
            f"NOWCAST_REGIONS names {own}, which is no folder.",
            remedy="Correct it in the environment or in .env.",
            variable="NOWCAST_REGIONS",
            value=str(own),
        )
    own = own or (OWN if OWN.is_dir() else None)
    return [files(__package__), *([own] if own else [])]


def available() -> tuple[str, ...]:
    """Names of the regions that can be loaded by name.

    Raises:
        ConfigurationError: the path of further region files is no folder.
    """
    names = {
        entry.name.removesuffix(".toml")
        for folder in _folders()
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }
    return tuple(sorted(names))


def write_new(name: str, text: str) -> Path:
    """Write the file of a new region into the folder of further region files, so that it can be named; its path.

    Raises:
        ConfigurationError: the name is taken, or the folder cannot be written.
    """
    folder = settings().regions or OWN
    file = folder / f"{name}.toml"
    if name in available():
        where = str(file) if file.exists() else "a region of this package"
        raise ConfigurationError(
            f"There is a region {name} already: {where}.",
            remedy="Choose another name by --name, or delete that file first.",
            region=name,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as new:
            new.write(text)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written: {error.strerror}.",
            remedy="NOWCAST_REGIONS names the folder of region files.",
            file=str(file),
        ) from error
    return file


def load(name_or_file: str | Path) -> Region:
    """The region of this name, or of this `.toml` file.

    Raises:
        UnknownRegionError: there is none of this name.
        ConfigurationError: the file is not a valid region; the message names the key.
    """
    text, origin, folder = _read(str(name_or_file))
    if text.startswith(_BYTE_ORDER_MARK):
        raise ConfigurationError(
            f"The region file {origin} begins with a byte order mark, which TOML does not allow.",
            remedy="Save it as UTF-8 without a byte order mark (BOM).",
            file=origin,
        )
    try:
        keys = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigurationError(
            f"{origin} is nested too deeply.", remedy="docs/regions.md shows the form of a region file.", file=origin
        ) from error
    except ValueError as error:  # TOMLDecodeError, and the error of `int` for a number with thousands of digits
        raise ConfigurationError(
            f"{origin} is not TOML: {error}.", remedy="Correct the line that it names.", file=origin
        ) from error
    if not keys:
        raise ConfigurationError(
            f"The region file {origin} is empty.",
            remedy="docs/regions.md shows the form of a region file.",
            file=origin,
        )
    if KEY in keys and "zones" not in keys:
        keys["zones"] = zones_of(keys.pop(KEY), folder, origin)
    return of(keys, origin)


def of(keys: Mapping[str, Any], origin: str) -> Region:
    """The region of a TOML file's keys; `origin` names the file in errors.

    Raises:
        ConfigurationError: a key is missing, unknown or wrong; `key` and `value` say which and what.
    """
    try:
        return Region.model_validate(keys)
    except ValidationError as error:
        # A misspelt key is also a missing key: the key as written is what leads to the fault.
        first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        key, value, said = told(first)
        raise ConfigurationError(
            f"{origin}: {key}: {said}.",
            remedy=f"Correct {key}; docs/regions.md lists the keys.",
            file=origin,
            key=key,
            value=value,
        ) from error


def _read(name: str) -> tuple[str, str, Path]:
    """Text and name of a region file, and the folder from which the paths in it count."""
    if name.endswith(".toml"):
        return _text(Path(name), name), name, Path(name).parent
    for folder in reversed(_folders()):
        for entry in folder.iterdir():  # looked up by its name there, so that a name is never a path
            if entry.name == f"{name}.toml":
                return _text(entry, entry.name), entry.name, Path(str(folder))
    raise UnknownRegionError(
        f"There is no region {name!r}.",
        remedy=f"Use one of: {', '.join(available())}, or give the path of a .toml file.",
        region=name,
    )


def _text(entry: Traversable | Path, name: str) -> str:
    try:
        return entry.read_text(encoding="utf-8")
    except OSError as error:
        raise UnknownRegionError(
            f"The region file {name} cannot be read: {error.strerror}.", remedy="Check the path.", region=name
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"The region file {name} is not UTF-8 text.", remedy="Save it as UTF-8.", file=name
        ) from error
    except ValueError as error:  # a path that no system can hold
        raise UnknownRegionError(
            f"The region file {name!r} cannot be read: {error}.", remedy="Check the path.", region=name
        ) from error
