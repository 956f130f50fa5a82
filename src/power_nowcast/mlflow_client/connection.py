"""The connection to MLflow: where it is, how long it may take, and its errors as this package's."""

import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from power_nowcast.errors import RegistryError, RegistryUnavailableError
from power_nowcast.settings import settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONNECT_SECONDS = 5
ENVIRONMENT = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that goes away in the middle is noticed in seconds; an upload of some megabytes fits into the time-out.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
"""What MLflow reads from the environment, for this process and for the servers that it starts."""
SQLITE = "sqlite:///"


def prepare_environment() -> None:
    """Set MLflow's own variables where the user has not; pickle stays refused whatever the user set."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    # MLflow warns of its own classes when it is imported.
    warnings.filterwarnings("ignore", message=".*Any type hint is inferred", category=UserWarning)


def connect(tracking_uri: str | None = None) -> "MlflowClient":
    """The client of the tracking server and registry, by default those of the settings.

    Raises:
        RegistryUnavailableError: the server does not answer, or the database's folder cannot be written.
    """
    uri = tracking_uri or settings().tracking_uri
    prepare_environment()
    check_reachable(uri)
    with translated(uri):
        import mlflow  # noqa: PLC0415

        # Downloads by address go where the last connection went.
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return _client(uri)


@cache
def _client(uri: str) -> "MlflowClient":
    # Imported late: MLflow reads its variables at import, and what needs no registry need not load it.
    from mlflow import MlflowClient  # noqa: PLC0415

    return MlflowClient(uri, uri)


@contextmanager
def translated(uri: str | None = None) -> Iterator[None]:
    """MLflow's and its connections' errors as RegistryError and RegistryUnavailableError."""
    import requests  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    where = uri or settings().tracking_uri
    try:
        yield
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        raise _unavailable(where, type(error).__name__) from error
    except MlflowException as error:
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if any(mark in text for mark in ("API request to", "Max retries exceeded", "timed out", "unable to open")):
            raise _unavailable(where, text) from error
        raise RegistryError(
            f"MLflow at {_shown(where)} refused: {text.rstrip('.')}.",
            remedy="Read its message; `nowcast models` lists what is registered.",
            tracking_uri=_shown(where),
            code=getattr(error, "error_code", None),
        ) from error


def database_folder(uri: str) -> Path | None:
    """Folder of a sqlite address, None for another."""
    if not uri.startswith(SQLITE):
        return None
    return Path(uri.removeprefix(SQLITE)).absolute().parent


def check_reachable(tracking_uri: str | None = None) -> None:
    """Check that the tracking server answers, or that the database can be written; neither is changed.

    Raises:
        RegistryUnavailableError: it does not, or cannot.
    """
    uri = tracking_uri or settings().tracking_uri
    if uri.startswith(("http://", "https://")):
        try:
            with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=CONNECT_SECONDS):  # noqa: S310 - http only
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:  # it answers; a proxy in front of it may hide /health
                return
            raise _unavailable(uri, f"it answers {error.code}") from error
        except OSError as error:
            raise _unavailable(uri, str(getattr(error, "reason", error))) from error
    folder = database_folder(uri)
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unavailable(uri, str(error.strerror)) from error
    database = Path(uri.removeprefix(SQLITE)).absolute()
    if not os.access(database if database.exists() else folder, os.W_OK) or database.is_dir():
        raise _unavailable(uri, "it cannot be written")


def _unavailable(uri: str, why: str) -> RegistryUnavailableError:
    shown = _shown(uri)
    remedy = (
        "Start it with `make mlflow`, or set MLFLOW_TRACKING_URI to where it runs."
        if uri.startswith("http")
        else "Set MLFLOW_TRACKING_URI to a database that can be written, such as sqlite:///mlflow.db."
    )
    return RegistryUnavailableError(f"MLflow at {shown} cannot be reached: {why}.", remedy=remedy, tracking_uri=shown)


def _shown(uri: str) -> str:
    """The address without a password in it."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
