"""A live service with its watch, in a process of its own: FOLDER PORT. It begins with eight days in its tables.

Its clock runs 60 times as fast, so that an interval takes half a minute.
"""

import sys
from datetime import timedelta
from pathlib import Path

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.ingest import ReplayClock
from power_nowcast.live.beside import Beside
from power_nowcast.live.loop import Loop
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.monitor.watch import Watch
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.serve.start import limits_in_force, run_server
from tests.live.test_loop import BEGIN, REGION, World
from tests.monitor.conftest import followed

DAYS = 8.25


def main(folder: Path, port: int) -> None:
    world = World(folder / "data")
    world.now = BEGIN - timedelta(days=DAYS)
    digest = (folder / "digest").read_text()
    slot = ModelSlot(REGION, lambda: Fetched(folder / "bundle", "1", digest), folder / "cache")
    slot.load()
    followed(Bundle.load(folder / "bundle"), folder, 24 * DAYS, world)

    clock = ReplayClock(BEGIN, 60)

    class Collector:
        due = BEGIN

        def step(self) -> None:
            world.now = clock()
            world.fill()

    watch = Watch(world.store, REGION, limits_in_force(slot), clock)
    beside = Beside("watch toy", watch.step, watch.idle)
    loop = Loop(world.store, REGION, slot, Collector(), clock, clock.sleep, (beside.tell,))
    beside.start()
    served = {"toy": Served(REGION, slot, loop, watch)}
    run_server(create_app(served, world.store, default_region="toy", clock=clock), "127.0.0.1", port)
    beside.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
