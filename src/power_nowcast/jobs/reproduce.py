"""Train a run's model again from what the run recorded, and compare inputs and results."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.files import read_head
from power_nowcast.bundle.train import Origin, examples, train_bundle
from power_nowcast.collect.findings import Finding, State
from power_nowcast.errors import ModelError, install_remedy
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs import commands, surroundings
from power_nowcast.jobs.features import days_of, split_of, table_manifest
from power_nowcast.jobs.held_out import scores
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.recorded_data import find_data
from power_nowcast.jobs.surroundings import Surroundings
from power_nowcast.jobs.train import data_digest, metrics_of, settings_of, untrained
from power_nowcast.mlflow_client import Recorded, Version
from power_nowcast.models.base import Model
from power_nowcast.models.examples import Examples, to_frame
from power_nowcast.store.pinned import Pinned

TOLERANCE = 0.02
"""Metrics of networks, and of all models on another type of machine, may differ by this share of the recorded value."""
NETWORK = ".onnx"
"""Ending of the files of networks."""
MOST_NAMES = 5


@dataclass(frozen=True)
class Reproduction:
    """The version that was trained again, and a finding for each input and each result.

    An input that differs is a warning: it explains. A result that differs is a failure.
    """

    version: Version
    findings: list[Finding]
    fresh: tuple[str, ...]
    """Command lines that train again in an environment of the run's own; empty where none is needed or possible."""


def reproduce(job: Job, asked: str) -> Reproduction:
    """Train the model of a run again, register nothing, and compare.

    Args:
        job: the tables, or the raw archive, that the run read; its region counts where `asked` is no run.
        asked: id of a run of `nowcast train`, or a version or an alias of the region's model.

    Raises:
        RegistryError: there is no such run or version, or the run trained no model.
        ModelError: the run did not record its features, or packages for the training are missing.
        ArtifactDigestError: the registered model is damaged.
    """
    run, version = _found(job, asked)
    folder = mlflow_client.fetch(version, job.artifacts / "versions")
    original = Bundle.load(folder, version.digest)
    job = replace(job, region=original.region)
    manifest = run.json("features.json")
    if manifest is None:
        raise ModelError(
            f"The run {run.id} did not record its features.", remedy="Name a run of nowcast train.", run=run.id
        )
    told = run.json(commands.PARAMS) or {"params": {}}
    model = untrained(job.region, manifest, original.model.kind, told["params"])
    if missing := model.missing():
        raise ModelError(
            f"{model.kind} cannot be trained here: {', '.join(missing)} not installed.",
            remedy=install_remedy("neural"),
            packages=missing,
        )
    before, here = Surroundings.of(run.json(surroundings.NAME)), Surroundings.here()
    found = [*_surroundings(before, here), *_settings(run, model, manifest)]
    with TemporaryDirectory() as work:
        store, data = find_data(job, manifest, Path(work) / "rebuilt")
        found += data
        if store is not None:
            exact = _is_exact(folder, before, here)
            found += _trained_again(job, run, original, model, manifest, (store, folder, exact))
    differs = any(one.state is State.WARN for one in found if one.name in ("code", "python", "packages"))
    return Reproduction(version, found, _fresh(run, original) if differs else ())


def _found(job: Job, asked: str) -> tuple[Recorded, Version]:
    """The run and its version; `asked` names either."""
    if len(asked) < len("0" * 32):
        version = mlflow_client.find(job.region, asked)
        return mlflow_client.recorded(version.run_id), version
    run = mlflow_client.recorded(asked)
    return run, mlflow_client.version_trained_by(run)


def _trained_again(
    job: Job,
    run: Recorded,
    original: Bundle,
    model: Model,
    manifest: Mapping[str, Any],
    given: tuple[Pinned, Path, bool],
) -> list[Finding]:
    """Train on the data that were found, and compare every result."""
    store, folder, exact = given
    parts = _parts(job, store, manifest)
    found = [_features(parts, original.spec, manifest)]
    job.progress(f"reproduce: {model.kind}")
    origin = Origin(original.info.git_sha, data_digest(manifest))
    again, report = train_bundle(
        job.region,
        original.spec,
        model,
        parts["train"],
        parts["valid"],
        origin=origin,
        executor=job.executor(),
        progress=job.progress,
    )
    # With the recorded commit and package version the digest tells of the model alone; the code has its own row.
    again = replace(again, info=replace(again.info, package_version=original.info.package_version))
    job.progress(f"reproduce: {model.kind}: scored on the test part")
    metrics = metrics_of(report, again, scores(store, again, dict(manifest)))
    with TemporaryDirectory() as work:
        again.save(Path(work) / "bundle")
        files = read_head(Path(work) / "bundle")["files"]
    found.append(_metrics(run.metrics, metrics, exact=exact))
    found += _files(read_head(folder)["files"], files, original, again, exact=exact)
    return found


def _parts(job: Job, store: Pinned, manifest: Mapping[str, Any]) -> dict[str, Examples]:
    """The examples of train, valid and test, built again from the tables."""
    spec, split = FeatureSpec.from_json(manifest["spec"]), split_of(manifest)
    panel = job.panel(days=days_of(manifest), of=store)
    job.progress("reproduce: features")
    known = examples(panel, job.region, split.issue_times(manifest["every_minutes"]), spec)
    return split.parts(known, max(spec.knots))


