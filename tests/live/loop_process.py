"""A loop of the toy region in a process of its own: FOLDER SPEED. All processes of a folder have one clock."""

import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from power_nowcast.live.loop import Loop
from power_nowcast.live.slot import Fetched, ModelSlot
from tests.live.test_loop import BEGIN, REGION, World


def main(folder: Path, speed: float) -> None:
    began = float((folder / "began").read_text())

    def clock() -> datetime:
        return BEGIN + timedelta(seconds=speed * (time.time() - began))

    world = World(folder / "data")
    world.clock = clock  # type: ignore[method-assign]

    class Collector:
        due = BEGIN

        def step(self) -> None:
            world.now = clock()
            world.fill()

    digest = (folder / "digest").read_text()
    slot = ModelSlot(REGION, lambda: Fetched(folder / "bundle", "1", digest), folder / "cache")
    slot.load()
    loop = Loop(world.store, REGION, slot, Collector(), clock, lambda seconds: time.sleep(seconds / speed))
    loop.run(lambda: False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
