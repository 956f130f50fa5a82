"""Compare the accuracy of several runs, and test whether the differences are significant."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast import mlflow_client
from power_nowcast.contracts import PREDICTIONS, Nowcasts, Panel, from_table
from power_nowcast.contracts.times import aware
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.evaluate import comparison as comparisons
from power_nowcast.evaluate.comparison import Comparison
from power_nowcast.features.panel import history
from power_nowcast.jobs.job import Job
from power_nowcast.regions.region import MAX_HORIZON_MINUTES
from power_nowcast.report.comparison import write_comparison
from power_nowcast.scoring import KEYS


def compare(
    job: Job, runs: Sequence[str], series: list[str] | None = None, out: Path | None = None
) -> tuple[Comparison, Path]:
    """Compare runs with the first of them, and write the page.

    Args:
        job: region and tables.
        runs: MLflow runs, versions or aliases, or Parquet files of predictions.
        series: the series to compare; all by default.
        out: folder of page and plots; a folder in the reports by default.

    Returns:
        The comparison, and the path of its page.

    Raises:
        ConfigurationError: a file does not exist, or a run has no predictions of these series.
        SourceFormatError: a file has no predictions.
        RegistryError: a run or version does not exist.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = [_found(job, name, Path(folder) / str(i)) for i, name in enumerate(runs)]
        names = _unlike([one.name for one in found])
        answers = {name: _nowcasts(job, _read(one.path, series)) for name, one in zip(names, found, strict=True)}
    result = comparisons.compare(answers, _truth(job, list(answers.values())), job.region)
    page = write_comparison(
        out or job.reports / "compare",
        result,
        now=datetime.now(UTC),
        origins={name: one.origin for name, one in zip(names, found, strict=True)},
        manifests=job.manifests(),
    )
    return result, page


def _found(job: Job, name: str, folder: Path) -> mlflow_client.Predictions:
    path = Path(name)
    if path.is_file():
        return mlflow_client.Predictions(path, path.stem, str(path))
    if path.suffix == ".parquet" or "/" in name:
        raise ConfigurationError(
            f"There is no file {name}.", remedy="Check the path, or name an MLflow run or a version.", path=name
        )
    return mlflow_client.predictions(job.region, name, folder)


def _read(path: Path, series: list[str] | None) -> pl.DataFrame:
    """Rows of predictions with the quantiles that the file has."""
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceFormatError(
            f"{path} is not a Parquet file.",
            remedy="Name a file of predictions: nowcast backtest --out.",
            path=str(path),
        ) from error
    if missing := [name for name in (*KEYS, "q50") if name not in table.columns]:
        raise SourceFormatError(
            f"{path} has no column {', '.join(missing)}.",
            remedy=f"Predictions have the columns {', '.join(PREDICTIONS)}; of the quantiles q50 is needed.",
            path=str(path),
            columns=missing,
        )
    kind = table.schema["issue_time"]
    if not isinstance(kind, pl.Datetime):
        raise SourceFormatError(f"issue_time of {path} is not a time.", remedy="Write times in UTC.", path=str(path))
    # Times without a time zone are UTC, as everywhere in this package.
    when = pl.col("issue_time").cast(pl.Datetime("us", kind.time_zone))
    when = when.dt.convert_time_zone("UTC") if kind.time_zone else when.dt.replace_time_zone("UTC")
    table = table.with_columns(when, pl.col("horizon_min").cast(pl.Int64))
    if table.select(pl.struct(KEYS).is_duplicated().any()).item():
        raise SourceFormatError(
            f"{path} has several rows with the same (series, issue_time, horizon_min).",
            remedy="Write each combination once.",
            path=str(path),
        )
    return table if series is None else table.filter(pl.col("series").is_in(series))


def _nowcasts(job: Job, table: pl.DataFrame) -> Nowcasts:
    there = set(table["series"])
    if not there:
        raise ConfigurationError("A run holds no predictions of these series.", remedy="Check --series and --region.")
    order = [*job.region.series, *sorted(there - set(job.region.series))]
    return from_table(table, job.region.name, series=tuple(name for name in order if name in there))


def _truth(job: Job, answers: list[Nowcasts]) -> Panel:
    """The stored data of the time that all runs share."""
    first = max(aware(one.issue_times[0]) for one in answers)
    last = max(first, min(aware(one.issue_times[-1]) for one in answers))
    end = last + timedelta(minutes=MAX_HORIZON_MINUTES) + job.region.interval
    return history(job.store, job.region, job.region.slot(first), end)


def _unlike(names: list[str]) -> list[str]:
    """The names, with numbers added to equal ones."""
    return [f"{name} ({names[:i].count(name) + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]
