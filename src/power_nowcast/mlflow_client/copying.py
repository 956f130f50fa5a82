"""Copy a region's model from one tracking server to another: versions with their runs, tags, aliases and history."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from power_nowcast.bundle.files import verify
from power_nowcast.errors import ConfigurationError, RegistryError
from power_nowcast.mlflow_client.connection import connect, is_new, place, shown_address, translated
from power_nowcast.mlflow_client.packaging import ensure_model, log_model
from power_nowcast.mlflow_client.registry import ALIASES, BUNDLE_FOLDER, HISTORY, listed, registered_model, tell_history
from power_nowcast.mlflow_client.runs import BATCH, NOTE, experiment
from power_nowcast.regions import Region

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.models import Model

COPIED_FROM, COPIED_RUN = "copied_from", "copied_run"
"""Tags of a copied run: the address of the server, without a password, and the id of the run there."""


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    Attributes:
        numbers: number of each version in the target by its number in the source.
        made: numbers, in the target, of the versions that were not there before.
        aliases: version by alias in the target.
        kept: why aliases and history of the target stayed as they were; empty where they were copied.
    """

    numbers: Mapping[str, str]
    made: tuple[str, ...]
    aliases: Mapping[str, str]
    kept: str = ""


@dataclass(frozen=True)
class _Read:
    """A version with its run and its metrics, and the folders of their files."""

    version: Any
    run: "Run"
    metrics: list["Metric"] = field(default_factory=list)


def copy_model(region: Region, source: str, target: str, progress: Callable[[str], None] = lambda _: None) -> Copied:
    """Copy every version of the region's model that the target does not have, with its run, and then the aliases.

    A version that is there, by its digest, is not copied again: a copy that was interrupted goes on. The source is only
    read. One server is asked at a time, so each may have its own user in its address.

    Args:
        region: whose model.
        source: address of MLflow.
        target: address of MLflow; it needs no model yet.
        progress: called with what happens.

    Raises:
        ConfigurationError: both are the same.
        RegistryError: the source has no version of the model.
        RegistryUnavailableError: a server does not answer.
        ArtifactDigestError: a model's files are damaged, in the source or in the copy.
    """
    if source == target:
        raise ConfigurationError("Both addresses are the same.", remedy="Name two.", tracking_uri=shown_address(source))
    found, model = _versions(region, source)
    if not found:
        raise RegistryError(
            f"{region.model} has no version in {place(source)}.",
            remedy="Name the server that has it.",
            model=region.model,
        )
    there = {one.tags.get("digest"): str(one.version) for one in _versions(region, target)[0]}
    numbers, made = dict[str, str](), list[str]()
    for one in sorted(found, key=lambda one: int(one.version)):
        digest = one.tags.get("digest", "")
        if digest not in there:
            there[digest] = _copy_version(region, one, source, target)
            made.append(there[digest])
            progress(f"copy: version {one.version} is version {there[digest]} in {place(target)}")
        numbers[str(one.version)] = there[digest]
    kept = _copy_history(region, model, found, numbers, target)
    client = connect(target)
    with translated(target):
        aliases = {name: str(at) for name, at in registered_model(client, region).aliases.items()}
    return Copied(numbers, tuple(made), aliases, kept)


def _versions(region: Region, uri: str) -> tuple[list[Any], Any]:
    """All versions of a server and its registered model, None where there is none."""
    if is_new(uri):
        return [], None
    client = connect(uri)
    with translated(uri):
        return listed(client, region), registered_model(client, region)


def _copy_version(region: Region, version: Any, source: str, target: str) -> str:
    """Copy one version with its run; returns its number in the target."""
    with TemporaryDirectory() as work:
        read = _read(version, source, Path(work))
        verify(Path(work) / "model" / BUNDLE_FOLDER, version.tags["digest"])
        number = _write(region, read, Path(work), source, target)
        _check(region, number, version.tags["digest"], target, Path(work) / "copy")
    return number


def _read(version: Any, uri: str, work: Path) -> _Read:
    """Read a version and its run; their files go to `work/model` and `work/run`."""
    import mlflow.artifacts  # noqa: PLC0415

    client = connect(uri)
    for name in ("fetched", "run"):
        (work / name).mkdir()
    with translated(uri):
        run = client.get_run(version.run_id)
        metrics = [point for name in run.data.metrics for point in client.get_metric_history(version.run_id, name)]
        address = client.get_model_version_download_uri(version.name, version.version)
        fetched = mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=str(work / "fetched"))
        Path(fetched).rename(work / "model")
        for one in client.list_artifacts(version.run_id):
            client.download_artifacts(version.run_id, one.path, str(work / "run"))
    return _Read(version, run, metrics)


