"""Settings from the environment and `.env`: the only reader of the environment."""

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from power_nowcast.errors import ConfigurationError


class Settings(BaseSettings):
    """Where things are and who acts. Every field is an environment variable `NOWCAST_<FIELD>`.

    MLflow and the publishers' libraries keep their own customary names (`MLFLOW_TRACKING_URI`, `ENTSOE_API_KEY`,
    `PJM_API_KEY`).
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
    workers: int = Field(2, ge=1, description="Processes for work over series and folds; models use one thread each.")
    tracking_uri: str = Field(
        "sqlite:///mlflow.db", validation_alias="MLFLOW_TRACKING_URI", description="MLflow tracking server or database."
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


@cache
def settings() -> Settings:
    """The process's settings, read once.

    Raises:
        ConfigurationError: a variable has a value that it cannot have.
    """
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
        raise ConfigurationError(
            f"{variable} is {first['input']!r}: {first['msg']}.",
            remedy="Correct it in the environment or in .env.",
            variable=variable,
            value=first["input"],
        ) from error
