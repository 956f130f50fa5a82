"""Sample paths and chances of the present: from the publication, without a run of the model, and made once."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.live.present import MOST_FURTHER
from power_nowcast.live.slot import ModelSlot
from tests.live.test_loop import BEGIN, HALF_HOUR, World
from tests.serve.conftest import problem_of
from tests.serve.test_live_routes import Live

PATH = "/v1/nowcast/toy/paths"


@pytest.fixture
def live(slot: ModelSlot, tmp_path: Path) -> Live:
    made = Live(World(tmp_path / "data"), slot)
    made.step()
    return made


def test_the_paths_of_the_present_are_those_of_its_publication(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, draws = list[object](), list[object]()
    features, paths = Bundle.features, Bundle.paths
    monkeypatch.setattr(Bundle, "features", lambda *given, **more: runs.append(given) or features(*given, **more))
    monkeypatch.setattr(Bundle, "paths", lambda *given, **more: draws.append(given) or paths(*given, **more))
    asked = {"series": "ALL", "count": 20}
    first, again = (live.client.get(PATH, params=asked) for _ in range(2))
    assert (first.status_code, first.content == again.content) == (200, True)
    assert (len(runs), len(draws)) == (0, 1)
    known = live.client.get(PATH, params=asked, headers={"if-none-match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    told, answer = first.json(), live.client.get("/v1/nowcast/toy").json()
    assert {name: told[name] for name in ("issue_time", "model", "answered_at")} == {
        name: answer[name] for name in ("issue_time", "model", "answered_at")
    }
    (one,) = told["series"]
    assert np.shape(one["paths"]) == (20, 2)
    many = live.client.get(PATH, params=asked | {"count": 1000}).json()["series"][0]["paths"]
    medians = np.median(np.array(many), axis=0)
    width = [one["quantiles"]["q75"][h] - one["quantiles"]["q25"][h] for one in answer["nowcasts"][:1] for h in (0, 1)]
    assert np.abs(medians - answer["nowcasts"][0]["quantiles"]["q50"]) == pytest.approx([0, 0], abs=0.3 * max(width))
    chance = live.client.get("/v1/nowcast/toy/probability", params={"above": medians[0]}).json()
    assert chance["issue_time"] == answer["issue_time"]
    assert runs == []
    live.client.get(PATH, params=asked | {"issue_time": "latest"})
    assert len(runs) == 1, "the counter counts"


def test_what_is_kept_of_a_publication_is_bounded_and_goes_with_it(live: Live) -> None:
    edition = live.app.state.present.of("toy")
    for seed in range(MOST_FURTHER + 3):
        assert live.client.get(PATH, params={"series": "ALL", "count": 0, "seed": seed}).status_code == 200
    assert len(edition.further) == MOST_FURTHER
    before = live.client.get(PATH, params={"series": "ALL", "count": 5})
    live.world.now = BEGIN + HALF_HOUR
    live.step()
    after = live.client.get(PATH, params={"series": "ALL", "count": 5})
    assert before.json()["issue_time"] != after.json()["issue_time"]
    live.world.now += timedelta(hours=2)
    problem_of(live.client.get(PATH), 503, "Stale data")
