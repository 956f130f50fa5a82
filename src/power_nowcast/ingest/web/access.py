"""What requests need of the settings: addresses, keys and the process's own client.

No other file of `ingest` reads the settings. A request carries no key, so no log, `repr` or stored row can show one.
"""

import atexit
from functools import cache
from pathlib import Path

from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest.web.asking import Http
from power_nowcast.regions import SourceSpec
from power_nowcast.settings import settings


def base_url(spec: SourceSpec, default: str, *, name: str | None = None) -> str:
    """The address of a source: the region file's option `url`, else the entry of NOWCAST_URLS, else the default."""
    return str(spec.options.get("url") or settings().urls.get(name or spec.source) or default).rstrip("/")


def api_key(variable: str, *, source: str) -> str:
    """The key that a variable of the environment sets, such as PJM_API_KEY.

    Raises:
        ConfigurationError: it is not set.
    """
    given = {"ENTSOE_API_KEY": settings().entsoe_api_key, "PJM_API_KEY": settings().pjm_api_key}[variable]
    key = "" if given is None else given.get_secret_value().strip()
    if not key:
        raise ConfigurationError(
            f"The source {source} needs a key, and {variable} is not set.",
            remedy=f"Set {variable} in the environment or in .env; the publisher gives one to who registers.",
            source=source,
            variable=variable,
        )
    return key


@cache
def client() -> Http:
    """The process's own client; if the tables are in a folder, it keeps answers beside them."""
    data = settings().data
    made = Http(None if "://" in data else answers_folder(data), contact=settings().contact)
    atexit.register(made.close)
    return made


def answers_folder(data: str) -> Path:
    """The folder in which the process's own client keeps answers, beside the tables in the folder `data`."""
    return Path(data, "raw", "http")
