"""The page's files with their headers, and the view that the page shows."""

import gzip
import re
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.live.scores import scores, skill
from power_nowcast.live.slot import ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.page import ASSETS, HOME, VERSION, front
from power_nowcast.serve.service import Served
from power_nowcast.serve.view import View
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, ROWS, World
from tests.serve.conftest import Client, problem_of

MOST_BYTES = 150_000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data")


@pytest.fixture
def followed(world: World, slot: ModelSlot) -> Client:
    """A service that has published five intervals and is at the sixth."""
    loop = world.loop(slot)
    app = create_app({"toy": Served(REGION, slot, loop)}, world.store, default_region="toy", clock=world.clock)
    world.run(lambda _: [loop], BEGIN + 5 * HALF_HOUR)
    loop.step()
    return Client(app)


def test_the_page_is_small_needs_nothing_else_and_is_never_stale(client: Client) -> None:
    first = client.get("/")
    assert first.status_code == 200
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"
    assert f'content="{VERSION}"' in first.text
    for text in (asset.body.decode() for asset in ASSETS.values()):
        assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    for name in re.findall(r'(?:src|href)="page/([^"]+)"', first.text):
        assert client.get(f"/page/{name}").status_code == 200
    modules = [name for name in ASSETS if name.endswith(".js")]
    imported = {name for one in modules for name in re.findall(r"from '\./([^']+)'", ASSETS[one].body.decode())}
    assert imported <= set(modules)
    assert sum(len(gzip.compress(asset.body)) for asset in ASSETS.values()) < MOST_BYTES
    assert client.get("/", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    problem_of(client.get("/page/__init__.py"), 404, "Not found")
    problem_of(client.get("/page/nothing.js"), 404, "Not found")


def test_all_that_the_first_picture_needs_is_asked_for_at_once(client: Client) -> None:
    """A browser that reads the first file knows every script and the address of the data."""
    first = client.get("/")
    assert '<meta name="region" content="toy">' in first.text
    (data,) = re.findall(r'<link rel="preload" href="([^"]+)" as="fetch" crossorigin>', first.text)
    assert client.get(f"/{data}").status_code == 200
    hours = re.search(r"const HOURS = (\d+);", ASSETS["page.js"].body.decode())
    assert hours is not None
    assert data == f"v1/view/toy?hours={hours[1]}", "the script asks for the same address"
    asked = set(re.findall(r'<link rel="modulepreload" href="page/([^"]+)">', first.text)) | {"page.js"}
    assert asked == {name for name in ASSETS if name.endswith(".js")}


def test_the_page_of_an_unknown_region_is_that_of_the_default_one(client: Client) -> None:
    first = client.get("/", params={"region": '"><script>'})
    assert first.text == client.get("/").text


def test_the_first_file_of_each_region_has_its_own_tag() -> None:
    one, other = (front(ASSETS["index.html"], region) for region in ("toy", 'a "b"/c'))
    assert one.etag != other.etag
    assert b'<meta name="region" content="a%20%22b%22%2Fc">' in other.body
    assert b"{region}" not in one.body


def test_nothing_inline_runs_and_no_frame_holds_the_page(client: Client) -> None:
    first = client.get("/")
    policy = dict(part.strip().split(" ", 1) for part in first.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", (HOME / "index.html").read_text())


def test_the_view_has_what_was_measured_said_and_said_before(followed: Client, world: World) -> None:
    answer = followed.get("/v1/view/toy", params={"hours": 2})
    assert answer.status_code == 200, answer.text
    view = View.model_validate_json(answer.content)
    assert view.issue_time == "2024-05-01T14:30:00Z"
    assert view.clock.time == "2024-05-01T14:30:00.000Z"
    assert view.clock.page == VERSION
    assert view.times == [f"2024-05-01T{h:02d}:{m:02d}:00Z" for h in (12, 13, 14, 15) for m in (0, 30)][1:]
    assert view.valid_at == view.times[-2:]
    assert (view.followed, view.live, view.stages[0].level.value) == (True, True, "normal")
    zone = next(one for one in view.series if one.series == "N.E.")
    truth = ROWS[Table.POWER].filter((pl.col("series") == "N.E.") & (pl.col("valid_at") == world.now))
    assert zone.measured[-3] == pytest.approx(truth["value"][0], rel=1e-6)
    assert zone.measured[-2:] == [None, None]
    present = followed.get("/v1/nowcast/toy").json()["nowcasts"][1]
    assert zone.quantiles["q50"] == pytest.approx(present["quantiles"]["q50"], rel=1e-5)
    hour_before = followed.get("/v1/history/toy", params={"series": "N.E.", "end": "2024-05-01T14:00:00Z"}).json()
    said = {row["valid_at"]: row["median_mw"] for row in hour_before if row["horizon_min"] == 60}
    for time, value in zip(view.times, zone.said["60"], strict=True):
        assert value == (pytest.approx(said[time], rel=1e-5) if time in said else None)
    assert len(said) > 2
    assert zone.said["60"][-1] is None, "the present says it now, not before"
    total = view.series[0]
    zones = [one for one in view.series if one.series != "ALL"]
    assert total.measured[0] == pytest.approx(sum(one.measured[0] or 0 for one in zones), rel=1e-5)
    assert [(one.table, one.newest, one.late_minutes) for one in view.sources] == [
        ("power", "2024-05-01T14:30:00Z", 90.0),
        ("weather", "2024-05-01T14:30:00Z", 180.0),
    ]


@pytest.mark.parametrize(("hours", "slots"), [(1, 5), (24, 51), (48, 99)])
def test_a_view_reaches_back_as_many_hours_as_are_asked_for(followed: Client, hours: int, slots: int) -> None:
    view = View.model_validate_json(followed.get("/v1/view/toy", params={"hours": hours}).content)
    assert len(view.times) == slots, "half-hours before, the issue time, and two ahead"


def test_a_view_that_is_old_still_comes_and_a_view_of_nothing_is_refused(
    followed: Client, world: World, serve, place, tmp_path: Path, slot: ModelSlot
) -> None:
    world.now += timedelta(hours=3)
    problem_of(followed.get("/v1/nowcast/toy"), 503, "Stale data")
    view = View.model_validate_json(followed.get("/v1/view/toy").content)
    assert view.issue_time == "2024-05-01T14:30:00Z"
    holding = [one for one in view.stages if one.since <= view.clock.time]
    assert holding[-1].level.value == "alarm"
    empty = World(tmp_path / "empty")
    loop = empty.loop(slot)
    app = create_app({"toy": Served(REGION, slot, loop)}, empty.store, default_region="toy", clock=empty.clock)
    told = problem_of(Client(app).get("/v1/view/toy"), 503, "Stale data")
    assert told["detail"] == "Nothing has been published for toy yet."
    assert Client(app).get("/v1/view/atlantis").status_code == 404


def test_a_service_that_follows_nothing_shows_what_another_published_or_makes_it(
    followed: Client, world: World, slot: ModelSlot, client: Client
) -> None:
    app = create_app({"toy": Served(REGION, slot)}, world.store, default_region="toy", clock=world.clock)
    told, own = (View.model_validate_json(one.get("/v1/view/toy").content) for one in (Client(app), followed))
    assert (told.followed, own.followed) == (False, True)
    assert told.series == own.series
    made = View.model_validate_json(client.get("/v1/view/toy").content)
    answer = client.get("/v1/nowcast/toy").json()
    assert made.issue_time == answer["issue_time"]
    assert made.series[0].quantiles["q50"] == pytest.approx(answer["nowcasts"][0]["quantiles"]["q50"], rel=1e-5)


def test_skill_is_against_the_last_value_and_counts_what_is_known(followed: Client, world: World) -> None:
    rows = scores(world.store, REGION, BEGIN, world.now)
    known = rows.filter(pl.col("first_mw").is_not_null() & (pl.col("series") == "ALL") & (pl.col("horizon_min") == 60))
    assert 0 < len(known) < 6
    told = followed.get("/v1/skill/toy").json()
    assert len(told) == 3 * 2
    (row,) = [one for one in told if (one["series"], one["horizon_min"]) == ("ALL", 60)]
    naive = (known["origin_mw"] - known["first_mw"]).abs().mean()
    assert row["n"] == len(known)
    assert row["mae_mw"] == pytest.approx(known["error_mw"].abs().mean())
    assert row["skill"] == pytest.approx(1 - row["mae_mw"] / naive)
    assert row["coverage_80"] == pytest.approx(known["is_inside_80"].mean())
    assert skill(rows.with_columns(is_live=pl.lit(False))).is_empty(), "what was caught up is not live"
