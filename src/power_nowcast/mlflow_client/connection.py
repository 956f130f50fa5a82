"""The connection to MLflow: its address, its time-outs, and its errors as errors of this package."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from traceback import format_exc
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, urlsplit

import httpx

from power_nowcast.errors import RegistryError, RegistryUnavailableError
from power_nowcast.ingest.web import Deadline, redact
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
"""Variables that MLflow reads from the environment, for this process and for the servers that it starts."""
SQLITE = "sqlite:///"
LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
"""MLflow's own variables for the user and the password."""
LOCKED = "database is locked"
OUTDATED = "out-of-date database schema"
ARTIFACT_ROOT = "MLFLOW_DEFAULT_ARTIFACT_ROOT"
"""MLflow's own variable for the place of the artifacts of new experiments, such as s3://bucket/artifacts."""
DATABASES = ("mssql", "mysql", "postgresql")
DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Packages of a database's driver that have another name than their module."""
_logged_in: set[str] = set()
"""Variables of `LOGIN` that this process took from an address."""


def prepare_environment() -> None:
    """Set MLflow's own variables where the user has not; pickle stays refused in any case."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    # MLflow warns of its own classes when it is imported.
    warnings.filterwarnings("ignore", message=".*Any type hint is inferred", category=UserWarning)


def address(given: str | None = None) -> str:
    """The given address of MLflow, or that of the settings."""
    return given or settings().tracking_uri


def owner() -> str:
    """The person or team that runs are logged for."""
    return settings().owner


def connect(tracking_uri: str | None = None) -> "MlflowClient":
    """The client of the tracking server and registry, by default those of the settings.

    Raises:
        RegistryUnavailableError: the server does not answer, or the database's folder cannot be written.
        RegistryError: MLflow does not know such an address, or the database's driver is not installed.
    """
    uri = address(tracking_uri)
    prepare_environment()
    check_reachable(uri)
    bare = _log_in(uri)
    with translated(uri):
        import mlflow  # noqa: PLC0415

        # Downloads by address go where the last connection went.
        mlflow.set_tracking_uri(bare)
        mlflow.set_registry_uri(bare)
        return _client(bare)


@cache
def _client(uri: str) -> "MlflowClient":
    # Imported late: MLflow reads its variables at import, and code that needs no registry need not load it.
    from mlflow import MlflowClient  # noqa: PLC0415

    return MlflowClient(uri, uri)


def login_of(uri: str) -> tuple[str, dict[str, str]]:
    """A server's address without its user, with MLflow's own variables for that user; a database's address as it is.

    MLflow prints a server's address, and writes it into those of artifacts: no password may be in it.
    """
    parts = urlsplit(uri)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    if parts.scheme not in ("http", "https") or not user:
        return uri, {}
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, dict(zip(LOGIN, (unquote(user), unquote(password)), strict=True))


def _log_in(uri: str) -> str:
    """The address without its user, whom MLflow's own variables name; variables that were set before stay."""
    bare, login = login_of(uri)
    for name in _logged_in - login.keys():
        os.environ.pop(name, None)
    os.environ.update(login)
    _logged_in.clear()
    _logged_in.update(login)
    return bare


@contextmanager
def translated(uri: str | None = None) -> Iterator[None]:
    """Turn errors of MLflow, its connections and its database into RegistryError and RegistryUnavailableError.

    The password of the address is neither in them nor in their causes.
    """
    import requests  # noqa: PLC0415
    from google.protobuf.json_format import ParseError  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    where = address(uri)
    try:
        yield
    except (requests.exceptions.RequestException, MlflowException, SQLAlchemyError, ParseError, ImportError) as error:
        text = hidden(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__, where)
        if isinstance(error, ImportError):
            failure: RegistryError = _no_driver(where, error)
        elif isinstance(error, requests.exceptions.RequestException):
            failure = _unavailable(where, type(error).__name__)
        elif isinstance(error, ParseError):
            failure = no_mlflow(where, text)
        elif OUTDATED in text:
            failure = _refused(where, text, "Back it up, then upgrade it once: mlflow db upgrade ADDRESS.", error)
        elif LOCKED in text:
            failure = _locked(where)
        elif any(mark in text for mark in ("error code 401", "error code 403")):
            failure = _refused(where, text, "Check the user and the password in MLFLOW_TRACKING_URI.", error)
        elif "not in a valid JSON format" in text:
            failure = no_mlflow(where, text)
        elif any(mark in text for mark in ("API request to", "Max retries exceeded", "timed out", "unable to open")):
            failure = _unavailable(where, text)
        else:
            failure = _refused(where, text, "Read its message; `nowcast models` lists what is registered.", error)
        # A trace shows the cause of the error, too.
        raise failure from (error if hidden(format_exc(), where) == format_exc() else None)


def database_folder(uri: str) -> Path | None:
    """Folder of a sqlite address, None for another."""
    if not uri.startswith(SQLITE):
        return None
    return Path(uri.removeprefix(SQLITE)).absolute().parent


def artifact_location(uri: str, name: str) -> str | None:
    """Where a new experiment keeps its artifacts in a folder `name`; None where a server keeps them.

    A database alone has no place for files: they lie below `ARTIFACT_ROOT`, and without it beside a sqlite file,
    wherever a command is run from.

    Raises:
        RegistryError: the address is another database, and `ARTIFACT_ROOT` is not set.
    """
    folder = database_folder(uri)
    if folder is None and urlsplit(uri).scheme.partition("+")[0] not in DATABASES:
        return None
    if root := os.environ.get(ARTIFACT_ROOT):
        return f"{root.rstrip('/')}/{name}"
    if folder is not None:
        return (folder / "mlartifacts" / name).as_uri()
    shown = shown_address(uri)
    raise RegistryError(
        f"MLflow's database at {shown} has no place for artifacts.",
        remedy=f"Set {ARTIFACT_ROOT}, for example to s3://BUCKET/artifacts, or use the address of an MLflow server.",
        tracking_uri=shown,
    )


