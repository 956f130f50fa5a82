"""The register of sources: a new source is one file and one line."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from power_nowcast.collect import write_all
from power_nowcast.contracts import UTC as TIME
from power_nowcast.contracts import Received, Table
from power_nowcast.ingest.catalog import SOURCES, check_sources
from power_nowcast.ingest.published import Delivery, Request, check_options, published
from power_nowcast.regions import SourceSpec
from power_nowcast.store import Store
from tests.toy import toy_region

NOW = datetime(2024, 5, 1, tzinfo=UTC)


class Counting:
    """A toy source: the first value of every zone is 1,000 MW, and each later one 10 MW more."""

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        check_options(request, "count")

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        yield Delivery("counted", lambda: Received(str(request.spec.options["count"]).encode()))

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        numbers = range(int(received.data))
        rows = [
            {"series": zone.name, "at": NOW - timedelta(days=2) + n * timedelta(minutes=30), "value": 1000.0 + 10 * n}
            for zone in request.region.zones
            for n in numbers
        ]
        return published(pl.DataFrame(rows, {"series": pl.String(), "at": TIME, "value": pl.Float64()}))


def test_a_source_is_one_object_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(SOURCES, "counting", Counting())
    spec = SourceSpec(source="counting", options={"count": 5})
    region = toy_region().model_copy(update={"power": spec, "weather": None})
    check_sources(region)
    store = Store(tmp_path)
    assert write_all(store, region, clock=lambda: NOW).stored == 10
    rows = store.as_of(Table.POWER, "toy", series="N.E.")
    assert rows["value"].to_list() == [1000.0, 1010.0, 1020.0, 1030.0, 1040.0]
    assert rows["source"].unique().to_list() == ["counting"]
