"""A service in a process of its own that needs keys for everything: FOLDER PORT SECONDS (a request has to arrive)."""

import sys
from pathlib import Path

from power_nowcast.errors import ModelError
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.guard import Limits
from power_nowcast.serve.service import Served
from power_nowcast.serve.start import run_server
from power_nowcast.store import Store
from power_nowcast.store.keys import Scope
from tests.toy import toy_region


def main(folder: Path, port: int, seconds: float) -> None:
    region = toy_region()

    def none() -> Fetched:
        raise ModelError("There is none.", remedy="Train one.")

    served = {region.name: Served(region, ModelSlot(region, none, folder / "cache"))}
    limits = Limits(needs_key=frozenset(Scope))
    app = create_app(served, Store(folder / "data"), default_region=region.name, limits=limits)
    run_server(app, "127.0.0.1", port, request_seconds=seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
