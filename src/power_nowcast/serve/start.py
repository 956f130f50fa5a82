"""The start of the API: it reads the settings, finds the production versions, and runs the server."""

from typing import Any

import uvicorn

from power_nowcast import mlflow_client
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import Region, load
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.settings import Settings, settings
from power_nowcast.store import Store


def production(region: Region, chosen: Settings) -> ModelSlot:
    """A slot that loads the region's production version from the registry."""
    cache = chosen.artifacts / region.name / "versions"

    def loader() -> Fetched:
        folder, version = mlflow_client.download(region, mlflow_client.PRODUCTION, cache)
        return Fetched(folder, version.version, version.digest)

    return ModelSlot(region, loader, cache)


def serve_api(host: str, port: int, names: list[str]) -> None:
    """Serve these regions until interrupted.

    Raises:
        UnknownRegionError: there is no such region.
    """
    store = Store(settings().data, cache_bytes=settings().cache_bytes)
    found = [load(name) for name in names]
    served = {region.name: Served(region, production(region, settings())) for region in found}
    app = create_app(served, store, default_region=found[0].name)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_config=_LOGGING,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn": {"handlers": ["console"], "level": "INFO"},
        "power_nowcast": {"handlers": ["console"], "level": "INFO"},
    },
}
