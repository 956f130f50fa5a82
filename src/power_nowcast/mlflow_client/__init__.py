"""The only package that knows MLflow's client: runs, registered versions, aliases, promotion, download, commands.

Nothing in here is logged automatically, and no pickle is written or read.
"""

from power_nowcast.mlflow_client.connection import check_reachable, connect, place, shown_address
from power_nowcast.mlflow_client.copying import Copied, copy_model
from power_nowcast.mlflow_client.database import ARTIFACTS, copy_database, database_file, move_addresses
from power_nowcast.mlflow_client.packaging import register
from power_nowcast.mlflow_client.predictions import Predictions, predictions
from power_nowcast.mlflow_client.recorded import Recorded, newest, recorded, trainings, version_trained_by
from power_nowcast.mlflow_client.registry import (
    ALIASES,
    CANDIDATE,
    PRODUCTION,
    STAGING,
    Step,
    Version,
    by_alias,
    download,
    fetch,
    find,
    history,
    promote,
    rollback,
    set_alias,
    tag_verdict,
    versions,
)
from power_nowcast.mlflow_client.runs import DIGEST, RUN_AGAIN, Run, as_params, git_sha, has_run, run
from power_nowcast.mlflow_client.servers import environment, scoring_app, serve_command, server_command
from power_nowcast.mlflow_client.wheel import installed

__all__ = [
    "ALIASES",
    "ARTIFACTS",
    "CANDIDATE",
    "DIGEST",
    "PRODUCTION",
    "RUN_AGAIN",
    "STAGING",
    "Copied",
    "Predictions",
    "Recorded",
    "Run",
    "Step",
    "Version",
    "as_params",
    "by_alias",
    "check_reachable",
    "connect",
    "copy_database",
    "copy_model",
    "database_file",
    "download",
    "environment",
    "fetch",
    "find",
    "git_sha",
    "has_run",
    "history",
    "installed",
    "move_addresses",
    "newest",
    "place",
    "predictions",
    "promote",
    "recorded",
    "register",
    "rollback",
    "run",
    "scoring_app",
    "serve_command",
    "server_command",
    "set_alias",
    "shown_address",
    "tag_verdict",
    "trainings",
    "version_trained_by",
    "versions",
]