def is_new(tracking_uri: str | None = None) -> bool:
    """Whether the address is a sqlite file that does not exist: a connection would make it."""
    uri = address(tracking_uri)
    file = uri.removeprefix(SQLITE).partition("?")[0]
    return uri.startswith(SQLITE) and file != ":memory:" and not Path(file).exists()


def place(tracking_uri: str | None = None) -> str:
    """The address for messages: the absolute path of a sqlite file, and whether it exists; else without a password."""
    uri = address(tracking_uri)
    if not uri.startswith(SQLITE):
        return shown_address(uri)
    return f"{Path(uri.removeprefix(SQLITE)).absolute()}{' (no such file)' if is_new(uri) else ''}"


def check_reachable(tracking_uri: str | None = None) -> None:
    """Check that the tracking server answers, or that the database can be written; neither is changed.

    Raises:
        RegistryUnavailableError: the server does not answer, or the database cannot be written.
    """
    uri = address(tracking_uri)
    if uri.startswith(("http://", "https://")):
        _check_server(uri)
        return
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


def _check_server(uri: str) -> None:
    """Check that a server answers within `CONNECT_SECONDS`, headers that drip included."""
    bare, login = login_of(uri)
    user = (login[LOGIN[0]], login[LOGIN[1]]) if login else None
    deadline = Deadline()
    try:
        with httpx.Client(timeout=CONNECT_SECONDS, follow_redirects=True, auth=user) as client:
            deadline.bind(client)
            with (
                deadline.until(deadline.timer() + CONNECT_SECONDS),
                client.stream("GET", f"{bare.rstrip('/')}/health") as response,
            ):
                start = next(response.iter_bytes(), b"").lstrip()[:20].lower()
    except httpx.TimeoutException as error:
        raise _unavailable(uri, f"it does not answer within {CONNECT_SECONDS} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unavailable(uri, hidden(str(error) or type(error).__name__, uri)) from error
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise _unavailable(uri, f"it answers {response.status_code}")
    if response.is_success and start.startswith((b"<html", b"<!doctype", b"<?xml")):
        raise no_mlflow(uri, "it answers with a web page")


def no_mlflow(uri: str | None, why: str) -> RegistryUnavailableError:
    """The error of a server that answers, but not as MLflow does."""
    shown = shown_address(address(uri))
    return RegistryUnavailableError(
        f"What answers at {shown} is no MLflow: {why.rstrip('.')}.",
        remedy="Set MLFLOW_TRACKING_URI to where MLflow runs; a proxy before it must pass its answers on unchanged.",
        tracking_uri=shown,
    )


def shown_address(uri: str) -> str:
    """The address without a user or password in it.

    >>> shown_address("postgresql://ada:p@ss/word@db.example.org/mlflow?sslpassword=x")
    'postgresql://db.example.org/mlflow?sslpassword=***'
    """
    scheme, separator, rest = uri.partition("://")
    if scheme.startswith("sqlite"):
        return uri
    place, mark, query = rest.partition("?")
    return redact(f"{scheme}{separator}{place.rpartition('@')[2]}{mark}{query}")


def hidden(text: str, uri: str) -> str:
    """The text without the password of the address, neither as it is written there nor as it is decoded."""
    login = "" if uri.startswith("sqlite") else uri.partition("://")[2].partition("?")[0].rpartition("@")[0]
    for secret in (login, login.partition(":")[2]):
        for form in {secret, unquote(secret), quote(unquote(secret)), quote_plus(unquote(secret))} - {""}:
            text = text.replace(form, "***")
    return redact(text)


def _unavailable(uri: str, why: str) -> RegistryUnavailableError:
    shown = shown_address(uri)
    remedy = (
        "Start it with `make mlflow`, or set MLFLOW_TRACKING_URI to where it runs."
        if uri.startswith("http")
        else "Set MLFLOW_TRACKING_URI to a database that can be written, such as sqlite:///mlflow.db."
    )
    return RegistryUnavailableError(
        f"MLflow at {shown} cannot be reached: {why.rstrip('.')}.", remedy=remedy, tracking_uri=shown
    )


def _locked(uri: str) -> RegistryUnavailableError:
    shown = shown_address(uri)
    return RegistryUnavailableError(
        f"MLflow at {shown} cannot be reached: another process holds a lock on the database.",
        remedy="Try again when it has ended; where several write at once, start `make mlflow` and use its address.",
        tracking_uri=shown,
    )


def _no_driver(uri: str, error: ImportError) -> RegistryError:
    shown, module = shown_address(uri), str(error.name or error).partition(".")[0]
    package = DRIVERS.get(module, module)
    return RegistryError(
        f"MLflow at {shown} needs the Python package {module}, which is not installed.",
        remedy=f"Install it: pip install '{package}'; or set MLFLOW_TRACKING_URI to a server's address.",
        tracking_uri=shown,
        package=module,
    )


def _refused(uri: str, text: str, remedy: str, error: Exception) -> RegistryError:
    shown = shown_address(uri)
    return RegistryError(
        f"MLflow at {shown} refused: {text.rstrip('.')}.",
        remedy=remedy,
        tracking_uri=shown,
        code=getattr(error, "error_code", None),
    )
