"""What a run recorded, and the version of the model that it trained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from power_nowcast.errors import RegistryError
from power_nowcast.mlflow_client.connection import connect, is_new, place, translated
from power_nowcast.mlflow_client.registry import Version, as_version
from power_nowcast.mlflow_client.runs import DIGEST


@dataclass(frozen=True)
class Recorded:
    """A run: its tags, its params, and the last value of each metric."""

    id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]

    def json(self, name: str) -> Any:
        """The content of the JSON artifact `name`, None if the run has no such artifact."""
        client = connect()
        folder = str(Path(name).parent) if Path(name).parent != Path() else None
        with translated(), TemporaryDirectory() as work:
            if name not in {one.path for one in client.list_artifacts(self.id, folder)}:
                return None
            return json.loads(Path(client.download_artifacts(self.id, name, work)).read_text())


def recorded(run_id: str) -> Recorded:
    """A run by its id.

    Raises:
        RegistryError: there is no such run. RegistryUnavailableError: MLflow does not answer.
    """
    if is_new():
        raise _no_run(run_id)
    client = connect()
    try:
        with translated():
            data = client.get_run(run_id).data
    except RegistryError as error:
        if error.fields.get("code") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise _no_run(run_id) from error
        raise
    return Recorded(run_id, dict(data.tags), dict(data.params), dict(data.metrics))


def version_trained_by(run: Recorded) -> Version:
    """The registered version of the model that a run trained.

    Raises:
        RegistryError: there is none: the run trained no model, or its version was deleted.
    """
    digest = run.tags.get(DIGEST)
    client = connect()
    with translated():
        found = client.search_model_versions(f"tags.digest = '{digest}'" if digest else f"run_id = '{run.id}'")
    if not found:
        raise RegistryError(
            f"The run {run.id} has no registered model: it is a run of `{run.tags.get('command', 'another program')}`.",
            remedy="Name a run of `nowcast train`: MLflow's page shows it with each version.",
            run=run.id,
        )
    return as_version(found[0])


def _no_run(run_id: str) -> RegistryError:
    return RegistryError(
        f"There is no run {run_id!r} in {place()}.",
        remedy="MLflow's page shows the run of each version; MLFLOW_TRACKING_URI says where to look.",
        run=run_id,
    )
