"""An ingest is a run: counts, what was rejected, and what the tables hold since then."""

from pathlib import Path

import polars as pl
import pytest
from mlflow.entities import Run

from power_nowcast.contracts import Table
from power_nowcast.jobs.ingest import feed_of, ingest
from power_nowcast.jobs.job import Job
from power_nowcast.mlflow_client.connection import connect
from power_nowcast.mlflow_client.runs import MOST_METRICS
from power_nowcast.settings import settings
from tests.small_job import job_of, write_power, write_region
from tests.toy import toy_rows


def _runs(job: Job) -> list[Run]:
    found = connect().get_experiment_by_name(f"power-nowcast/{job.region.name}")
    return [] if found is None else list(connect().search_runs([found.experiment_id]))


def test_an_ingest_is_a_run_and_one_that_reads_nothing_is_none(tmp_path: Path, work_in) -> None:
    file = write_region(work_in(tmp_path), "ingestland")
    rows = toy_rows(60).with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(99_999.0).otherwise("N.E.").alias("N.E.")
    )
    write_power(tmp_path, rows)
    job = job_of(file)
    report = ingest(job, feed_of(job))
    (run,) = _runs(job)
    assert (run.info.run_name, run.info.status) == ("ingest", "FINISHED")
    metrics = run.data.metrics
    assert len(metrics) <= MOST_METRICS
    assert metrics["ingest/rows_power"] == report.tables[Table.POWER].stored > 5000
    assert metrics["ingest/rejected"] == sum(report.reasons.values()) == 1
    assert run.data.tags["run_again"] == "nowcast ingest --region ingestland"
    assert str(report) in run.data.tags["mlflow.note.content"]
    assert [one.dataset.name for one in run.inputs.dataset_inputs] == [table.value for table in Table]
    rejected = pl.read_csv(connect().download_artifacts(run.info.run_id, "ingest/rejected.csv"))
    assert dict(rejected.iter_rows()) == report.reasons
    tables = pl.read_csv(connect().download_artifacts(run.info.run_id, "ingest/tables.csv"))
    assert dict(tables.select("table", "added").iter_rows())["power"] == report.tables[Table.POWER].added

    assert ingest(job, feed_of(job)).deliveries == 0
    assert len(_runs(job)) == 1


def test_rows_are_stored_even_if_mlflow_is_down(tmp_path: Path, work_in) -> None:
    file = write_region(work_in(tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:1"), "downland")
    told: list[str] = []
    job = job_of(file, told)
    assert ingest(job, feed_of(job)).stored > 5000
    assert job.store.last(Table.POWER, "downland") is not None
    assert told[-1].startswith("ingest: the rows are stored, but MLflow has no run of it.")
    assert "cannot be reached" in told[-1]


@pytest.fixture(autouse=True)
def _settings_of_each_test():
    yield
    settings.cache_clear()
