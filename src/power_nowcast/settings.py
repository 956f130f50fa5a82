"""Settings from the environment, `.env` and, if configured, AWS Parameter Store. Only this module reads them.

Every command reads them before it shows its help, so this module imports nothing that takes long.
"""

import getpass
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from power_nowcast.errors import ConfigurationError, install_remedy

if TYPE_CHECKING:
    from pydantic import SecretStr

_FILE = Path(".env")


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _scopes(text: str) -> str:
    if text not in ("auto", "admin", "all"):
        raise ValueError
    return text


def _none_or_three(text: str) -> int:
    number = int(text)
    if number < 0 or 0 < number < 3:
        raise ValueError
    return number


def _folder(text: str) -> Path | None:
    """A folder; none for an empty text, with which a variable takes a default back."""
    return Path(text) if text else None


def _user() -> str:
    """The name of the user in the system."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run as a number that has no name
        return "unknown"


def _secret(text: str) -> "SecretStr":
    from pydantic import SecretStr  # noqa: PLC0415 - few users have a key, and pydantic takes longest to import here

    return SecretStr(text)


def _addresses(text: str) -> dict[str, str]:
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError
    return found


@dataclass(frozen=True)
class Settings:
    """Paths, addresses, limits and the acting person. Each field is an environment variable `NOWCAST_<FIELD>`.

    If neither the environment nor `.env` sets a variable and `ssm_prefix` is set, AWS Parameter Store is read: the
    parameter has the variable's name, below that prefix. MLflow and the publishers' libraries keep their own names of
    variables (`MLFLOW_TRACKING_URI`, `ENTSOE_API_KEY`, `PJM_API_KEY`).
    """

    data: str = "data"  # folder or s3:// address of the tables
    reports: Path = Path("reports")  # folder of reports, plots and exported predictions
    artifacts: Path = Path("artifacts")  # folder of trained models before they are registered
    region: str = "nyiso"  # region of a command that names none
    regions: Path | None = None  # folder of further region files
    owner: str = field(default_factory=_user)  # person or team put into the run tag `owner`
    contact: str = ""  # mail address or page that requests send to publishers; api.weather.gov requires one
    urls: Mapping[str, str] = field(default_factory=dict)  # base addresses of sources in place of the publishers' own
    cache_mib: int = 512  # each process keeps at most so many MiB of the tables in memory
    shadow_days: int = 0  # days after which a version in the shadow is judged and promoted or rejected; 0: never
    workers: int = 2  # processes for work over series and folds; a model uses one thread
    engine: str = "local"  # where blocks of zones are worked on: local, dask://127.0.0.1:PORT or tls://HOST:PORT
    tracking_uri: str = field(default="sqlite:///mlflow.db", repr=False)  # MLflow's address; it may contain a password
    entsoe_api_key: "SecretStr | None" = None  # security token of the ENTSO-E Transparency Platform
    pjm_api_key: "SecretStr | None" = None  # subscription key of PJM's Data Miner
    mlflow_port: int = 5001  # port of `nowcast mlflow`
    serve_port: int = 5000  # port of `nowcast serve`
    serve_model: Path | None = None  # folder of an MLflow model that `nowcast serve` takes in place of the registry's
    api_port: int = 8000  # port of `nowcast api` and `nowcast live`
    host: str = "127.0.0.1"  # address on which these servers listen
    api_keys: str = "auto"  # what needs a key: auto (writes, unless only this machine can ask), admin (writes), all
    api_rate: int | None = None  # requests a minute of each key or address; 0: any number
    webhook: "SecretStr | None" = None  # address that gets alarms in the format of Alertmanager's webhook
    heartbeat: "SecretStr | None" = None  # address outside that is asked after every interval with a fresh nowcast
    ssm_prefix: str = ""  # path in AWS Parameter Store, such as /power-nowcast; if empty, it is not read

    @property
    def cache_bytes(self) -> int:
        """Maximum bytes of the tables that each process keeps in memory."""
        return self.cache_mib * 2**20

    @classmethod
    def read(cls) -> "Settings":
        """The current settings: the environment comes first, then `.env`, then the parameters.

        Raises:
            ConfigurationError: a variable has an invalid value, or the parameters cannot be read.
        """
        return cls(
            **{
                one.name: _read(one.name, one.variable, one.text, is_secret=one.origin == PARAMETERS)
                for one in _given()
            }
        )


ENVIRONMENT, FILE, PARAMETERS, DEFAULT = "environment", ".env", "AWS Parameter Store", "default"
"""Origins of a setting's value."""


@dataclass(frozen=True)
class Given:
    """The text of a setting that some origin has; `repr` leaves it out, because it may be a secret."""

    name: str
    variable: str
    text: str = field(repr=False)
    origin: str


def origins() -> dict[str, tuple[str, str]]:
    """The variable of each field that counts, and the origin of its value.

    Raises:
        ConfigurationError: the parameters cannot be read.
    """
    found = {one.name: (_variables(one.name)[0], DEFAULT) for one in fields(Settings)}
    return found | {one.name: (one.variable, one.origin) for one in _given()}


