"""One peer in a process of its own: `python -m peers.worker NAME JOB GRID OUT`. Writes OUT.parquet, then OUT.json."""

import json
import logging
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import polars as pl

from peers.base import Grid, Job
from peers.registry import peer, versions


def main(name: str, job_file: Path, grid_file: Path, out: Path) -> None:
    """Fit on what comes before the end of training, predict, write."""
    # Warnings of the libraries about their internals are not results.
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    job = Job.from_json(job_file.read_text())
    grid = Grid.read(grid_file)
    kind = peer(name)
    made = kind(job, grid_file.parent)
    # Processor time: other work of the machine does not count.
    before = Grid(grid.frame[: grid.row(job.train_end)])
    begin = time.process_time()
    made.fit(before)
    middle = time.process_time()
    predictions = made.predict(grid, job.issues)
    end = time.process_time()
    predictions.write_parquet(out.with_suffix(".parquet"))
    found = {
        "title": made.title,
        "versions": versions(kind),
        "train_s": round(middle - begin, 1),
        "predict_s": round(end - middle, 1),
        "peak_mb": peak_mb(),
        "rows": len(predictions.filter(pl.all_horizontal(pl.col("q10", "q50", "q90").is_finite()))),
    }
    if hasattr(made, "seconds"):  # where fit and predict are one call
        found |= made.seconds
    out.with_suffix(".json").write_text(json.dumps(found, indent=1))


def peak_mb() -> int | None:
    """Peak memory of this process in MB; None if the system does not report it."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(round(int(line.split()[1]) / 1024) for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    np.seterr(all="ignore")
    main(sys.argv[1], *(Path(word) for word in sys.argv[2:]))
