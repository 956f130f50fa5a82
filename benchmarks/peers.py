#!/usr/bin/env python3
"""Compare libraries for load forecasting with power-nowcast: the same data, issue times and machine.

Default is the protocol `nyiso-2019h2`; `--period validation` is the half-year before it, trained on 2018, on which
every configuration was chosen. FOLDER holds the files that `nyiso_2019h2.py` reads. The libraries are installed in a
venv of their own: `make peers`. docs/peers.md describes the configurations, and how to add a row.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from nyiso_2019h2 import PROTOCOL
from peers.base import Job
from peers.plot import draw
from peers.prepare import prepare
from peers.record import merged, read
from peers.registry import CLASSES, OURS, PEERS
from peers.results import Result, run, told
from peers.table import beaten, markdown, scored
from protocol import aware, expected, minute

from power_nowcast.ingest.catalog import with_source
from power_nowcast.regions import load

EVERY_MIN = 195
"""13 quarter hours: each quarter hour of the day occurs equally often, and recursive forecasts stay affordable."""
PERIODS = {
    "test": (PROTOCOL.train_end, PROTOCOL.first, PROTOCOL.last),
    "validation": ("2019-01-01 00:00", "2019-01-01 00:00", "2019-06-30 22:45"),
}
OUR_TITLES = {"a": "power-nowcast, LightGBM", "b": "power-nowcast, ensemble"}
CLASS_TITLES = {"a": "the series' own history and the calendar", "b": "with the operator's forecast, zones and weather"}


def main() -> int:
    options = parse(sys.argv[1:])
    region = with_source(load("nyiso"), "nyiso", folder=str(options.data))
    train_end, first, last = PERIODS[options.period]
    job = Job(
        series=tuple(options.series),
        horizons_min=PROTOCOL.horizons_min,
        train_end=str(minute(options.train_end or train_end)),
        first=str(minute(options.first or first)),
        last=str(minute(options.last or last)),
        every_min=options.every,
        valid_days=PROTOCOL.valid_days,
        inputs="a",
        timezone=region.timezone,
        country=region.holidays.country if region.holidays else "",
        threads=options.threads,
        train_every_min=options.train_every,
    )
    merged(options.json, job, [], pl.DataFrame())  # a record of another protocol is refused before hours of work
    options.out.mkdir(parents=True, exist_ok=True)
    # The grid does not depend on the options, so that kept results stay valid.
    ends = aware(np.datetime64(job.last, "m") + np.timedelta64(max(job.horizons_min), "m"))
    panel, grid = prepare(region, PROTOCOL.series, ends, options.out)
    truth = expected(panel, region, replace(PROTOCOL, series=job.series), job.issues)
    results = []
    for inputs in options.classes:
        for name in (peer for peer in CLASSES[inputs] if peer in options.only):
            for series in options.series:
                mine = replace(job, inputs=inputs, series=(series,))
                words = f"class {inputs}, {series}: {name}"
                print(f"{words} ...", file=sys.stderr, flush=True)
                if name == OURS and inputs in options.ours:
                    found = told(options.ours[inputs], mine, OUR_TITLES[inputs])
                else:
                    python = Path(sys.executable) if name == OURS else options.python
                    kept = options.out / series
                    found = run(name, mine, grid, kept, python, fresh=options.fresh, limit_s=60 * options.limit)
                print(f"{words}: {found.failed or found.figures}", file=sys.stderr, flush=True)
                results.append(found)
    record, older = merged(options.json, job, results, scored(results, truth))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    everything, rows = read(record)
    words = report(everything, rows, job)
    print(words)
    print(f"{older} rows of {options.json} are older than this run.", file=sys.stderr)
    (options.out / "peers.md").write_text(words + "\n")
    if not rows.is_empty():
        draw(everything, rows, job, options.plot or options.out / "peers.png")
    missed = beaten(rows) if options.check else []
    print("\n".join(f"MISSED: {line}" for line in missed))
    return int(bool(missed))


def report(results: list[Result], rows: pl.DataFrame, job: Job) -> str:
    """The tables of every class and series as Markdown."""
    parts = []
    for inputs, series in dict.fromkeys((result.inputs, result.series) for result in results):
        own = [result for result in results if (result.inputs, result.series) == (inputs, series)]
        parts.append(f"### {series}, class {inputs.upper()}: {CLASS_TITLES[inputs]}\n")
        parts.append(markdown(own, rows, series, job.horizons_min) + "\n")
    return "\n".join(parts)


def ours(word: str) -> tuple[str, Path]:
    """CLASS=FILE."""
    inputs, _, path = word.partition("=")
    if inputs not in CLASSES or not Path(path).with_suffix(".json").exists():
        raise argparse.ArgumentTypeError(f"{word}: expected CLASS=FILE.parquet, with FILE.json beside it")
    return inputs, Path(path)


def parse(words: list[str]) -> argparse.Namespace:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path, required=True, help="folder of the publisher's files")
    made.add_argument("--out", type=Path, default=Path("reports/peers"), help="tables, results, plot; kept for reruns")
    made.add_argument("--python", type=Path, default=Path(".venv-peers/bin/python"), help="of the peers' venv")
    made.add_argument("--period", choices=list(PERIODS), default="test")
    made.add_argument("--train-end", help="training targets come before this time (UTC)")
    made.add_argument("--first", help="first issue time (UTC)")
    made.add_argument("--last", help="last issue time (UTC)")
    made.add_argument("--every", type=int, default=EVERY_MIN, help="minutes between issue times")
    made.add_argument("--train-every", type=int, default=PROTOCOL.train_every_min, help="minutes, of our own row only")
    made.add_argument("--series", nargs="+", default=PROTOCOL.series)
    made.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="NAME")
    made.add_argument("--class", dest="classes", nargs="+", choices=list(CLASSES), default=list(CLASSES))
    made.add_argument("--threads", type=int, default=1, help="threads of each peer")
    made.add_argument("--limit", type=float, default=120, help="minutes that a peer may take")
    made.add_argument("--fresh", action="store_true", help="ask every peer again, also for kept results")
    made.add_argument("--ours", type=ours, nargs="+", default=[], metavar="CLASS=FILE", help="our own predictions")
    made.add_argument("--json", type=Path, help="add the figures to this record, or begin it")
    made.add_argument("--plot", type=Path, help="draw the plot here")
    made.add_argument("--check", action="store_true", help="exit 1 where our row does not beat every peer")
    found = made.parse_args(words)
    found.ours = dict(found.ours)
    return found


if __name__ == "__main__":
    sys.exit(main())
