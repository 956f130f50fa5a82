"""The store in an object store: SeaweedFS, whose S3 server really runs. There is no lease: the commit is the lock."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest

from power_nowcast.collect import write_all
from power_nowcast.collect.load import write
from power_nowcast.contracts import Batch, Table
from power_nowcast.ingest import replayed
from power_nowcast.jobs.backtest import Question, answer
from power_nowcast.jobs.period import Period
from power_nowcast.regions import Region, load
from power_nowcast.store import AppendReport, Store, raw
from power_nowcast.store.address import Address
from power_nowcast.store.files import Files
from tests.backends.servers import BUCKET, CREDENTIALS, seaweed
from tests.toy import toy_region, toy_rows

from .conftest import manifests, rows_of, start_ingest

pytestmark = pytest.mark.integration
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3 server with an empty bucket."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as url:
        yield url


@pytest.fixture
def root(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address without a store yet, reached by the customary variables of the environment."""
    place = {"AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    for name, value in (place | CREDENTIALS).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid4().hex}"


def test_what_is_written_is_read_and_kept(root: str) -> None:
    store = Store(root)
    rows = rows_of(("A b", 0, 1.0), ("A b", 5, 2.0))
    assert store.append(Table.POWER, rows, now=NOW) == AppendReport(added=2)
    first = store.manifest(Table.POWER, "nyiso")
    store.keep("nyiso", [first], now=NOW)
    assert store.append(Table.POWER, rows_of(("A b", 5, 3.0)), now=NOW) == AppendReport(corrected=1)
    other = Store(root)
    assert other.as_of(Table.POWER, "nyiso")["value"].to_list() == [1.0, 3.0]
    assert other.compact() == 2
    assert other.vacuum() == 0
    assert Store(root).manifest(Table.POWER, "nyiso", version=first.version) == first


def test_an_ingest_is_as_one_into_a_folder(root: str, region: Region, whole: tuple[int, str, int, int]) -> None:
    write_all(Store(root), region)
    assert manifests(Store(root)) == whole
    assert write_all(Store(root), region).deliveries == 0


def test_two_ingests_at_once_are_as_one(
    root: str,
    region: Region,
    tmp_path: Path,
    whole: tuple[int, str, int, int],
) -> None:
    processes = [start_ingest(root, tmp_path) for _ in range(2)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert manifests(Store(root)) == whole


def test_a_writer_that_lags_behind_stores_nothing_of_what_the_other_noted(root: str) -> None:
    ahead, behind = Store(root), Store(root)
    first, second = (
        Batch("nyiso", Table.POWER, rows_of(("A b", 0, value)), f"{key}.csv", key)
        for key, value in (("a", 1.0), ("b", 2.0))
    )
    for batch in (first, second):
        write(ahead, batch, now=NOW)
    late, _ = write(behind, first, now=NOW + timedelta(minutes=1))
    assert late == AppendReport()
    assert Store(root).as_of(Table.POWER, "nyiso")["value"].to_list() == [2.0]
    assert len(Store(root).versions(Table.POWER, "nyiso")) == 2


@pytest.fixture
def told(server: str, monkeypatch: pytest.MonkeyPatch) -> Address:
    """An address without a store yet, of which the environment says nothing: its options say how to reach it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # else the client looks for keys there, for seconds
    options = {"AWS_ENDPOINT_URL": server, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", **CREDENTIALS}
    return Address(f"s3://{BUCKET}/{uuid4().hex}", options)


def read_in_a_worker(address: Address) -> tuple[list[float], bytes, object, list[str], list[int]]:
    """What a worker process finds: values, bytes as received, a document, frames and features."""
    store = Store.open(address)
    values = store.as_of(Table.POWER, "nyiso")["value"].to_list()
    received = store.read_raw(store.deliveries("nyiso")["raw"][0])
    frames = sorted(store.documents.frames("nyiso/backtests"))
    return values, received, store.documents.read("nyiso/features"), frames, store.read_features("x")["n"].to_list()


def test_a_worker_opens_the_store_with_its_options(told: Address) -> None:
    store = Store(told.root, storage_options=told.options)
    batch = Batch("nyiso", Table.POWER, rows_of(("A b", 0, 1.0), ("A b", 5, 2.0)), "a.csv", "a", raw=b"1,2\n")
    write(store, batch, now=NOW)
    frame = pl.DataFrame({"n": [1, 2]})
    store.documents.write("nyiso/features", {"spec": [5, 10]})
    store.documents.write("nyiso/features", {"spec": [5]})
    store.documents.write_frame("nyiso/backtests/a b", frame)
    store.write_features("x", frame)
    assert store.documents.read("nyiso/nothing") is None
    assert store.documents.frames("nyiso/nowhere") == frozenset()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(read_in_a_worker, store.address).result()
    assert found == ([1.0, 2.0], b"1,2\n", {"spec": [5]}, ["nyiso/backtests/a b"], [1, 2])
    assert "tests" not in repr(store.address)  # keys are told nobody


def test_a_fold_is_answered_by_a_worker_from_the_options_of_the_store(told: Address) -> None:
    region, store = toy_region(), Store.open(told)
    power = toy_rows().unpivot(index="valid_at", variable_name="series")
    zones = power.filter(pl.col("series") != "KTOY.temperature_c").with_columns(
        region=pl.lit(region.name),
        valid_at=pl.col("valid_at").str.to_datetime(time_zone="UTC"),
        available_at=pl.col("valid_at").str.to_datetime(time_zone="UTC"),
        basis=pl.lit("delay"),
        source=pl.lit("test"),
    )
    store.append(Table.POWER, zones, now=NOW)
    first = np.datetime64("2024-04-20T00:00", "m")
    fold = Period(first, first, first + np.timedelta64(2, "h"), every_minutes=30, valid_days=10)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(answer, store.address, region, fold, Question(fold, "persistence"), "toy/fold").result()
    told_by = store.documents.read_frame("toy/fold")
    assert told_by is not None
    assert told_by["issue_time"].n_unique() == 5


def test_answers_as_received_are_kept_beside_the_tables(root: str) -> None:
    files = Files(Address(root))
    path = raw.keep(files, "raw/nyiso/power", "a.csv", b"1,2\n")
    assert raw.read(files, path) == b"1,2\n"


def test_tables_are_played_from_and_into_an_object_store(root: str) -> None:
    store, copy = Store(root), Store(f"{root}/copy")
    store.append(Table.POWER, rows_of(("A b", 0, 1.0), ("A b", 5, 2.0)), now=NOW - timedelta(hours=2))
    store.append(Table.POWER, rows_of(("A b", 5, 3.0)), now=NOW - timedelta(minutes=30))
    region = replayed(load("nyiso"), root)
    early = write_all(copy, region, clock=lambda: NOW - timedelta(hours=1))
    assert (early.stored, copy.as_of(Table.POWER, "nyiso")["value"].to_list()) == (2, [1.0, 2.0])
    assert write_all(copy, region, clock=lambda: NOW).tables == {Table.POWER: AppendReport(corrected=1)}
    assert copy.manifest(Table.POWER, "nyiso").sha256 == store.manifest(Table.POWER, "nyiso").sha256
