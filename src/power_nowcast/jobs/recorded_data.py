"""Find the data that a run read: in the tables as its manifest names them, elsewhere in them, or in the raw archive."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from power_nowcast.collect.findings import Finding, State
from power_nowcast.collect.rebuild import rebuild
from power_nowcast.contracts import Manifest, Table
from power_nowcast.errors import NowcastError, StoreError
from power_nowcast.jobs.job import Job
from power_nowcast.store import Store
from power_nowcast.store.pinned import Pinned, version_of


def find_data(job: Job, manifest: Mapping[str, Any], work: Path) -> tuple[Pinned | None, list[Finding]]:
    """The tables with exactly the rows that a manifest of features names, and a finding for each table.

    Args:
        job: region and store.
        manifest: of the features.
        work: folder for tables that are rebuilt from the raw archive; it must not exist.

    Returns:
        The tables, None where a table cannot be had as it was. Then the findings say what differs.
    """
    wanted = [Manifest(**one) for one in manifest["inputs"]]
    places = {one.table: _version(job.store, job.region.name, one) for one in wanted}
    if None not in places.values():
        return _pinned(job.store, manifest, places), [_found(one, places[one.table]) for one in wanted]
    store, why = _rebuilt(job, work)
    if store is not None:
        again = {one.table: _version(store, job.region.name, one) for one in wanted}
        if None not in again.values():
            told = "rebuilt from the raw archive"
            return _pinned(store, manifest, again), [Finding(_name(one), State.OK, _rows(one, told)) for one in wanted]
    return None, [
        _found(one, places[one.table]) if places[one.table] is not None else _lost(job, one, why) for one in wanted
    ]


def _version(store: Store, region: str, wanted: Manifest) -> int | None:
    """The version of a table with exactly these rows: the recorded one, or another."""
    try:
        if store.manifest(Table(wanted.table), region, version=wanted.version).sha256 == wanted.sha256:
            return wanted.version
    except StoreError:  # this store has no such version: it is another one, or was made again
        pass
    try:
        return version_of(store, region, wanted)
    except StoreError:  # versions in between are gone
        return None


def _rebuilt(job: Job, work: Path) -> tuple[Store | None, str]:
    """Tables from the raw archive, and why there are none."""
    if not len(job.store.deliveries(job.region.name)):
        return None, "there is no raw archive"
    job.progress("reproduce: tables from the raw archive")
    store = Store(work)
    try:
        rebuild(job.store, job.region, store)
    except NowcastError as error:
        return None, f"the raw archive does not help: {error.message}"
    return store, "the raw archive gives other rows"


def _pinned(store: Store, manifest: Mapping[str, Any], places: Mapping[str, int | None]) -> Pinned:
    return Pinned(
        store, {Table(name): at for name, at in places.items() if at is not None}, manifest.get("quarantined")
    )


def _found(wanted: Manifest, at: int | None) -> Finding:
    where = "as recorded" if at == wanted.version else f"equal rows in version {at}"
    return Finding(_name(wanted), State.OK, _rows(wanted, where))


def _lost(job: Job, wanted: Manifest, why: str) -> Finding:
    try:
        here = job.store.manifest(Table(wanted.table), job.region.name)
        told = f"{here.rows:,} rows to {here.last} here"
    except StoreError as error:
        told = error.message
    return Finding(
        _name(wanted),
        State.FAIL,
        f"{wanted.rows:,} rows to {wanted.last} then, {told}; {why}. Nothing was trained.",
        "Set NOWCAST_DATA to the tables, or the raw archive, that the run read.",
    )


def _name(wanted: Manifest) -> str:
    return f"data {wanted.table}"


def _rows(wanted: Manifest, where: str) -> str:
    return f"{wanted.rows:,} rows, {where}, SHA-256 {wanted.sha256[:12]}"
