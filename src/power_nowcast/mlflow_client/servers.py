"""Commands that start MLflow's own servers, and the application that answers with a model in a folder."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from power_nowcast.errors import ModelError
from power_nowcast.mlflow_client.connection import ENVIRONMENT, address, login_of, shown_address

if TYPE_CHECKING:
    from fastapi import FastAPI

WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Jobs of MLflow's server are for language models; their workers more than double its memory."""


def serve_command(model_uri: str, *, host: str, port: int, env_manager: str = "local") -> list[str]:
    """The command that serves a model by MLflow, such as "models:/power-nowcast@production".

    `env_manager` is "local" (this environment), "uv" or "virtualenv" (a new one from the model's own requirements).
    """
    listen = ["--host", host, "--port", str(port), "--env-manager", env_manager, "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model_uri, *listen]


def server_command(
    *, host: str, port: int, tracking_uri: str | None = None, artifacts: str = "mlartifacts"
) -> list[str]:
    """The command of the tracking server and registry over the database, with artifacts served through it.

    MLflow's own variables count: `MLFLOW_ARTIFACTS_DESTINATION` in place of the folder `artifacts`, and with
    `MLFLOW_AUTH_CONFIG_PATH` the server asks for users and passwords.
    """
    uri = address(tracking_uri)
    # Every user of a machine sees the arguments of commands: an address with a password is in `environment` only.
    backend = ["--backend-store-uri", uri] if shown_address(uri) == uri else []
    store = [*backend, "--serve-artifacts"]
    if "MLFLOW_ARTIFACTS_DESTINATION" not in os.environ:
        store += ["--artifacts-destination", artifacts]
    if "MLFLOW_AUTH_CONFIG_PATH" in os.environ:
        store += ["--app-name", "basic-auth"]
    return [sys.executable, "-m", "mlflow", "server", *store, "--host", host, "--port", str(port), "--workers", "1"]


def environment(tracking_uri: str | None = None) -> dict[str, str]:
    """The environment of such a command: this process's, with MLflow's address and no pickle."""
    # MLflow calls itself and uv by name, and uv looks for the interpreter that a model requires: programs of
    # this environment come first.
    own = [Path(sys.executable).parent, Path(sys.base_prefix) / "bin"]
    path = os.pathsep.join([*map(str, own), os.environ.get("PATH", os.defpath)])
    uri = address(tracking_uri)
    bare, login = login_of(uri)
    backend = {} if shown_address(bare) == bare else {"MLFLOW_BACKEND_STORE_URI": bare}
    return {
        **ENVIRONMENT,
        **WITHOUT_JOBS,
        **os.environ,
        **login,
        **backend,
        "PATH": path,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_TRACKING_URI": bare,
    }


def scoring_app(folder: Path) -> "FastAPI":
    """MLflow's application that answers `/ping` and `/invocations` with the model in a folder; the model is loaded.

    Raises:
        ModelError: the folder holds no model of MLflow.
        ArtifactDigestError: the model is another one than its MLmodel file says.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes seconds
    from mlflow.pyfunc import load_model, scoring_server  # noqa: PLC0415 - takes seconds

    try:
        model = load_model(str(folder))
    except (MlflowException, OSError) as error:
        raise ModelError(
            f"{folder} holds no model that MLflow can load: {str(error).splitlines()[0]}",
            remedy="Download one: mlflow artifacts download --artifact-uri models:/NAME@production --dst-path FOLDER.",
            folder=folder,
        ) from error
    made: FastAPI = scoring_server.init(model)
    return made