def _surroundings(before: Surroundings | None, here: Surroundings) -> list[Finding]:
    """Code, Python, packages and machine, recorded and here."""
    if before is None:
        why = "The run was made before runs recorded their code and packages."
        return [Finding("surroundings", State.WARN, why)]
    rows = [
        ("code", before.code == here.code, f"commit {before.git_sha[:18]}", f"commit {here.git_sha[:18]}"),
        ("python", before.python == here.python, before.python, here.python),
        ("machine", before.machine == here.machine, before.machine, here.machine),
    ]
    found = [_row(name, is_same, was, now) for name, is_same, was, now in rows]
    names = sorted(before.packages.keys() | here.packages.keys())
    other = [
        f"{name} {before.packages.get(name, 'absent')} then, {here.packages.get(name, 'absent')} here"
        for name in names
        if before.packages.get(name) != here.packages.get(name)
    ]
    told = _listed(other) or f"{len(names)} packages in the same versions"
    return [*found, Finding("packages", State.WARN if other else State.OK, told)]


def _settings(run: Recorded, model: Model, manifest: Mapping[str, Any]) -> list[Finding]:
    """The configuration with which this code would train, beside the recorded one; seeds apart."""
    here = mlflow_client.as_params(settings_of(model, manifest))
    found = []
    for name, chosen in (
        ("seeds", {key for key in here.keys() | run.params.keys() if key.endswith("seed")}),
        ("settings", {key for key in here.keys() | run.params.keys() if not key.endswith("seed")}),
    ):
        other = [
            f"{key} {run.params.get(key, 'absent')} then, {here.get(key, 'absent')} here"
            for key in sorted(chosen)
            if run.params.get(key) != here.get(key)
        ]
        same = ", ".join(f"{key} {here[key]}" for key in sorted(chosen)) if name == "seeds" else f"{len(chosen)} equal"
        told = _listed(other) or same or "the model has none of its own"
        found.append(Finding(name, State.WARN if other else State.OK, told))
    return found


def _features(parts: Mapping[str, Examples], spec: FeatureSpec, manifest: Mapping[str, Any]) -> Finding:
    """The tables of features, built again and recorded."""
    other = [
        part
        for part, chosen in parts.items()
        if table_manifest(to_frame(chosen, spec.knots))["sha256"] != manifest["tables"][part]["sha256"]
    ]
    rows = sum(one["rows"] for one in manifest["tables"].values())
    if other:
        return Finding("features", State.WARN, f"{', '.join(other)} differ; another version of Polars hashes otherwise")
    return Finding("features", State.OK, f"{rows:,} rows equal to the last bit")


def _metrics(before: Mapping[str, float], here: Mapping[str, float], *, exact: bool) -> Finding:
    """The figures of the training: equal to the last bit, or within the tolerance."""
    known = {name: before[name] for name in here if name in before}
    unequal = [name for name in known if known[name] != here[name]]
    allowed = 0.0 if exact else TOLERANCE
    beyond = [name for name in unequal if abs(here[name] - known[name]) > allowed * abs(known[name])]
    told = _listed([f"{name} {known[name]!r} then, {here[name]!r} here" for name in beyond or unequal])
    if beyond or len(known) < len(here) or not known:
        lost = [f"{name} was not recorded" for name in here if name not in before]
        return Finding("metrics", State.FAIL, "; ".join(filter(None, (told, _listed(lost)))))
    if unequal:
        return Finding("metrics", State.OK, f"all {len(known)} within {TOLERANCE:.0%}: {told}")
    return Finding("metrics", State.OK, f"all {len(known)} equal to the last bit")


def _files(
    before: Mapping[str, str], here: Mapping[str, str], original: Bundle, again: Bundle, *, exact: bool
) -> list[Finding]:
    """The model's files, its answers to the golden rows, and its digest."""
    other = sorted(name for name in before.keys() | here.keys() if before.get(name) != here.get(name))
    state = State.FAIL if exact else State.WARN
    answers = again.from_features(original.golden).values
    gap = float(np.nan_to_num(np.abs(answers - original.golden_mw)).max(initial=0.0))
    size = float(np.nan_to_num(np.abs(original.golden_mw)).max(initial=0.0))
    files = (
        f"{len(other)} of {len(before)} differ: {_listed(other)}" if other else f"{len(before)} equal to the last bit"
    )
    same = again.digest == original.digest
    return [
        Finding("files", state if other else State.OK, files),
        Finding(
            "answers",
            State.FAIL if gap > (0.0 if exact else TOLERANCE * size) else State.OK,
            f"the largest difference on the golden rows is {gap:.3g} MW of {size:,.0f} MW",
        ),
        Finding(
            "digest",
            State.OK if same else state,
            original.digest[:16] if same else f"{original.digest[:16]} then, {again.digest[:16]} here",
        ),
    ]


def _is_exact(folder: Path, before: Surroundings | None, here: Surroundings) -> bool:
    """Whether the results must be equal to the last bit: there is no network, and the machine is of the same type."""
    network = any(name.endswith(NETWORK) for name in read_head(folder)["files"])
    return not network and (before is None or before.machine == here.machine)


def _fresh(run: Recorded, original: Bundle) -> tuple[str, ...]:
    """Command lines for a work tree of the run's commit with its own packages; none where the commit is not all."""
    commit = original.info.git_sha
    if not commit.isalnum() or commit == "unknown":
        return ()
    folder = f"../power-nowcast-{commit[:12]}"
    return (
        f"git worktree add {folder} {commit}",
        f"make -C {folder} setup",
        f"{folder}/.venv/bin/nowcast reproduce {run.id}",
    )


def _row(name: str, is_same: bool, before: str, here: str) -> Finding:
    if is_same:
        return Finding(name, State.OK, here)
    return Finding(name, State.WARN, f"{before} then, {here} here")


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - MOST_NAMES} more" if len(texts) > MOST_NAMES else ""
    return "; ".join(texts[:MOST_NAMES]) + more
