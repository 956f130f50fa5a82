import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi import FastAPI

from power_nowcast import contracts
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Table
from power_nowcast.contracts.times import minute
from power_nowcast.features.panel import window
from power_nowcast.live.nowcaster import Nowcast, Nowcaster
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import Region
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.store import Store
from tests.toy import toy_bundle, toy_region, toy_rows

NEWEST = datetime(2024, 4, 29, 23, 30, tzinfo=UTC)
NOW = NEWEST + timedelta(minutes=12, seconds=34)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


class Client:
    """Requests to an application within this process, one at a time."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())


@dataclass
class Place:
    """What the API stands on, for tests that compare its answers with it."""

    region: Region
    bundle: Bundle
    store: Store

    def offline(self, at: datetime, **chosen: Any) -> Nowcast:
        return Nowcaster(self.bundle, **chosen).nowcast(window(self.store, self.region, at), minute(at))


def values_of(rows: pl.DataFrame, region: Region) -> dict[Table, pl.DataFrame]:
    """Wide rows as rows for the store."""
    long = rows.with_columns(pl.col("valid_at").str.to_datetime(time_unit="us", time_zone="UTC")).unpivot(
        index="valid_at", variable_name="series", value_name="value"
    )
    long = long.with_columns(
        region=pl.lit(region.name), available_at="valid_at", basis=pl.lit("delay"), source=pl.lit("test")
    ).select([name for name in contracts.VALUES if name != "first_seen_at"])
    weather = pl.col("series").str.contains(r"\.temperature_c$")
    return {Table.POWER: long.filter(~weather), Table.WEATHER: long.filter(weather)}


def fill(store: Store, region: Region, rows: pl.DataFrame) -> None:
    for table, values in values_of(rows, region).items():
        store.append(table, values, now=NOW)


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    region = toy_region()
    store = Store(tmp_path_factory.mktemp("a store"))
    fill(store, region, toy_rows())
    return Place(region, toy_bundle(region), store)


@pytest.fixture(scope="package")
def folder(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "bundle"
    place.bundle.save(folder)
    return folder


@pytest.fixture(scope="package")
def slot(place: Place, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelSlot:
    slot = ModelSlot(place.region, lambda: Fetched(folder, "7", place.bundle.digest), tmp_path_factory.mktemp("cache"))
    slot.load()
    return slot


@pytest.fixture
def clock() -> Clock:
    return Clock()


type Serve = Callable[..., Client]


@pytest.fixture
def serve(place: Place, slot: ModelSlot, clock: Clock) -> Serve:
    """A client of the API over the toy region, with parts exchanged."""

    def build(
        *,
        region: Region = place.region,
        slot: ModelSlot = slot,
        store: Store = place.store,
        **options: Any,
    ) -> Client:
        served = {region.name: Served(region, slot)}
        return Client(create_app(served, store, default_region=region.name, clock=clock, **options))

    return build


@pytest.fixture
def client(serve: Serve) -> Client:
    return serve()


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """What a caller brings: 50 days of both zones and the temperature."""
    return toy_rows()[-50 * 48 :].to_dicts()


def problem_of(response: Any, status: int, title: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert (told["status"], told["title"]) == (status, title)
    assert told["type"] == "urn:power-nowcast:problem:" + title.lower().replace(" ", "-")
    assert told["detail"].endswith(".")
    assert told["remedy"]
    assert told["instance"] == response.request.url.path
    return told