def _given() -> Iterator[Given]:
    """Each setting that is not the default, from the first origin that has one of its variables."""
    file, environment = _file(), _lower(os.environ)
    prefix = {**file, **environment}.get("nowcast_ssm_prefix", "")
    parameters = _lower(_parameters(prefix)) if prefix else {}
    for name in (one.name for one in fields(Settings)):
        for variable in _variables(name):
            places = ((ENVIRONMENT, environment), (FILE, file), (PARAMETERS, parameters))
            had = next(((origin, texts) for origin, texts in places if variable.lower() in texts), None)
            if had is not None:
                yield Given(name, variable, had[1][variable.lower()], had[0])
                break


_CUSTOMARY = {
    "tracking_uri": "MLFLOW_TRACKING_URI",
    "entsoe_api_key": "ENTSOE_API_KEY",
    "pjm_api_key": "PJM_API_KEY",
}
_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("reports", "artifacts", "regions"), Path),
    **dict.fromkeys(("mlflow_port", "serve_port", "api_port"), int),
    **dict.fromkeys(("entsoe_api_key", "pjm_api_key", "webhook", "heartbeat"), _secret),
    "serve_model": _folder,
    "workers": _at_least_one,
    "cache_mib": _not_negative,
    "api_keys": _scopes,
    "api_rate": _not_negative,
    "shadow_days": _none_or_three,
    "urls": _addresses,
}
"""Functions that turn a variable's text into the field's value; other fields keep the text. Invalid: ValueError."""
_WANTED = {
    int: "a whole number",
    _at_least_one: "a whole number of 1 or more",
    _not_negative: "a whole number of 0 or more",
    _scopes: "auto, admin or all",
    _none_or_three: "0, or a whole number of 3 or more",
}


def _variables(name: str) -> tuple[str, ...]:
    """Variables of a field; the first one that is set counts."""
    own = f"NOWCAST_{name.upper()}"
    return (_CUSTOMARY[name], own) if name in _CUSTOMARY else (own,)


def _read(name: str, variable: str, text: str, *, is_secret: bool) -> Any:
    read = _READERS.get(name, str)
    with suppress(ValueError):  # the error below has no cause: the cause may repeat the value of a parameter
        return read(text)
    if read is _addresses:
        raise ConfigurationError(
            f"{variable} is no JSON of sources and addresses.",
            remedy='Write for example {"caiso": "http://localhost:8080"} in the environment or in .env.',
            variable=variable,
        )
    if is_secret:
        raise ConfigurationError(
            f"{variable} has a value that it cannot have: it should be {_WANTED[read]}.",
            remedy="Correct the parameter of this name in AWS Parameter Store.",
            variable=variable,
        )
    raise ConfigurationError(
        f"{variable} is {text!r}, and should be {_WANTED[read]}.",
        remedy="Correct it in the environment or in .env.",
        variable=variable,
        value=text,
    )


def _lower(told: Mapping[str, str]) -> dict[str, str]:
    """Variables by their names in lower case; case does not count."""
    return {name.lower(): value for name, value in told.items()}


def _file() -> dict[str, str]:
    """The variables of `.env`, none if the file does not exist."""
    if not _FILE.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 - only needed with such a file

    return _lower({name: value for name, value in dotenv_values(_FILE).items() if value is not None})


def _parameters(prefix: str) -> dict[str, str]:
    """Parameters below a path, decrypted."""
    try:
        import boto3  # noqa: PLC0415 - an optional package
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise ConfigurationError(
            "NOWCAST_SSM_PREFIX is set, and boto3 is not installed.",
            remedy=f"Unset the variable, or install it. {install_remedy('aws')}",
            variable="NOWCAST_SSM_PREFIX",
        ) from error
    if not prefix.startswith("/"):
        raise ConfigurationError(
            f"NOWCAST_SSM_PREFIX is {prefix!r}, which is no path.",
            remedy="Begin it with a slash: /power-nowcast.",
            variable="NOWCAST_SSM_PREFIX",
        )
    try:
        # boto3 itself reads AWS_DEFAULT_REGION only; the tables' and AWS's other clients read AWS_REGION.
        client = boto3.client("ssm", region_name=os.environ.get("AWS_REGION"))
        pages = client.get_paginator("get_parameters_by_path")
        asked = pages.paginate(Path=prefix, Recursive=True, WithDecryption=True)
        found = {one["Name"]: one["Value"] for page in asked for one in page["Parameters"]}
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"The parameters below {prefix} cannot be read: {str(error).rstrip('.')}.",
            remedy="Check AWS_REGION and the AWS credentials; they must allow ssm:GetParametersByPath and kms:Decrypt.",
            variable="NOWCAST_SSM_PREFIX",
        ) from error
    below = f"{prefix.rstrip('/')}/"
    return {name.removeprefix(below): value for name, value in found.items()}


@cache
def settings() -> Settings:
    """The process's settings, read once.

    Raises:
        ConfigurationError: a variable has an invalid value.
    """
    return Settings.read()
