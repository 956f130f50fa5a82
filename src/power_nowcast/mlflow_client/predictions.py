"""Predictions that runs have logged: those of a backtest, or of a version's evaluation."""

import re
from dataclasses import dataclass
from pathlib import Path

from power_nowcast.errors import RegistryError
from power_nowcast.mlflow_client.connection import connect, is_new, place, translated
from power_nowcast.mlflow_client.registry import find
from power_nowcast.regions import Region

FILE = "predictions.parquet"
FOLDERS = ("backtest", "evaluation")
"""Artifact folders that hold predictions, in the order in which they are looked for."""


@dataclass(frozen=True)
class Predictions:
    """A file of predictions, a short name of their model, and where they come from, for people."""

    path: Path
    name: str
    origin: str


def predictions(region: Region, run_or_version: str, folder: Path) -> Predictions:
    """The predictions of an MLflow run (its id), or of a registered version (number or alias), fetched into `folder`.

    Raises:
        RegistryError: there is no such run or version, or it has logged no predictions.
        RegistryUnavailableError: MLflow does not answer.
    """
    import mlflow.artifacts  # noqa: PLC0415

    if re.fullmatch(r"[0-9a-f]{32}", run_or_version):
        if is_new():
            raise RegistryError(
                f"There is no run {run_or_version} in {place()}.",
                remedy="Set MLFLOW_TRACKING_URI to the MLflow that has it.",
                run_id=run_or_version,
            )
        client, run_id = connect(), run_or_version
        with translated():
            info = client.get_run(run_id).info
        name, origin = f"{info.run_name} {run_id[:8]}", f"MLflow run {run_id}, {info.run_name}"
    else:
        version = find(region, run_or_version)
        client = connect()
        run_id, name = version.run_id, f"{version.kind} v{version.version}"
        origin = f"{version.name} version {version.version} ({version.kind}), digest {version.digest[:12]}"
    with translated():
        there = {item.path for item in client.list_artifacts(run_id)}
        for one in FOLDERS:
            if one in there and f"{one}/{FILE}" in {item.path for item in client.list_artifacts(run_id, one)}:
                folder.mkdir(parents=True, exist_ok=True)
                got = mlflow.artifacts.download_artifacts(
                    run_id=run_id, artifact_path=f"{one}/{FILE}", dst_path=str(folder)
                )
                return Predictions(Path(got), name, f"{origin}, {one}")
    raise RegistryError(
        f"{run_or_version} has logged no predictions.",
        remedy="Evaluate the version (nowcast evaluate --version N), or name a run of nowcast backtest.",
        run_id=run_id,
    )
