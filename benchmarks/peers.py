#!/usr/bin/env python3
"""Compare libraries for power forecasting with power-nowcast: the same data, issue times and machine, on four grids.

A grid is asked as the script of its name asks it (`nyiso_2019h2.py`, ...), at sparser issue times; `--period
validation` is a time before its test, on which configurations are chosen. FOLDER holds a folder of the publisher's
files for each grid. The libraries are installed in a venv of their own: `make peers`. docs/peers.md describes the
configurations, and how to add a row.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from peers.base import Job
from peers.grids import POWER_GRIDS, PowerGrid
from peers.page import class_words, tables, write
from peers.plot import draw
from peers.prepare import prepare
from peers.record import merged, months_of, read
from peers.registry import CLASSES, OURS, PEERS
from peers.results import Result, run, told
from peers.table import beaten, by_month, scored
from protocol import aware, expected, minute

TITLE = "power-nowcast, ensemble"
"""Of our row by `--ours`."""


def main() -> int:
    options = parse(sys.argv[1:])
    grid = POWER_GRIDS[options.grid]
    data = options.data / grid.folder
    region = grid.region(data)
    job = changed(grid.job(region, options.period, options.threads), options)
    folder = options.out / options.grid
    merged(options.json, job, [], pl.DataFrame())  # a record of another protocol is refused before hours of work
    folder.mkdir(parents=True, exist_ok=True)
    # The table of the grid holds all series, so that kept results stay valid.
    ends = aware(np.datetime64(job.last, "m") + np.timedelta64(max(job.horizons_min), "m"))
    panel, table = prepare(region, grid.protocol.series, ends, folder)
    every = expected(panel, region, replace(grid.protocol, series=job.series), job.issues)
    truth = grid.scored(every, data)
    results = list(answers(job, table, folder, options))
    months = {(one.inputs, one.series, one.name): by_month(one, truth, job.timezone) for one in results}
    record, older = merged(options.json, job, results, scored(results, truth), months)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{older} rows of {options.json} are older than this run.", file=sys.stderr)
    return shown(record, job, grid, folder, options)


def answers(job: Job, table: Path, folder: Path, options: argparse.Namespace) -> Iterator[Result]:
    """The result of every class, library and series that is asked for."""
    for inputs in options.classes:
        for name in (peer for peer in CLASSES[inputs] if peer in options.only):
            for series in job.series:
                mine = replace(job, inputs=inputs, series=(series,))
                words = f"{options.grid}, class {inputs}, {series}: {name}"
                print(f"{words} ...", file=sys.stderr, flush=True)
                if name == OURS and inputs in options.ours:
                    found = told(options.ours[inputs], mine, TITLE)
                else:
                    python = Path(sys.executable) if name == OURS else options.python
                    kept = folder / series
                    found = run(name, mine, table, kept, python, fresh=options.fresh, limit_s=60 * options.limit)
                print(f"{words}: {found.failed or found.figures}", file=sys.stderr, flush=True)
                yield found


def shown(record: dict, job: Job, grid: PowerGrid, folder: Path, options: argparse.Namespace) -> int:
    """Print, write and draw the whole record; 1 if `--check` finds a figure that is not the best."""
    everything, rows = read(record)
    words = tables(record, grid)
    print(words)
    (folder / "peers.md").write_text(words + "\n")
    if options.page:
        write(options.page, options.grid, record)
    if not rows.is_empty():
        path = options.plot or folder / "peers.png"
        seen = class_words(grid)
        draw(everything, rows, job, path, words=seen, score=grid.score, months=months_of(record))
    missed = beaten(rows, grid.score) if options.check else []
    print("\n".join(f"MISSED: {line}" for line in missed))
    return int(bool(missed))


def changed(job: Job, options: argparse.Namespace) -> Job:
    """The job with what the options say otherwise."""
    given = {name: str(minute(text)) for name in ("train_end", "first", "last") if (text := getattr(options, name))}
    other = {"series": tuple(options.series or ()), "every_min": options.every, "train_every_min": options.train_every}
    return replace(job, **given, **{name: value for name, value in other.items() if value})


def ours(word: str) -> tuple[str, Path]:
    """CLASS=FILE."""
    inputs, _, path = word.partition("=")
    if inputs not in CLASSES or not Path(path).with_suffix(".json").exists():
        raise argparse.ArgumentTypeError(f"{word}: expected CLASS=FILE.parquet, with FILE.json beside it")
    return inputs, Path(path)


def parse(words: list[str]) -> argparse.Namespace:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the publishers' files")
    made.add_argument("--grid", choices=list(POWER_GRIDS), default="nyiso_2019h2")
    made.add_argument("--out", type=Path, default=Path("reports/peers"), help="tables, results, plot; kept for reruns")
    made.add_argument("--python", type=Path, default=Path(".venv-peers/bin/python"), help="of the peers' venv")
    made.add_argument("--period", choices=["test", "validation"], default="test")
    made.add_argument("--train-end", help="training targets come before this time (UTC)")
    made.add_argument("--first", help="first issue time (UTC)")
    made.add_argument("--last", help="last issue time (UTC)")
    made.add_argument("--every", type=int, help="minutes between issue times")
    made.add_argument("--train-every", type=int, help="minutes between examples, of our own row only")
    made.add_argument("--series", nargs="+", help="some of the grid's series")
    made.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="NAME")
    made.add_argument("--class", dest="classes", nargs="+", choices=list(CLASSES), default=list(CLASSES))
    made.add_argument("--threads", type=int, default=1, help="threads of each peer")
    made.add_argument("--limit", type=float, default=120, help="minutes that a peer may take")
    made.add_argument("--fresh", action="store_true", help="ask every peer again, also for kept results")
    made.add_argument(
        "--ours", type=ours, nargs="+", default=[], metavar="CLASS=FILE", help="New York's predictions of our own"
    )
    made.add_argument("--json", type=Path, help="add the figures to this record, or begin it")
    made.add_argument("--page", type=Path, help="write the tables into their place of this page")
    made.add_argument("--plot", type=Path, help="draw the plot here")
    made.add_argument("--check", action="store_true", help="exit 1 where our row does not beat every peer")
    found = made.parse_args(words)
    found.ours = dict(found.ours)
    if found.ours and found.grid != "nyiso_2019h2":
        made.error("--ours reads what nyiso_2019h2.py wrote; on other grids our row is made here")
    return found


if __name__ == "__main__":
    sys.exit(main())
