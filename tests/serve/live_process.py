"""A live service of the toy region in a process of its own: FOLDER PORT STALL_SECONDS MINUTES SPEED.

Its clock runs so many times as fast, from so many minutes after the begin. Its registry is MLFLOW_TRACKING_URI if
that is set, and the folder otherwise.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

from power_nowcast import mlflow_client
from power_nowcast.ingest import ReplayClock
from power_nowcast.live.loop import Loop
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.serve.start import run_server
from tests.live.test_loop import BEGIN, REGION, World


def main(folder: Path, port: int, stall_seconds: float, minutes: float, speed: float) -> None:
    world = World(folder / "data")
    clock = ReplayClock(BEGIN + timedelta(minutes=minutes), speed)
    world.clock = clock  # type: ignore[method-assign]

    class Collector:
        due = BEGIN

        def step(self) -> None:
            world.now = clock()
            world.fill()

    def fetched() -> Fetched:
        if "MLFLOW_TRACKING_URI" not in os.environ:
            return Fetched(folder / "bundle", "1", (folder / "digest").read_text())
        place, version = mlflow_client.download(REGION, mlflow_client.PRODUCTION, folder / "cache")
        return Fetched(place, version.version, version.digest)

    slot = ModelSlot(REGION, fetched, folder / "cache")
    loop = Loop(world.store, REGION, slot, Collector(), clock, clock.sleep)
    run_server(
        create_app({"toy": Served(REGION, slot, loop)}, world.store, default_region="toy", clock=clock),
        "127.0.0.1",
        port,
        stall_seconds=stall_seconds,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:]))
