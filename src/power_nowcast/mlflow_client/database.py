"""A registry in a SQLite file: copied while it is used, and moved with its artifacts to another folder."""

import sqlite3
from contextlib import closing
from pathlib import Path

from power_nowcast.errors import RegistryError
from power_nowcast.mlflow_client.connection import SQLITE, address

ARTIFACTS = "mlartifacts"
"""Folder of the artifacts, beside the database."""
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns of MLflow's tables that may have absolute addresses of artifacts."""


def database_file(tracking_uri: str | None = None) -> Path | None:
    """The file of a SQLite address, by default of the settings; None where a server or another database is used."""
    uri = address(tracking_uri)
    file = uri.removeprefix(SQLITE).partition("?")[0]
    return Path(file).absolute() if uri.startswith(SQLITE) and file != ":memory:" else None


def copy_database(file: Path, into: Path) -> None:
    """Copy a database as it is at one moment, also while others write it.

    Raises:
        RegistryError: it is no database, or cannot be read or written.
    """
    try:
        with (
            closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(into)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise _unusable(file, error) from error


def move_addresses(file: Path, before: Path, after: Path) -> int:
    """Let the addresses of artifacts below one folder lead below another; returns the number of changed rows.

    Raises:
        RegistryError: the database cannot be changed.
    """
    changed = 0
    try:
        with closing(sqlite3.connect(file)) as database, database:
            known = {
                (table, column)
                for table, _ in _ADDRESSES
                for _, column, *_ in database.execute(f"PRAGMA table_info({table})")
            }
            for table, column in _ADDRESSES:
                if (table, column) not in known:
                    continue
                for old, new in ((before.as_uri(), after.as_uri()), (str(before), str(after))):
                    # The names are those above, and the values are parameters.
                    moved = f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?"  # noqa: S608
                    size = len(old) + 1
                    changed += database.execute(moved, (new, size, size, f"{old}/")).rowcount
    except sqlite3.Error as error:
        raise _unusable(file, error) from error
    return changed


def _unusable(file: Path, error: sqlite3.Error) -> RegistryError:
    return RegistryError(
        f"The database {file} cannot be used: {error}.",
        remedy="Check MLFLOW_TRACKING_URI, and that the file is a database of MLflow that may be read and written.",
        path=str(file),
    )
