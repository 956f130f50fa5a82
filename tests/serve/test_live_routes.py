"""The API of followed regions: bytes made once an interval, a stream, events, and refusals when nothing is fresh."""

import asyncio
import io
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Table
from power_nowcast.live.changes import Changes
from power_nowcast.live.interventions import Intervention, intervene
from power_nowcast.live.scores import SCORES
from power_nowcast.live.slot import ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.schemas import HistoryRow
from power_nowcast.serve.service import Served
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, ROWS, World
from tests.serve.conftest import Client, problem_of


class Live:
    """A followed region with its service; the loop steps when a test says so."""

    def __init__(self, world: World, slot: ModelSlot, changes: Changes | None = None) -> None:
        self.world, self.loop = world, world.loop(slot)
        served = {"toy": Served(REGION, slot, self.loop)}
        self.app = create_app(served, world.store, default_region="toy", clock=world.clock, changes=changes)
        self.client = Client(self.app)

    def step(self) -> None:
        self.loop.step()


@pytest.fixture
def live(slot: ModelSlot, tmp_path: Path) -> Live:
    return Live(World(tmp_path / "data"), slot)


def test_the_present_is_bytes_that_are_made_once(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    live.step()
    runs: list[object] = []
    whole = Bundle.features
    monkeypatch.setattr(Bundle, "features", lambda *given, **more: runs.append(given) or whole(*given, **more))
    first = live.client.get("/v1/nowcast/toy")
    again = live.client.get("/v1/nowcast/toy")
    assert first.status_code == 200, first.text
    assert first.content == again.content
    assert runs == []
    assert first.headers["cache-control"] == "no-cache"
    unchanged = live.client.get("/v1/nowcast/toy", headers={"if-none-match": first.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    live.client.get("/v1/nowcast/toy", params={"issue_time": "latest"})
    assert len(runs) == 1, "the counter counts"


def test_the_answer_says_when_it_was_published_and_how_old_its_data_are(live: Live) -> None:
    live.world.now = BEGIN + timedelta(minutes=2)
    live.step()
    told = live.client.get("/v1/nowcast/toy").json()
    assert told["issue_time"] == "2024-05-01T12:00:00Z"
    assert told["published_at"] == "2024-05-01T12:02:00Z"
    assert told["expires_at"] == "2024-05-01T12:45:00Z"
    assert told["live"]
    assert not told["caught_up"]
    assert told["sources"] == [
        {"table": "power", "newest": "2024-05-01T12:00:00Z", "age_minutes": 2.0},
        {"table": "weather", "newest": "2024-05-01T12:00:00Z", "age_minutes": 2.0},
    ]
    assert live.loop.present is not None
    medians = [one["quantiles"]["q50"] for one in told["nowcasts"]]
    np.testing.assert_allclose(medians, live.loop.present.nowcast.values[:, :, 3], rtol=5e-6)
    chosen = live.client.get("/v1/nowcast/toy", params={"series": "N.E.", "horizon": 60}).json()
    assert chosen["nowcasts"][0]["quantiles"]["q50"] == [medians[1][1]]
    assert chosen["published_at"] == told["published_at"]


def test_nothing_yet_and_nothing_fresh_are_refused(live: Live) -> None:
    told = problem_of(live.client.get("/v1/nowcast/toy"), 503, "Stale data")
    assert told["detail"] == "Nothing has been published for toy yet."
    assert not_ready(live) == "Nothing has been published for toy yet."
    live.step()
    assert live.client.get("/readyz").status_code == 200
    live.world.now = BEGIN + 1.5 * HALF_HOUR + HALF_HOUR
    assert live.client.get("/v1/nowcast/toy").status_code == 200
    live.world.now += timedelta(seconds=1)
    response = live.client.get("/v1/nowcast/toy")
    told = problem_of(response, 503, "Stale data")
    assert told["detail"] == "The newest nowcast of toy was published 75 minutes ago."
    assert (told["issue_time"], told["published_at"]) == ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z")
    assert told["last_nowcast"]["nowcasts"][0]["series"] == "ALL"
    assert "retry-after" in response.headers


def test_a_loop_that_stands_still_is_not_ready_though_its_data_are_new(live: Live) -> None:
    live.step()
    live.world.now += 5 * HALF_HOUR
    live.world.fill()
    assert not_ready(live) == "The newest nowcast of toy was published 150 minutes ago."
    live.step()
    assert live.client.get("/readyz").status_code == 200


def not_ready(live: Live) -> str:
    response = live.client.get("/readyz")
    assert response.status_code == 503
    reason: str = response.json()["regions"]["toy"]["reason"]
    return reason


def test_late_data_leave_a_process_ready_for_a_load_balancer(live: Live) -> None:
    """They are as late for every process: without a ready one nobody would hand out the last nowcast."""
    excluded = {"exclude": "data"}
    assert live.client.get("/readyz", params=excluded).status_code == 503  # nothing is published
    live.step()
    assert live.client.get("/readyz", params=excluded).status_code == 200
    live.world.now += 5 * HALF_HOUR
    assert not_ready(live) == "The newest nowcast of toy was published 150 minutes ago."
    response = live.client.get("/readyz", params=excluded)
    assert (response.status_code, response.json()["ready"]) == (200, True)
    live.world.fill()  # now this loop alone stands still
    assert live.client.get("/readyz", params=excluded).status_code == 503
    assert live.client.get("/readyz", params={"exclude": "model"}).status_code == 422
    assert live.client.get("/readyz", params={"excludes": "data"}).status_code == 422


def test_events_are_told(live: Live) -> None:
    live.step()
    live.world.now += 5 * HALF_HOUR
    live.step()
    told = live.client.get("/v1/events/toy").json()
    assert [one["at"] for one in told] == sorted(one["at"] for one in told)
    (event,) = [one for one in told if one["kind"] == "caught up"]
    assert event["what"] == "4 intervals before 2024-05-01 14:30 UTC were caught up."
    assert live.client.get("/v1/events/toy", params={"since": "2024-05-01T14:30:01Z"}).json() == []
    assert live.client.get("/v1/events/atlantis").status_code == 404


def test_a_stream_has_the_present_then_what_comes_then_heartbeats(live: Live) -> None:
    live.step()
    present = live.app.state.present

    async def read() -> list[object]:
        found: list[object] = []
        async for edition in present.follow("toy", beat_seconds=0.2):
            found.append(edition)
            if len(found) == 1:
                live.world.now += HALF_HOUR
                await asyncio.to_thread(live.step)
            if len(found) == 3:
                break
        return found

    first, second, third = asyncio.run(read())
    assert (first.id, second.id) == ("2024-05-01T12:00.0", "2024-05-01T12:30.0")  # type: ignore[attr-defined]
    assert third is None
    assert json.loads(second.body)["issue_time"] == "2024-05-01T12:30:00Z"  # type: ignore[attr-defined]


def test_who_comes_back_gets_what_is_newer(live: Live) -> None:
    live.step()
    present = live.app.state.present

    async def next_of(seen: str) -> object:
        async for edition in present.follow("toy", seen=seen, beat_seconds=0.1):
            return edition
        return "closed"

    assert asyncio.run(next_of("2024-05-01T12:00.0")) is None
    assert asyncio.run(next_of("2024-05-01T11:30.0")).id == "2024-05-01T12:00.0"  # type: ignore[attr-defined]
    present.close()
    assert asyncio.run(next_of("2024-05-01T11:30.0")) == "closed"


def test_the_history_says_what_was_published_and_what_came(live: Live) -> None:
    live.world.run(lambda _: [live.loop], BEGIN + 5 * HALF_HOUR)
    rows = live.client.get("/v1/nowcast/toy/history").json()
    assert len(rows) == 5 * 3 * 2
    for row in rows:
        HistoryRow.model_validate(row)
    first = next(row for row in rows if (row["series"], row["horizon_min"]) == ("N.E.", 30))
    actual = ROWS[Table.POWER].filter((pl.col("series") == "N.E.") & (pl.col("valid_at") == BEGIN + HALF_HOUR))
    assert first["issue_time"] == "2024-05-01T12:00:00Z"
    assert first["first_mw"] == pytest.approx(actual["value"][0], rel=5e-6)
    assert first["actual_mw"] == first["first_mw"]
    assert first["error_mw"] == pytest.approx(first["median_mw"] - first["first_mw"], abs=0.02)
    shown = [f"{value}" for row in rows for name, value in row.items() if name.endswith("_mw") and value is not None]
    assert max(len(one.lstrip("-0.").replace(".", "")) for one in shown) <= 6, shown
    chosen = {"series": "ALL", "start": "2024-05-01T12:30:00Z", "end": "2024-05-01T13:00:00Z"}
    some = live.client.get("/v1/nowcast/toy/history", params=chosen).json()
    assert {row["issue_time"] for row in some} == {"2024-05-01T12:30:00Z", "2024-05-01T13:00:00Z"}
    assert {row["series"] for row in some} == {"ALL"}
    table = live.client.get("/v1/nowcast/toy/history", params=chosen | {"format": "csv"})
    assert pl.read_csv(table.content, schema_overrides={"model_version": pl.String}).to_dicts() == some
    parquet = live.client.get("/v1/nowcast/toy/history", params=chosen | {"format": "parquet"})
    assert pl.read_parquet(io.BytesIO(parquet.content)).schema == SCORES
    assert live.client.get("/v1/history/toy", params=chosen).json() == some, "the address before"
    levels = [first[name] for name in ("q05", "q10", "q25", "q50", "q75", "q90", "q95")]
    assert levels == sorted(levels)
    assert first["q50"] == first["median_mw"]
    after = live.client.get("/v1/nowcast/toy/history", params={"start": "2030-01-01T00:00:00Z"})
    assert problem_of(after, 422, "Invalid request")["errors"][0]["where"] == "query.start"
    assert live.client.get("/v1/nowcast/toy/history", params={"series": "MOON"}).status_code == 404


def test_a_caller_may_refuse_a_lower_quality(live: Live) -> None:
    late = {BEGIN + n * HALF_HOUR: timedelta(days=1) for n in (1, 2, 3, 4)}
    live.step()
    assert live.client.get("/v1/nowcast/toy", params={"min_quality": "full"}).status_code == 200
    live.world.late = late
    for _ in range(4):
        live.world.now += HALF_HOUR
        live.step()
        live.world.now += HALF_HOUR / 2
        live.step()
        live.world.now -= HALF_HOUR / 2
    told = live.client.get("/v1/nowcast/toy").json()
    assert told["quality"] == "persistence"
    assert live.client.get("/v1/nowcast/toy", params={"min_quality": "persistence"}).status_code == 200
    for least in ("full", "reduced"):
        refused = problem_of(live.client.get("/v1/nowcast/toy", params={"min_quality": least}), 503, "Quality too low")
        assert (refused["quality"], refused["min_quality"]) == ("persistence", least)
    assert live.client.get("/v1/nowcast/toy", params={"min_quality": "best"}).status_code == 422


def test_a_caller_may_refuse_a_lower_rung_and_sees_the_reasons(live: Live) -> None:
    live.step()
    told = live.client.get("/v1/nowcast/toy", params={"min_rung": "all inputs"}).json()
    assert (told["rung"], told["nowcasts"][0]["rung"], told["nowcasts"][0]["reasons"]) == (
        "all inputs",
        "all inputs",
        [],
    )
    live.world.silent = "N.E."
    live.world.now += 1.5 * HALF_HOUR
    live.step()
    told = live.client.get("/v1/nowcast/toy").json()
    assert [one["rung"] for one in told["nowcasts"]] == ["zones missing", "load late", "all inputs"]
    assert told["rung"] == "load late", "the lowest one"
    assert told["flags"] == ["zones missing"]
    assert told["nowcasts"][1]["reasons"] == ["load 30 minutes late"]
    ask = {"min_rung": "zones missing"}
    refused = problem_of(live.client.get("/v1/nowcast/toy", params=ask), 503, "Quality too low")
    assert "the rung load late: load 30 minutes late." in refused["detail"]
    assert (refused["rung"], refused["min_rung"], refused["series"]) == ("load late", "zones missing", ["N.E."])
    assert live.client.get("/v1/nowcast/toy", params=ask | {"series": "ALL"}).status_code == 200
    assert live.client.get("/v1/nowcast/toy", params={"min_rung": "the best"}).status_code == 422
    rows = live.client.get("/v1/history/toy").json()
    assert {row["rung"] for row in rows} == {"all inputs", "zones missing", "load late"}


def test_an_adjusted_series_stands_beside_the_models(live: Live) -> None:
    until, now = BEGIN + 3 * HALF_HOUR, BEGIN
    intervene(live.world.store, REGION, Intervention("adjust", "ALL", now, now, until, 15.0, "a reason", "tester"))
    live.step()
    told = live.client.get("/v1/nowcast/toy", params={"horizon": 60}).json()
    (one,) = told["adjusted"]
    assert (one["series"], one["adjustment_mw"], one["why"][:8]) == ("ALL", 15.0, "a reason")
    assert one["quantiles"]["q50"][0] == pytest.approx(told["nowcasts"][0]["quantiles"]["q50"][0] + 15, abs=0.02)
    assert live.client.get("/v1/nowcast/toy", params={"series": "N.E."}).json()["adjusted"] == []


def pages(live: Live, query: dict[str, object]) -> list[list[dict[str, object]]]:
    """All pages of the history, by their links."""
    response = live.client.get("/v1/nowcast/toy/history", params=query)
    found = [response.json()]
    while link := response.links.get("next"):
        response = live.client.get(link["url"])
        assert response.status_code == 200, response.text
        found.append(response.json())
    return found


@pytest.mark.parametrize("by", ["issue_time", "valid_time"])
@pytest.mark.parametrize("series", [[], ["ALL", "N.E."]])
def test_pages_are_the_whole_history_once_and_in_order(live: Live, by: str, series: list[str]) -> None:
    live.world.run(lambda _: [live.loop], BEGIN + 6 * HALF_HOUR)
    query: dict[str, object] = {"by": by, "series": series, "start": "2024-05-01T12:00:00Z"}
    query["end"] = "2024-05-01T16:00:00Z"
    (whole,) = pages(live, query)
    per_time = 2 * (len(series) or 3)
    assert len(whole) == 6 * per_time
    cut = pages(live, query | {"limit": 2 * per_time + 1})
    assert [row for page in cut for row in page] == whole
    assert all(len(page) <= 2 * per_time for page in cut)
    assert len(cut) == (3 if by == "issue_time" else 4), (
        "of half-hours from 12:30 to 15:30, the first and last told once"
    )
    smallest = pages(live, query | {"limit": 1})
    assert [row for page in smallest for row in page] == whole, "a page has all rows of one time at least"


def test_by_valid_time_what_was_said_about_a_moment_stands_together(live: Live) -> None:
    live.world.run(lambda _: [live.loop], BEGIN + 6 * HALF_HOUR)
    moment = "2024-05-01T13:30:00Z"
    rows = live.client.get(
        "/v1/nowcast/toy/history", params={"by": "valid_time", "series": "N.E.", "start": moment, "end": moment}
    ).json()
    assert [(row["issue_time"][11:16], row["horizon_min"], row["valid_at"]) for row in rows] == [
        ("12:30", 60, moment),
        ("13:00", 30, moment),
    ]
    assert len({row["first_mw"] for row in rows}) == 1
    correction = live.world.store.versions(Table.POWER, "toy").filter(
        (pl.col("series") == "N.E.") & (pl.col("valid_at") == BEGIN + 3 * HALF_HOUR)
    )
    corrected = correction.drop("first_seen_at").with_columns(
        pl.col("value") + 10.0, pl.lit(live.world.now).cast(pl.Datetime("us", "UTC")).alias("available_at")
    )
    live.world.store.append(Table.POWER, corrected, now=live.world.now)
    after = live.client.get(
        "/v1/nowcast/toy/history", params={"by": "valid_time", "series": "N.E.", "start": moment, "end": moment}
    ).json()
    for old, new in zip(rows, after, strict=True):
        assert new["first_mw"] == old["first_mw"]
        assert new["actual_mw"] == pytest.approx(old["actual_mw"] + 10, rel=1e-5)
        assert new["error_mw"] == old["error_mw"], "of the value that came first"


def test_a_region_without_publications_has_an_empty_history(live: Live) -> None:
    for by in ("issue_time", "valid_time"):
        response = live.client.get("/v1/nowcast/toy/history", params={"by": by})
        assert (response.status_code, response.json()) == (200, [])
        assert "link" not in response.headers


def test_events_of_all_regions_in_one_list(live: Live) -> None:
    live.step()
    live.world.now += 5 * HALF_HOUR
    live.step()
    own = live.client.get("/v1/events/toy").json()
    assert own
    assert {one["region"] for one in own} == {"toy"}
    assert live.client.get("/v1/events").json() == own
    assert live.client.get("/v1/events", params={"region": "toy"}).json() == own
    assert live.client.get("/v1/events", params={"region": "atlantis"}).status_code == 404
