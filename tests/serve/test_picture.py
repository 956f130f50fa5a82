"""The picture: whole XML with what the page says, without a script, made once for each publication."""

import re
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from power_nowcast.live.slot import ModelSlot
from power_nowcast.serve import picture as module
from power_nowcast.serve.picture import LINE_LENGTH, picture_of
from power_nowcast.serve.view import View
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, World
from tests.serve.conftest import Client, problem_of
from tests.serve.test_live_routes import Live

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def live(slot: ModelSlot, tmp_path: Path) -> Live:
    made = Live(World(tmp_path / "data"), slot)
    for number in range(3):
        made.world.now = BEGIN + number * HALF_HOUR + timedelta(minutes=2)
        made.step()
    return made


def test_the_picture_says_what_the_page_says(live: Live) -> None:
    response = live.client.get("/v1/nowcast/toy.svg")
    assert response.headers["content-type"] == "image/svg+xml"
    assert "script-src" not in response.headers["content-security-policy"]
    root = ElementTree.fromstring(response.text)  # noqa: S314 - our own
    view = View.model_validate_json(live.client.get("/v1/view/toy", params={"hours": 4}).content)
    words = root.findtext(f"{SVG}desc")
    assert words == view.stages[0].text.replace("{age}", "2 minutes")
    texts = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    assert " ".join(texts[:2]).startswith(words[:LINE_LENGTH])
    assert "ALL, MW. Published Wed 1 May 2024 09:02 EDT." in texts
    assert {"now", "measured", "nowcast", "5 of 10", "8 of 10", "9 of 10 times within", "06:00", "10:00"} <= set(texts)
    assert not list(root.iter(f"{SVG}script"))
    looks = [one.get("class") for one in root.iter(f"{SVG}path")]
    assert looks[:7] == ["grid", "b90", "b80", "b50", "actual", "model", "now"]
    actual = next(one.get("d") for one in root.iter(f"{SVG}path") if one.get("class") == "actual")
    ends = [-float(y) for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", str(actual))]
    measured = [value for value in view.series[0].measured if value is not None]
    assert ends == pytest.approx(measured, rel=1e-5)
    assert "prefers-color-scheme: dark" in response.text


def test_it_is_made_once_for_each_publication_and_series(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    whole = module.picture_of
    monkeypatch.setattr(
        "power_nowcast.serve.routes.picture.picture_of", lambda *given: made.append(given[2]) or whole(*given)
    )
    first, again = (live.client.get("/v1/nowcast/toy.svg") for _ in range(2))
    other = live.client.get("/v1/nowcast/toy.svg", params={"series": "N.E."})
    assert (first.content == again.content, made) == (True, ["ALL", "N.E."])
    assert "N.E., MW." in other.text
    known = live.client.get("/v1/nowcast/toy.svg", headers={"if-none-match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    live.world.now += HALF_HOUR
    live.step()
    later = live.client.get("/v1/nowcast/toy.svg", headers={"if-none-match": first.headers["etag"]})
    assert later.status_code == 200
    assert made == ["ALL", "N.E.", "ALL"]


def test_refusals_and_regions_that_nobody_follows(live: Live, client: Client) -> None:
    problem_of(live.client.get("/v1/nowcast/atlantis.svg"), 404, "Unknown region")
    problem_of(live.client.get("/v1/nowcast/toy.svg", params={"series": "MOON"}), 404, "Unknown series")
    live.world.now += 5 * HALF_HOUR
    problem_of(live.client.get("/v1/nowcast/toy.svg"), 503, "Stale data")
    assert client.get("/v1/nowcast/toy.svg").text.startswith("<svg")


def test_names_are_escaped_and_a_clock_change_is_named(live: Live) -> None:
    view = View.model_validate_json(live.client.get("/v1/view/toy", params={"hours": 4}).content)
    shift = timedelta(days=186, hours=-6, minutes=-30)  # to the night of 3 November

    def moved(text: str) -> str:
        return f"{BEGIN.fromisoformat(text) + shift:%Y-%m-%dT%H:%M:%SZ}"

    times = {name: moved(getattr(view, name)) for name in ("issue_time", "published_at", "newest")}
    stage = view.stages[0].model_copy(update={"text": "<b>&"})
    lists = {name: [moved(one) for one in getattr(view, name)] for name in ("times", "valid_at")}
    night = view.model_copy(update=times | lists | {"stages": [stage]})
    text = picture_of(night, REGION, "ALL").decode()
    assert "&lt;b&gt;&amp;" in text
    labels = re.findall(r">(\d\d:00[^<]*)<", text)
    assert labels.index("01:00 EDT") + 1 == labels.index("01:00 EST")
