"""A live service of the toy region in a process of its own: FOLDER PORT. Its clock runs 600 times as fast."""

import sys
from pathlib import Path

from power_nowcast.ingest import ReplayClock
from power_nowcast.live.loop import Loop
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.serve.start import run_server
from tests.live.test_loop import BEGIN, REGION, World


def main(folder: Path, port: int) -> None:
    world = World(folder / "data")
    clock = ReplayClock(BEGIN, 600)
    world.clock = clock  # type: ignore[method-assign]

    class Collector:
        due = BEGIN

        def step(self) -> None:
            world.now = clock()
            world.fill()

    digest = (folder / "digest").read_text()
    slot = ModelSlot(REGION, lambda: Fetched(folder / "bundle", "1", digest), folder / "cache")
    loop = Loop(world.store, REGION, slot, Collector(), clock, clock.sleep)
    run_server(
        create_app({"toy": Served(REGION, slot, loop)}, world.store, default_region="toy", clock=clock),
        "127.0.0.1",
        port,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
