"""The files of a store as one state, for a copy that is made while other processes write."""

import shutil
from pathlib import Path

from power_nowcast.errors import ConfigurationError
from power_nowcast.store.durable import is_temporary
from power_nowcast.store.store import Store


def state(store: Store, aside: Path) -> dict[str, Path]:
    """The files of a store by their names below its root, in one consistent state.

    Files that change, the logs of the tables and the documents, are copied to `aside` while the writer lease is held.
    All other files are written once, and may be read later.

    Raises:
        MissingDataError: there is no store.
        ConfigurationError: the store is in a bucket.
        WriterBusyError: another process held the lease for too long.
    """
    if not store.address.is_local:
        raise ConfigurationError(
            f"The tables are in {store.root}: a backup takes tables of a folder.",
            remedy="Switch on the bucket's versions, or copy it with the tools of its provider.",
            store=store.root,
        )
    store.check_exists()
    root, found = Path(store.root), dict[str, Path]()
    with store.lease():
        for file in sorted(root.rglob("*")):
            name = file.relative_to(root)
            if not file.is_file() or file.name == ".writer.lock" or is_temporary(file.name):
                continue
            if "_delta_log" in name.parts or name.parts[0] == "documents":
                kept = aside / name
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, kept)
                found[name.as_posix()] = kept
            else:
                found[name.as_posix()] = file
    return found