def _write(region: Region, read: _Read, work: Path, source: str, target: str) -> str:
    """Write a run and its model, and make it a version; returns the version's number."""
    client, version = connect(target), read.version
    with translated(target):
        run_id = _write_run(region, read, work / "run", source, target)

        def write(head: "Model", local: Path) -> None:
            from mlflow.models import Model  # noqa: PLC0415

            (work / "model").rename(local)
            copy = Model.load(str(local))
            copy.artifact_path, copy.run_id = head.artifact_path, head.run_id
            copy.model_uuid, copy.model_id = head.model_uuid, head.model_id
            copy.save(str(local / "MLmodel"))

        tags = {key: value for key, value in version.tags.items() if not key.startswith(HISTORY)}
        model_id = log_model(client, run_id, {"digest": tags["digest"]}, tags.get("kind", ""), write)
        ensure_model(client, region)
        made = client.create_model_version(
            region.model, f"models:/{model_id}", run_id, tags=tags, model_id=model_id, description=version.description
        )
        client.set_terminated(run_id, read.run.info.status, read.run.info.end_time)
    return str(made.version)


def _write_run(region: Region, read: _Read, files: Path, source: str, target: str) -> str:
    """Write everything of a run but its model; returns its new id."""
    from mlflow.entities import Param  # noqa: PLC0415

    client, info, data = connect(target), read.run.info, read.run.data
    tags = dict(data.tags) | {COPIED_FROM: shown_address(source), COPIED_RUN: info.run_id}
    # Of the source's server; the new one has its own.
    tags = {key: value for key, value in tags.items() if key != "mlflow.log-model.history"}
    made = client.create_run(experiment(client, region, target), info.start_time, tags, info.run_name)
    run_id = str(made.info.run_id)
    if NOTE in tags:  # its pictures are addressed by the id of the run
        client.set_tag(run_id, NOTE, tags[NOTE].replace(info.run_id, run_id))
    params = [Param(key, value) for key, value in data.params.items()]
    for first in range(0, len(params), 100):
        client.log_batch(run_id, params=params[first : first + 100])
    for first in range(0, len(read.metrics), BATCH):
        client.log_batch(run_id, metrics=read.metrics[first : first + BATCH])
    if read.run.inputs is not None and read.run.inputs.dataset_inputs:
        client.log_inputs(run_id, datasets=read.run.inputs.dataset_inputs)
    client.log_artifacts(run_id, str(files))
    return run_id


def _check(region: Region, number: str, digest: str, uri: str, folder: Path) -> None:
    """Check that the target gives the bundle of this digest.

    Raises:
        ArtifactDigestError: it gives another.
    """
    import mlflow.artifacts  # noqa: PLC0415

    client = connect(uri)
    folder.mkdir()
    with translated(uri):
        address = f"{client.get_model_version_download_uri(region.model, number).rstrip('/')}/{BUNDLE_FOLDER}"
        local = Path(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=str(folder)))
    verify(local, digest)


def _copy_history(region: Region, model: Any, found: list[Any], numbers: Mapping[str, str], uri: str) -> str:
    """Copy who promoted what, and then the aliases; returns why not, empty where they were copied.

    A target that has promotions of its own keeps them: its aliases say what is in production there.
    """
    client = connect(uri)
    with translated(uri):
        there = registered_model(client, region)
        own = sorted(key for key in there.tags if key.startswith(HISTORY) and key not in model.tags)
        if own:
            return f"{place(uri)} has promotions of its own, so its aliases and its history stay."
        for one in found:
            for key, value in one.tags.items():
                if key.startswith(HISTORY):
                    client.set_model_version_tag(
                        region.model, numbers[str(one.version)], key, renumbered(value, numbers)
                    )
        for key, value in model.tags.items():
            text = renumbered(value, numbers) if key.startswith(HISTORY) else value
            client.set_registered_model_tag(region.model, key, text)
        # Production comes last: a service takes a version as soon as the alias names it.
        for alias in sorted(model.aliases, key=lambda name: ALIASES.index(name) if name in ALIASES else -1):
            client.set_registered_model_alias(region.model, alias, numbers[str(model.aliases[alias])])
        tell_history(client, region)
    return ""


def renumbered(text: str, numbers: Mapping[str, str]) -> str:
    """An entry of the history with the numbers of the target.

    >>> renumbered('{"version": "7", "previous": "2", "reason": "better"}', {"7": "1"})
    '{"version": "1", "previous": "2 (not copied)", "reason": "better"}'
    """
    step = json.loads(text)
    for name in ("version", "previous"):
        if step.get(name) is not None:
            bare = re.sub(r" \(not copied\)$", "", str(step[name]))
            step[name] = numbers.get(bare, f"{bare} (not copied)")
    return json.dumps(step)
