"""One page about a version, from what MLflow has tracked: nothing is trained, replayed or scored for it."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from power_nowcast import mlflow_client
from power_nowcast.errors import RegistryError
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.surroundings import NAME, Surroundings
from power_nowcast.mlflow_client import Recorded, Version
from power_nowcast.report.readout import Decided, Swap, Tracked, Trained, write_readout

SWAP = "demo swap"
"""Command of the runs in which `scripts/demo_swap.py` tracks what it saw."""
SWAP_FILE = "swap.json"
EVALUATION, PREDICTIONS, TABLES = "evaluation", "predictions.parquet", "tables"


def readout(job: Job, version: str = mlflow_client.PRODUCTION, out: Path | None = None) -> Path:
    """Write the page of a version; returns its path.

    Args:
        job: region and folder of the reports.
        version: its number or alias.
        out: the page; by default a file in the reports.

    Raises:
        RegistryError: there is no such version, or it was not evaluated.
        SourceFormatError: its evaluation lacks a table or a column.
        ConfigurationError: the page cannot be written.
    """
    chosen = mlflow_client.find(job.region, version)
    run = mlflow_client.recorded(chosen.run_id)
    with TemporaryDirectory() as work:
        folder = run.fetch(EVALUATION, Path(work))
        if folder is None:
            raise RegistryError(
                f"Version {chosen.version} of {chosen.name} has no tracked evaluation.",
                remedy=f"Evaluate it: nowcast evaluate --region {job.region.name} --version {chosen.version}.",
                version=chosen.version,
            )
        backtest = Backtest.read_predictions(folder / PREDICTIONS, job.region)
        card = Scorecard.read(folder / TABLES, backtest)
    tracked = Tracked(
        identity=_identity(chosen, run),
        swap=_swap(job),
        history=[
            Decided(step.at[:16].replace("T", " "), step.action, step.version, step.previous, step.person, step.reason)
            for step in mlflow_client.history(job.region)
        ],
        trained=[_trained(one, chosen) for one in mlflow_client.trainings(job.region) if _is_alike(one, run)],
    )
    return write_readout(out or job.reports / "readout.html", backtest, card, tracked, now=datetime.now(UTC))


def _identity(chosen: Version, run: Recorded) -> dict[str, str]:
    return {
        "Model": f"{chosen.name} version {chosen.version} ({chosen.kind})",
        "Digest": chosen.digest[:16],
        "MLflow run": run.id,
        "Trained": f"{run.began:%Y-%m-%d %H:%M} UTC by {run.tags.get('owner', 'unknown')}",
        "Commit": run.tags.get("git_sha", "unknown"),
    }


def _swap(job: Job) -> list[Swap]:
    """What the newest tracked swap of a running service showed, step by step."""
    run = mlflow_client.newest(job.region, SWAP)
    return [Swap(**step) for step in run.json(SWAP_FILE) or ()] if run else []


def _is_alike(one: Recorded, run: Recorded) -> bool:
    """Whether two runs trained the same kind of model with the same params: they should give the same model."""
    return one.tags.get("command") == run.tags.get("command") and one.params == run.params


def _trained(run: Recorded, chosen: Version) -> Trained:
    where = Surroundings.of(run.json(NAME))
    digest = run.tags[mlflow_client.DIGEST]
    return Trained(
        run=run.id[:8],
        began=f"{run.began:%Y-%m-%d %H:%M}",
        place=run.tags.get("copied_from", "here"),
        machine=where.machine if where else "not recorded",
        python=where.python if where else "",
        commit=run.tags.get("git_sha", "unknown")[:12],
        digest=digest[:12],
        is_same=digest == chosen.digest,
    )
