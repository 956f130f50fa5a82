"""The examples of the description: what they say is what an answer could say."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from power_nowcast.contracts import QUANTILES
from power_nowcast.scoring import label
from power_nowcast.serve.guard import Limits
from power_nowcast.store.keys import Scope
from tests.serve.conftest import Client, Place, Serve

NAMES = [f"q{label(level)}" for level in QUANTILES]


@pytest.fixture
def schemas(client: Client) -> dict[str, Any]:
    described: dict[str, Any] = client.get("/openapi.json").json()
    return described["components"]["schemas"]


def test_quantiles_of_the_examples_lie_about_the_last_value_and_never_cross(schemas: dict[str, Any]) -> None:
    (answer,), (short,) = schemas["NowcastAnswer"]["examples"], schemas["ShortAnswer"]["examples"]
    (one,) = answer["nowcasts"]
    assert one["origin_mw"] == 4500, "of two zones of 5000 MW at .45 of their maxima"
    assert list(one["quantiles"]) == NAMES
    for h in range(2):
        values = [one["quantiles"][name][h] for name in NAMES]
        assert all(lower < higher for lower, higher in pairwise(values))
        assert values[3] == 4500
        assert values[0] > 4400
        assert values[-1] < 4600
        row = short["rows"][h]
        assert [row[name] for name in NAMES] == values
        assert row["yhat"] == values[3]
    near, far = (one["quantiles"]["q95"][h] - one["quantiles"]["q05"][h] for h in range(2))
    assert near < far, "what is further ahead is less certain"


def test_the_examples_are_of_one_series_and_one_time(schemas: dict[str, Any], place: Place) -> None:
    first = place.region.series[0]
    (answer,), (short,) = schemas["NowcastAnswer"]["examples"], schemas["ShortAnswer"]["examples"]
    assert schemas["Observations"]["examples"][0]["series"] == [first]
    assert [one["series"] for one in answer["nowcasts"]] == [first]
    assert [row["series"] for row in short["rows"]] == [first, first]
    for example in (answer, short):
        issue, newest = (datetime.fromisoformat(example[name]) for name in ("issue_time", "newest_observation"))
        assert example["newest_observation_age_minutes"] == (issue - newest).total_seconds() / 60
        assert answer["nowcasts"][0]["age_minutes"] == example["newest_observation_age_minutes"]
    ahead = [datetime.fromisoformat(text) - datetime.fromisoformat(answer["issue_time"]) for text in answer["valid_at"]]
    assert [span.total_seconds() / 60 for span in ahead] == answer["horizon_min"]
    assert [row["valid_at"] for row in short["rows"]] == answer["valid_at"]
    assert [row["horizon_min"] for row in short["rows"]] == answer["horizon_min"]


def test_keys_and_rates_are_described_where_they_hold(client: Client, serve: Serve) -> None:
    free = client.app.openapi()
    assert "security" not in free["paths"]["/v1/nowcast/{region}"]["post"]
    assert free["paths"]["/v1/interventions/{region}"]["post"]["security"] == [{"bearer": []}, {"header": []}]
    assert "security" not in free["paths"]["/v1/interventions/{region}"]["get"]
    closed = serve(limits=Limits(needs_key=frozenset({Scope.ADMIN}), rate=60)).app.openapi()
    assert set(closed["components"]["securitySchemes"]) == {"bearer", "header"}
    post, get = (closed["paths"]["/v1/nowcast/{region}"][method] for method in ("post", "get"))
    assert post["security"] == [{"bearer": []}, {"header": []}]
    assert {"401", "403", "429"} <= set(post["responses"])
    assert "security" not in get
    assert "429" in get["responses"]
    assert "401" not in get["responses"]
    assert "429" not in closed["paths"]["/healthz"]["get"]["responses"]
