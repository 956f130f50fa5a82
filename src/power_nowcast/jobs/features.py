"""Features of train, valid and test as versioned tables, and the manifest that names them."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from power_nowcast import mlflow_client
from power_nowcast.bundle.train import examples
from power_nowcast.contracts import Manifest, Table
from power_nowcast.errors import MissingDataError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs import commands
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.models.examples import Examples, Split, from_frame, to_frame
from power_nowcast.store import Store
from power_nowcast.store.pinned import Pinned

FEATURES = "features"
"""The document that describes the newest feature tables."""


def make_features(job: Job, plan: Plan) -> dict[str, Any]:
    """Build train, valid and test, write them as versioned tables, and return (and log) their manifest."""
    mlflow_client.check_reachable()
    if job.store.last(Table.POWER, job.region.name) is None:
        raise job.store.no_power(job.region.name)
    # What others append from here on has no effect: the manifest names exactly what was read.
    inputs, quarantined = job.manifests(), len(job.store.read_quarantine(job.region.name))
    job.store.keep(job.region.name, inputs, now=datetime.now(UTC))
    panel = job.panel(days=plan.days, of=Pinned.of(job.store, inputs, quarantined))
    split = Split.of(panel, plan.spec, valid_days=plan.valid_days, test_days=plan.test_days)
    again = commands.features(job, plan)
    with mlflow_client.run(job.region, "features", tags={mlflow_client.RUN_AGAIN: again}) as run:
        job.progress(f"features: {job.region.title}, issue times every {plan.every_minutes} minutes")
        known = examples(panel, job.region, split.issue_times(plan.every_minutes), plan.spec)
        manifest: dict[str, Any] = {
            "region": job.region.name,
            "command": again,
            "spec": plan.spec.to_json(),
            "every_minutes": plan.every_minutes,
            "days": plan.days,
            "quarantined": quarantined,
            "split": {name: f"{time}Z" for name, time in asdict(split).items()},
            "inputs": [asdict(one) for one in inputs],
            "tables": {},
        }
        for part, chosen in split.parts(known, max(plan.spec.knots)).items():
            frame = to_frame(chosen, plan.spec.knots)
            version = job.store.write_features(job.table(part), frame)
            manifest["tables"][part] = {"version": version} | table_manifest(frame)
            job.progress(f"features: {part} {len(frame):,} rows, {len(frame.columns)} columns")
        job.store.documents.write(job.document(FEATURES), manifest)
        run.params({"spec": plan.spec.to_json(), "every_minutes": plan.every_minutes, **manifest["split"]})
        run.manifests(inputs)
        run.json("features.json", manifest)
    return manifest


def pinned(store: Store, manifest: dict[str, Any]) -> Pinned:
    """The store in the versions that a manifest of features names."""
    return Pinned.of(store, [Manifest(**one) for one in manifest["inputs"]], manifest.get("quarantined"))


def split_of(manifest: Mapping[str, Any]) -> Split:
    """The borders of train, valid and test in a manifest of features."""
    return Split(**{name: np.datetime64(text.removesuffix("Z"), "m") for name, text in manifest["split"].items()})


def days_of(manifest: Mapping[str, Any]) -> int | None:
    """The last days of data that features were built from, None for all: older manifests tell it by their command."""
    if "days" in manifest:
        return None if manifest["days"] is None else int(manifest["days"])
    words = shlex.split(manifest.get("command", ""))
    return int(words[words.index("--days") + 1]) if "--days" in words else None


def table_manifest(frame: pl.DataFrame) -> dict[str, Any]:
    """Rows, times, columns and ranges of a frame of features, and its SHA-256 (another in other versions of Polars)."""
    first, last = frame.select(first=pl.col("issue_time").min(), last=pl.col("issue_time").max()).row(0)
    numbers = frame.select(pl.selectors.numeric())
    low, high = numbers.fill_nan(None).min().row(0), numbers.fill_nan(None).max().row(0)
    return {
        "rows": len(frame),
        "first": first.isoformat(),
        "last": last.isoformat(),
        "sha256": hashlib.sha256(frame.hash_rows(seed=1).to_numpy().tobytes()).hexdigest(),
        "columns": {name: str(kind) for name, kind in frame.schema.items()},
        "ranges": {name: [a, b] for name, a, b in zip(numbers.columns, low, high, strict=True)},
    }


def read_manifest(job: Job) -> dict[str, Any]:
    """The manifest that `make_features` wrote.

    Raises:
        MissingDataError: there is none.
    """
    manifest: dict[str, Any] | None = job.store.documents.read(job.document(FEATURES))
    if manifest is None:
        raise MissingDataError(
            f"There are no features of {job.region.name} in {job.store.place}.",
            remedy="Make them first: nowcast features.",
            region=job.region.name,
        )
    return manifest


def read_examples(job: Job, manifest: dict[str, Any], *parts: str) -> list[Examples]:
    """The feature tables of these parts, in the versions named by the manifest."""
    knots = FeatureSpec.from_json(manifest["spec"]).knots
    return [
        from_frame(
            job.store.read_features(job.table(part), version=manifest["tables"][part]["version"]),
            job.region.series,
            knots,
        )
        for part in parts
    ]
