"""The committed record of a benchmark: a JSON file to which later runs, and other peers, add their rows."""

import ast
import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from peers.base import Job
from peers.registry import CLASSES, PEERS
from peers.results import HERE, Result

PROTOCOL = ("horizons_min", "train_end", "first", "last", "every_min", "valid_days", "timezone", "country")
"""Fields of a job that must be equal for all rows of one table."""
KEYS = ("class", "series", "peer")
DIGITS = 6


Months = dict[tuple[str, str, str], list[dict[str, Any]]]
"""Coverage by month for each class, series and peer; empty where the answers were not kept."""


def merged(
    path: Path | None, job: Job, results: Sequence[Result], rows: pl.DataFrame, months: Months | None = None
) -> tuple[dict[str, Any], int]:
    """The record at `path`, if it exists, with `results` in place of its rows of the same class, series and peer.

    Returns:
        The record, in the order of classes, series and `registry.PEERS`; how many of its entries are older.

    Raises:
        ValueError: the record at `path` is of another protocol.
    """
    protocol = {name: value for name, value in json.loads(job.to_json()).items() if name in PROTOCOL}
    entries = [entry(job, result, rows, months) for result in results]
    new = {_key(one) for one in entries}
    kept: list[dict[str, Any]] = []
    if path is not None and path.exists():
        old = json.loads(path.read_text())
        if old["protocol"] != protocol:
            raise ValueError(f"{path} holds rows of another protocol: {old['protocol']}; write to another file.")
        kept = [one for one in old["entries"] if _key(one) not in new]
    everything = kept + entries
    series = list(dict.fromkeys(one["series"] for one in everything))
    places = list(CLASSES), series, list(PEERS)
    everything.sort(key=lambda one: tuple(place.index(one[key]) for place, key in zip(places, KEYS, strict=True)))
    return {"protocol": protocol, "entries": everything}, len(kept)


def entry(job: Job, result: Result, rows: pl.DataFrame, months: Months | None = None) -> dict[str, Any]:
    """A result with its figures, and the facts that a reader needs to judge them."""
    own = pl.DataFrame()
    if not rows.is_empty():
        keys = zip(KEYS, (result.inputs, result.series, result.name), strict=True)
        own = rows.filter(*(pl.col(key) == value for key, value in keys)).drop(KEYS)
    return {
        "class": result.inputs,
        "series": result.series,
        "peer": result.name,
        "failed": result.failed,
        **result.figures,
        "threads": None if "configuration" in result.figures else job.threads,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "configuration": result.figures.get("configuration") or configuration(result.name),
        "horizons": [_rounded(row) for row in own.to_dicts()],
        "months": [_rounded(row) for row in (months or {}).get((result.inputs, result.series, result.name), ())],
    }


def read(record: dict[str, Any]) -> tuple[list[Result], pl.DataFrame]:
    """Results without their predictions, and rows, in the form of `table` and `plot`."""
    results, rows = [], []
    for one in record["entries"]:
        figures = {key: one.get(key) for key in ("title", "versions", "train_s", "predict_s", "peak_mb")}
        if one["failed"]:
            figures = {}
        results.append(Result(one["peer"], one["class"], one["series"], figures, None, one["failed"]))
        rows += [{key: one[key] for key in KEYS} | row for row in one["horizons"]]
    return results, pl.DataFrame(rows, infer_schema_length=None)


def months_of(record: dict[str, Any]) -> Months:
    """Coverage by month of every entry that has it."""
    return {(one["class"], one["series"], one["peer"]): one.get("months", []) for one in record["entries"]}


def configuration(name: str) -> str:
    """The docstring of the adapter's module; its library need not be installed here."""
    module = HERE / f"{PEERS[name].split(':')[0].split('.')[-1]}.py"
    return " ".join((ast.get_docstring(ast.parse(module.read_text())) or "").split())


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, DIGITS) if isinstance(value, float) else value for key, value in row.items()}


def _key(one: dict[str, Any]) -> tuple[str, ...]:
    return tuple(one[key] for key in KEYS)
