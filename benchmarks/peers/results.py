"""Runs each peer in its own process, and keeps each result with the question that it answers."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from peers.base import Job
from peers.registry import OURS, PEERS

HERE = Path(__file__).resolve().parent
LAST_LINES = 12
TOLD = (
    "The model of nyiso_2019h2.py: the ensemble of a global network, local ones and LightGBM, one training of all "
    "series of the region in several processes, NORTH's networks with options of their own. Seconds are by the clock, "
    "of all series and delays together. Online calibration, no refit."
)
"""Configuration of a row that was not measured here; its number of threads is unknown."""
FIGURES = ("title", "versions", "train_s", "predict_s", "peak_mb", "rows")


@dataclass(frozen=True)
class Result:
    """The answer of a peer, or `failed`: the reason why there is none."""

    name: str
    inputs: str
    series: str
    figures: dict[str, Any]
    predictions: pl.DataFrame | None
    failed: str = ""

    @property
    def title(self) -> str:
        return str(self.figures.get("title", self.name))


def run(name: str, job: Job, grid: Path, folder: Path, python: Path, *, fresh: bool = False, limit_s: float) -> Result:
    """The kept result of a peer, or that of a new run; a failure is a result too, but is not kept."""
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"{job.inputs}-{name}"
    series = ", ".join(job.series)
    question = asked(name, job, grid)
    if not fresh and (kept := read(name, job, out, question)):
        return kept
    for suffix in (".json", ".parquet"):
        out.with_suffix(suffix).unlink(missing_ok=True)
    job_file = folder / f"{out.name}.job"
    job_file.write_text(job.to_json())
    command = [str(python), "-m", "peers.worker", name, str(job_file), str(grid), str(out)]
    try:
        with (folder / f"{out.name}.log").open("w") as log:
            ended = subprocess.run(
                command, env=_environment(name, job), stdout=log, stderr=log, timeout=limit_s, check=False
            )
    except subprocess.TimeoutExpired:
        return Result(name, job.inputs, series, {}, None, f"no answer within {limit_s / 60:.0f} minutes")
    if ended.returncode:
        return Result(name, job.inputs, series, {}, None, _reason(folder / f"{out.name}.log", ended.returncode))
    found = json.loads(out.with_suffix(".json").read_text())
    out.with_suffix(".json").write_text(json.dumps(found | {"question": question}, indent=1))
    return read(name, job, out, question) or Result(name, job.inputs, series, {}, None, "left no predictions")


def read(name: str, job: Job, out: Path, question: str) -> Result | None:
    """The result kept at `out`, if it answers the same question."""
    try:
        found = json.loads(out.with_suffix(".json").read_text())
        predictions = pl.read_parquet(out.with_suffix(".parquet"))
    except (OSError, ValueError, pl.exceptions.PolarsError):
        return None
    if found.get("question") != question:
        return None
    figures = {key: found.get(key) for key in FIGURES}
    return Result(name, job.inputs, ", ".join(job.series), figures, predictions)


def told(path: Path, job: Job, title: str) -> Result:
    """Our own row from the files of a script of this folder: predictions (`--out PATH`) and seconds (`--json`).

    Seconds and memory are those of all series together, which that script trains at once.
    """
    seconds = json.loads(path.with_suffix(".json").read_text())["seconds"]
    issues = pl.Series(job.issues.astype("datetime64[us]")).dt.replace_time_zone("UTC")
    asked_for = (
        pl.col("series").is_in(job.series)
        & pl.col("horizon_min").is_in(job.horizons_min)
        & pl.col("issue_time").dt.cast_time_unit("us").is_in(issues.implode())
    )
    predictions = (
        pl.read_parquet(path)
        .filter(asked_for)
        .select("series", pl.col("issue_time").dt.cast_time_unit("us"), "horizon_min", "q10", "q50", "q90")
    )
    training = sum(spent for part, spent in seconds.items() if part not in ("ingest", "predict"))
    figures = dict.fromkeys(FIGURES) | {
        "title": title,
        "configuration": TOLD,
        "versions": {"power-nowcast": metadata.version("power-nowcast")},
        "train_s": round(training, 1),
        "predict_s": seconds["predict"],
        "rows": len(predictions),
    }
    return Result(OURS, job.inputs, ", ".join(job.series), figures, predictions)


def asked(name: str, job: Job, grid: Path) -> str:
    """Digest of the inputs of a result: the job, the adapter's code, the grid."""
    module = HERE / f"{PEERS[name].split(':')[0].split('.')[-1]}.py"
    digest = hashlib.sha256(job.to_json().encode())
    for file in (module, HERE / "base.py", grid):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _environment(name: str, job: Job) -> dict[str, str]:
    """Environment of the child process: our source only for our own row, the same number of threads for each peer."""
    paths = [HERE.parent, *([HERE.parents[1] / "src"] if name == OURS else [])]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), str(job.threads))
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONUNBUFFERED": "1"}


def _reason(log: Path, code: int) -> str:
    """The last line that the process wrote."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-LAST_LINES:]
    return lines[-1].strip()[:200] if lines else f"exit {code}"
