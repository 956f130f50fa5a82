#!/usr/bin/env python3
"""What a zone costs, and how much memory a process needs, from 100 to 5,000 zones.

The zones are made from real ones: the load of New York's eleven zones in the publisher's archives of 2018 and 2019, in
quarter hours (`--data`). A feeder's shape is one zone's load from a week that is drawn by chance on, over its mean; its
noise is what another zone's load differs from its own mean of two hours, from another week on, one to four times as
loud; its size is drawn from .5 to 20 MW on a logarithmic scale. Weeks begin on Mondays, so that hours and weekdays
stay; the seed is fixed. So noise has its real shape in time, and shares of a feeder's load are as rough as at a feeder.

Each stage of each number of zones runs three times in a process of its own with `--workers` worker processes; the
least counts. CPU seconds are those of this process and its workers, with the starts of the workers; the memory is the
largest peak of any one of them. The cost of a further zone is the difference of CPU seconds over that of the zones, so
starts do not count. Training has a fixed sample of rows. An interval brings a file with one value of each zone, which
is collected, nowcast and published by workers that have the blocks in memory; the first one opens them and is told
apart. On cores that others use, too, CPU seconds hold and wall seconds do not.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
from bars import figures_missed
from scale_world import STEP, feeders, real_zones, write_region, write_values

from power_nowcast.contracts import Table
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs.blocks import run as by_blocks
from power_nowcast.jobs.blocks import tasks
from power_nowcast.jobs.blocks.plan import blocks_of, split_of
from power_nowcast.jobs.blocks.tasks import Learn, Made
from power_nowcast.jobs.blocks.training import Trained
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.regions import load
from power_nowcast.settings import Settings
from power_nowcast.store import Store
from power_nowcast.workers import Engine, engine

STAGES = ("collect", "features", "train", "calibrate", "backtest", "interval")
PER_ZONE = ("collect", "calibrate", "backtest", "interval")
"""Stages whose cost grows with the zones. The two before training do not: the sample has the same rows for any number,
and features of every issue time are made by `calibrate` and `backtest`."""
PLAN = Plan(FeatureSpec.for_interval(15), 15, None, 14, 7)
DAYS, INTERVALS = 60, 3
EVEN, PEAK_MIB, INTERVAL_SECONDS = 0.2, 4096, 30


class Stage:
    """One number of zones in a folder, and the stages of its main job."""

    def __init__(self, folder: Path, workers: int, rows: int) -> None:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        settings = replace(Settings.read(), data=str(folder / "data"), artifacts=folder / "artifacts", workers=workers)
        self.job = Job(load(str(folder / "in" / "feeders.toml")), Store(settings.data), settings)
        self.blocks, self.folder, self.rows = blocks_of(self.job), folder, rows
        spans = [block.store().span(Table.POWER, block.name) for block in self.blocks]
        known = [(first, last) for first, last in spans if first is not None and last is not None]
        if known:
            self.last = max(last for _, last in known)
            split = split_of(self.job.region, PLAN, min(first for first, _ in known), self.last)
            spec = replace(PLAN.spec, neighbour_lags=())
            self.question = Learn(self.blocks[0], spec, PLAN.every_minutes, split, rows)

    def collect(self, workers: Engine) -> None:
        by_blocks.collect(self.job, workers, self.blocks)

    def features(self, workers: Engine) -> None:
        zones = sum(len(block.region.zones) for block in self.blocks)
        asked = [
            replace(self.question, block=block, rows=round(self.rows * len(block.region.zones) / zones))
            for block in self.blocks
        ]
        self._all(workers, tasks.sample, asked)

    def train(self, workers: Engine) -> None:
        by_blocks.learn(self.job, workers, self.blocks, self.question)

    def calibrate(self, workers: Engine) -> None:
        self._all(workers, tasks.calibrate, self._trained())

    def backtest(self, workers: Engine) -> None:
        made = self._all(workers, tasks.calibrate, self._trained())
        scored = self._all(workers, tasks.backtest, self._trained())
        figures = by_blocks.figures_of(made, scored)
        version = {one.block: one.digest for one in made}
        self.job.store.documents.write(
            self.job.document(by_blocks.PRODUCTION), {"digest": "measured", "bundles": version, "figures": figures}
        )

    def interval(self, workers: Engine, number: int) -> int:
        """One interval after the newest one: a file, and all blocks; returns the answered zones."""
        power, at = np.load(self.folder / "after.npy"), self.last + number * STEP
        names = [zone.name for zone in self.job.region.zones]
        write_values(self.folder / "in" / f"power-{number + 1:04d}.parquet", power[[number]], at, names)
        now = at + STEP + timedelta(seconds=30)
        told = by_blocks.publish(self.job, workers, self.blocks, now, new=True)
        return sum(one.zones for one in told if one.issue_time == at + STEP)

    def forget(self, stage: str) -> None:
        """Take back the result of a stage, so that it is made again."""
        name = {"features": tasks.SAMPLE, "calibrate": tasks.BUNDLE, "backtest": tasks.SCORES}.get(stage)
        for block in self.blocks if name else ():
            Path(block.address.root, "documents", f"{name}.json").unlink(missing_ok=True)
        if stage == "collect":
            shutil.rmtree(self.folder / "data", ignore_errors=True)
        if stage == "train":
            for note in self.job.artifacts.glob("pooled-*.json"):
                note.unlink()

    def _trained(self) -> list[Learn]:
        note = json.loads((self.job.artifacts / "pooled-load.json").read_text())
        trained = self.job.artifacts.absolute() / "pooled-load", Trained(note["digest"], note["rows"], {})
        return by_blocks.with_booster(self.blocks, self.question, {"load": trained})

    def _all(self, workers: Engine, work: Callable[[Learn], Made], asked: list[Learn]) -> list[Made]:
        made = [one for _, one in workers.each(work, asked)]
        troubles = [one.trouble for one in made if one.trouble]
        if troubles:
            sys.exit(f"{len(troubles)} blocks fail: {troubles[0]}")
        return made


def used() -> tuple[float, float]:
    """CPU seconds of this process and its workers, and the largest peak of any of them in MiB."""
    seconds = peak = 0.0
    for one in (psutil.Process(), *psutil.Process().children(recursive=True)):
        times = one.cpu_times()
        seconds += times.user + times.system
        status = Path(f"/proc/{one.pid}/status").read_text()
        peak = max(peak, int(status.partition("VmHWM:")[2].split()[0]) / 1024)
    return seconds, peak


@contextmanager
def measured(into: dict[str, float]) -> Iterator[None]:
    """Add wall seconds, CPU seconds and the peak of a block."""
    begun, cpu = time.perf_counter(), used()[0]
    yield
    seconds, peak = used()
    into |= {"wall_s": time.perf_counter() - begun, "cpu_s": seconds - cpu, "peak_mib": peak}


def run_stage(name: str, folder: Path, workers: int, rows: int) -> dict[str, float]:
    """Figures of one stage, in this process."""
    stage = Stage(folder, workers, rows)
    figures: dict[str, float] = {}
    with engine("local", workers) as own:
        if name != "interval":
            with measured(figures):
                getattr(stage, name)(own)
            return figures
        done = len(list((folder / "in").glob("power-*.parquet"))) - 1
        first: dict[str, float] = {}
        with measured(first):
            stage.interval(own, done)
        least = [dict[str, float]() for _ in range(INTERVALS)]
        for n, one in enumerate(least, done + 1):
            with measured(one):
                one["zones"] = stage.interval(own, n)
        figures = min(least, key=lambda one: one["cpu_s"])
        figures["wall_s"] = min(one["wall_s"] for one in least)
        return figures | {f"first_{key}": value for key, value in first.items() if key != "peak_mib"}


def child(name: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--stage", name, "--folder", str(folder), "--workers", str(options.workers)]
    told = subprocess.run([*command, "--rows", str(options.rows)], stdout=subprocess.PIPE, check=True, text=True)
    return {key: float(value) for key, value in json.loads(told.stdout.splitlines()[-1]).items()}


def measure(options: argparse.Namespace, base: Path) -> dict[str, float]:
    """Figures by zones, stage and measure: `300/features/cpu_s`."""
    real, figures = real_zones(options.data), dict[str, float]()
    for count in options.zones:
        folder = base / str(count)
        power = feeders(real, count, DAYS + 1)
        write_region(folder / "in", power[: DAYS * 96])
        np.save(folder / "after.npy", power[DAYS * 96 :])
        for name in STAGES:
            for _ in range(options.rounds if name != "interval" else 1):
                Stage(folder, options.workers, options.rows).forget(name)
                for key, value in child(name, folder, options).items():
                    known = figures.get(f"{count}/{name}/{key}", value)
                    figures[f"{count}/{name}/{key}"] = (max if key == "peak_mib" else min)(known, value)
            print(f"{count:>6} {name:10} " + told(figures, count, name), flush=True)
    return figures | costs(figures, options.zones)


def told(figures: dict[str, float], count: int, name: str) -> str:
    own = {key.rpartition("/")[2]: value for key, value in figures.items() if key.startswith(f"{count}/{name}/")}
    return "  ".join(f"{key} {value:,.1f}" for key, value in own.items())


def costs(figures: dict[str, float], zones: list[int]) -> dict[str, float]:
    """CPU seconds of a further zone between neighbouring numbers of zones, and the ratio of the last to the first."""
    found = {}
    for name in PER_ZONE:
        slopes = [
            (figures[f"{b}/{name}/cpu_s"] - figures[f"{a}/{name}/cpu_s"]) / (b - a)
            for a, b in itertools.pairwise(zones)
        ]
        found |= {f"{name}/zone_cpu_s/{b}": slope for b, slope in zip(zones[1:], slopes, strict=True)}
        if len(slopes) > 1:
            found[f"{name}/zone_ratio"] = slopes[-1] / slopes[0]
    return found


def missed(figures: dict[str, float], zones: list[int]) -> list[str]:
    most = {f"{n}/{name}/peak_mib": PEAK_MIB for n in zones for name in STAGES}
    most |= {f"{name}/zone_ratio": 1 + EVEN for name in PER_ZONE} | {f"{zones[-1]}/interval/wall_s": INTERVAL_SECONDS}
    least = {f"{name}/zone_ratio": 1 - EVEN for name in PER_ZONE} | {f"{n}/interval/zones": n for n in zones}
    return figures_missed(figures, most, least)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the publisher's archives pal")
    parser.add_argument("--zones", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--rounds", type=int, default=3, help="the least of so many rounds counts")
    parser.add_argument("--rows", type=int, default=by_blocks.SAMPLE_ROWS, help="rows of the sample to train on")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keep regions, tables and models here, and go on from them")
    options = parser.parse_args()
    if options.stage:
        print(json.dumps(run_stage(options.stage, options.folder, options.workers, options.rows)))
        return 0
    if options.data is None:
        parser.error("--data is missing")
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(options, options.folder or Path(temporary))
    for name in sorted(set(figures) - {name for name in figures if name[0].isdigit()}):
        print(f"{name:32} {figures[name]:>12.4f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    found = missed(figures, options.zones) if options.check else []
    for words in found:
        print(f"MISSED: {words}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
