"""Settings from the environment, `.env` and, where it is named, AWS Parameter Store: the only reader of them."""

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    AWSSystemsManagerSettingsSource,
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from power_nowcast.errors import ConfigurationError

_secrets: set[str] = set()
"""Values of parameters: they are told nobody."""


class Settings(BaseSettings):
    """Where things are and who acts. Every field is an environment variable `NOWCAST_<FIELD>`.

    What neither the environment nor `.env` says is looked for in AWS Parameter Store, below `ssm_prefix` and by the
    variable's name, where that prefix is set. MLflow and the publishers' libraries keep their own customary names
    (`MLFLOW_TRACKING_URI`, `ENTSOE_API_KEY`, `PJM_API_KEY`).
    """

    model_config = SettingsConfigDict(env_prefix="NOWCAST_", env_file=".env", extra="ignore", populate_by_name=True)

    data: str = Field("data", description="Folder or s3:// address of the tables.")
    reports: Path = Field(Path("reports"), description="Folder of reports, plots and exported predictions.")
    artifacts: Path = Field(Path("artifacts"), description="Folder of trained models before they are registered.")
    region: str = Field("nyiso", description="Region used where a command names none.")
    regions: Path | None = Field(None, description="Folder of further region files.")
    owner: str = Field("unknown", description="Person or team put into the run tag `owner`.")
    contact: str = Field("", description="Mail address or page told to publishers; api.weather.gov demands one.")
    urls: dict[str, str] = Field({}, description="JSON: base addresses of sources in place of the publishers' own.")
    cache_mib: int = Field(512, ge=0, description="MiB of the tables that each process keeps in memory at most.")
    workers: int = Field(2, ge=1, description="Processes for work over series and folds; models use one thread each.")
    tracking_uri: str = Field(
        "sqlite:///mlflow.db",
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow tracking server or database.",
        repr=False,  # it may hold a password
    )
    entsoe_api_key: SecretStr | None = Field(
        None, validation_alias="ENTSOE_API_KEY", description="Security token of the ENTSO-E Transparency Platform."
    )
    pjm_api_key: SecretStr | None = Field(
        None, validation_alias="PJM_API_KEY", description="Subscription key of PJM's Data Miner."
    )
    mlflow_port: int = 5001
    serve_port: int = 5000
    api_port: int = 8000
    host: str = "127.0.0.1"
    ssm_prefix: str = Field("", description="Path in AWS Parameter Store, as /power-nowcast; empty: nothing is asked.")

    @property
    def cache_bytes(self) -> int:
        """Bytes of the tables that each process keeps in memory at most."""
        return self.cache_mib * 2**20

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes first, then `.env`, then the parameters."""
        own = (init_settings, env_settings, dotenv_settings, file_secret_settings)
        prefix = str({**dotenv_settings(), **env_settings()}.get("ssm_prefix", ""))
        return (*own, _parameters(settings_cls, prefix)) if prefix else own


def _parameters(settings_cls: type[BaseSettings], prefix: str) -> PydanticBaseSettingsSource:
    """Parameters below a path, decrypted."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise ConfigurationError(
            "NOWCAST_SSM_PREFIX is set, and boto3 is not installed.",
            remedy="Install it: pip install 'power-nowcast[aws]', or unset the variable.",
            variable="NOWCAST_SSM_PREFIX",
        ) from error
    if not prefix.startswith("/"):
        raise ConfigurationError(
            f"NOWCAST_SSM_PREFIX is {prefix!r}, which is no path.",
            remedy="Begin it with a slash: /power-nowcast.",
            variable="NOWCAST_SSM_PREFIX",
        )
    try:
        source = AWSSystemsManagerSettingsSource(settings_cls, prefix, case_sensitive=False)
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"The parameters below {prefix} cannot be read: {str(error).rstrip('.')}.",
            remedy="Check AWS_REGION and the AWS credentials; they must allow ssm:GetParametersByPath and kms:Decrypt.",
            variable="NOWCAST_SSM_PREFIX",
        ) from error
    _secrets.update(value for value in source.env_vars.values() if value)
    return source


@cache
def settings() -> Settings:
    """The process's settings, read once.

    Raises:
        ConfigurationError: a variable has a value that it cannot have.
    """
    _secrets.clear()
    try:
        return Settings()
    except SettingsError as error:
        raise ConfigurationError(
            "NOWCAST_URLS is no JSON.",
            remedy='Write for example {"caiso": "http://localhost:8080"} in the environment or in .env.',
            variable="NOWCAST_URLS",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = f"NOWCAST_{name.upper()}" if name in Settings.model_fields else name
        if any(str(first["input"]) in secret for secret in _secrets):
            # Not even pydantic's error is told, as it repeats the value.
            raise ConfigurationError(
                f"{variable} has a value that it cannot have: {first['type']}.",
                remedy="Correct the parameter of this name in AWS Parameter Store.",
                variable=variable,
            ) from None
        raise ConfigurationError(
            f"{variable} is {first['input']!r}: {first['msg']}.",
            remedy="Correct it in the environment or in .env.",
            variable=variable,
            value=first["input"],
        ) from error
