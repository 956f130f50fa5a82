import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from power_nowcast import contracts
from power_nowcast.contracts import MEDIAN, Batch, Table
from power_nowcast.live.nowcaster import Nowcast
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import Region
from power_nowcast.serve.answers import number
from power_nowcast.serve.schemas import NowcastAnswer, PathsAnswer, ShortAnswer
from power_nowcast.store import Store
from tests.serve.conftest import NEWEST, NOW, Client, Clock, Place, Serve, fill, problem_of
from tests.toy import toy_bundle, toy_region, toy_rows

NAMES = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")


def values_of(answer: dict[str, Any]) -> np.ndarray:
    """Shape (series, step, quantile)."""
    listed = [[one["quantiles"][name] for name in NAMES] for one in answer["nowcasts"]]
    return np.moveaxis(np.array(listed, float), 1, 2)


def assert_equals(answer: dict[str, Any], offline: Nowcast) -> None:
    np.testing.assert_allclose(values_of(answer), offline.values, rtol=5e-6)
    assert answer["issue_time"] == f"{offline.issue_time}:00Z"
    assert answer["model"]["digest"] == offline.model_digest
    assert answer["model"]["calibration_id"] == offline.calibration_id
    assert [one["series"] for one in answer["nowcasts"]] == list(offline.series)
    assert [one["age_minutes"] for one in answer["nowcasts"]] == offline.age_minutes.tolist()


# ---- from the store


def test_paths_tell_the_peak_of_the_asked_horizons(client: Client, place: Place) -> None:
    answer = client.get("/v1/nowcast/toy/paths", params={"series": "ALL", "count": 40, "seed": 3}).json()
    PathsAnswer.model_validate(answer)
    nowcast = client.get("/v1/nowcast/toy", params={"series": "ALL"}).json()
    assert {key: answer[key] for key in ("issue_time", "model", "horizon_min")} == {
        key: nowcast[key] for key in ("issue_time", "model", "horizon_min")
    }
    (one,) = answer["series"]
    assert np.array(one["paths"]).shape == (40, len(answer["horizon_min"]))
    peak, trough = ([one[name][level] for level in NAMES] for name in ("peak", "trough"))
    assert peak == sorted(peak)
    # A peak is at least the value of any one horizon, so its quantiles are, too (up to the sample's own error).
    last = np.array([nowcast["nowcasts"][0]["quantiles"][name] for name in NAMES])
    width = last[-1].max() - last[0].min()
    assert (np.array(peak) >= last.max(axis=1) - 0.05 * width).all()
    assert (np.array(trough) <= last.min(axis=1) + 0.05 * width).all()
    again = client.get("/v1/nowcast/toy/paths", params={"series": "ALL", "count": 0, "seed": 3}).json()
    assert again["series"][0]["peak"] == one["peak"]
    assert again["series"][0]["paths"] == []


def test_paths_of_too_many_are_refused(client: Client) -> None:
    assert client.get("/v1/nowcast/toy/paths", params={"count": 100_000}).status_code == 422
    assert client.get("/v1/nowcast/nowhere/paths").status_code == 404


def test_get_equals_the_offline_model_of_this_minute(client: Client, place: Place) -> None:
    response = client.get("/v1/nowcast/toy")
    assert response.status_code == 200
    answer = response.json()
    NowcastAnswer.model_validate(answer)
    at = NOW.replace(second=0, microsecond=0)
    assert_equals(answer, place.offline(at))
    assert answer["horizon_min"] == [30, 60]
    assert answer["valid_at"] == ["2024-04-30T00:12:00Z", "2024-04-30T00:42:00Z"]
    assert (answer["live"], answer["quality"], answer["flags"], answer["unit"]) == (True, "full", [], "MW")
    assert (answer["newest_observation"], answer["newest_observation_age_minutes"]) == ("2024-04-29T23:30:00Z", 12)
    assert answer["answered_at"] == "2024-04-29T23:42:34Z"
    assert (answer["model"]["name"], answer["model"]["version"]) == ("toy-nowcast", "7")
    assert answer["model"]["kind"] == "persistence_ramp"


@pytest.mark.parametrize("text", ["2024-04-20T11:00:00Z", "2024-04-20T07:00:00-04:00"])
def test_get_of_the_past_is_a_replay(client: Client, place: Place, text: str) -> None:
    answer = client.get("/v1/nowcast/toy", params={"issue_time": text}).json()
    assert_equals(answer, place.offline(datetime(2024, 4, 20, 11, tzinfo=UTC)))
    assert answer["live"] is False


def test_get_latest_answers_for_the_newest_observation(client: Client, place: Place, clock: Clock) -> None:
    clock.now = NEWEST + timedelta(days=400)
    answer = client.get("/v1/nowcast/toy", params={"issue_time": "latest"}).json()
    assert_equals(answer, place.offline(NEWEST))
    assert answer["live"] is False


def _deliver(store: Store, region: Region, upto: datetime, now: datetime) -> None:
    """Note a file of power with values until a time, as `nowcast ingest` does."""
    rows = pl.DataFrame(
        {"region": region.name, "series": "N.E.", "valid_at": [upto], "value": [1.0], "available_at": [upto]}
    ).with_columns(basis=pl.lit("delay"), source=pl.lit("files"))
    rows = rows.select(contracts.ROWS.names()).cast(dict(contracts.ROWS))
    store.note_delivery(Batch(region.name, Table.POWER, rows, "a.csv", f"{now}"), now=now)


def test_an_archive_answers_for_its_newest_moment_until_its_files_keep_coming(
    serve: Serve, place: Place, clock: Clock, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    fill(store, place.region, toy_rows())
    _deliver(store, place.region, NEWEST, NOW + timedelta(days=2))
    clock.now = NEWEST + timedelta(days=400)
    client = serve(store=store)
    answer = client.get("/v1/nowcast/toy").json()
    assert_equals(answer, place.offline(NEWEST))
    assert (answer["flags"], answer["live"]) == (["archive"], False)
    assert client.get("/readyz").status_code == 200
    assert client.get("/v1/regions").json()[0]["archive"] is True
    for minutes in (30, 60):
        at = NEWEST + timedelta(days=3, minutes=minutes)
        _deliver(store, place.region, at, at + timedelta(minutes=5))
    assert client.get("/v1/regions").json()[0]["archive"] is False
    assert client.get("/readyz").status_code == 503
    problem_of(client.get("/v1/nowcast/toy"), 503, "Stale data")


def test_numbers_have_the_digits_that_mean_something(client: Client) -> None:
    for path in ("/v1/nowcast/toy", "/v1/nowcast/toy/paths"):
        numbers = re.findall(r"\d+\.\d+", client.get(path).text)
        assert len(numbers) > 42
        assert max(len(one.lstrip("0.").replace(".", "")) for one in numbers) <= 6


@pytest.mark.parametrize(
    ("value", "told"),
    [(17234.123456, 17234.1), (1.23456789, 1.23457), (0.0123456789, 0.012346), (1234567.8, 1234568), (-0.0, 0)],
)
def test_small_feeders_keep_their_watts(value: float, told: float) -> None:
    assert number(value) == told


def test_series_and_horizons_choose(client: Client, place: Place) -> None:
    chosen = {"series": ["SOUTH 1", "ALL", "SOUTH 1"], "horizon": [60]}
    answer = client.get("/v1/nowcast/toy", params=chosen).json()
    assert [one["series"] for one in answer["nowcasts"]] == ["SOUTH 1", "ALL"]
    assert answer["horizon_min"] == [60]
    whole = place.offline(NOW.replace(second=0, microsecond=0))
    np.testing.assert_allclose(values_of(answer), whole.values[[2, 0]][:, [1]], rtol=5e-6)


def test_new_rows_in_the_store_are_seen(serve: Serve, slot: ModelSlot, tmp_path: Path, clock: Clock) -> None:
    region, store, all_rows = toy_region(), Store(tmp_path), toy_rows()
    fill(store, region, all_rows[:-4])
    client = serve(store=store)
    before = client.get("/v1/nowcast/toy").json()
    assert before["newest_observation"] == "2024-04-29T21:30:00Z"
    assert before == client.get("/v1/nowcast/toy").json()
    fill(store, region, all_rows[-4:])
    assert client.get("/v1/nowcast/toy").json()["newest_observation"] == "2024-04-29T23:30:00Z"


def test_get_counts_only_outcomes_known_at_the_issue_time(serve: Serve, place: Place, tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, place.region, toy_rows())
    at = datetime(2024, 4, 25, tzinfo=UTC)
    frozen = place.bundle.calibration
    later = replace(frozen, base=frozen.base + 0.3, as_of=np.datetime64(at.date(), "m"))
    state = json.dumps(later.to_json())
    store.write_calibration("toy", place.bundle.digest, later.id, at, state, now=NOW)
    client = serve(store=store)
    before = client.get("/v1/nowcast/toy", params={"issue_time": (at - timedelta(minutes=1)).isoformat()}).json()
    after = client.get("/v1/nowcast/toy", params={"issue_time": at.isoformat()}).json()
    assert (before["model"]["calibration_id"], after["model"]["calibration_id"]) == (frozen.id, later.id)
    assert_equals(after, Place(place.region, place.bundle, store).offline(at, calibration=later))
    card = client.get("/v1/models").json()[0]
    assert (card["model"]["calibration_id"], card["frozen_calibration_id"]) == (later.id, frozen.id)

    # Both can be asked for by name, with a caller's rows too.
    rows = toy_rows().to_dicts()
    for wanted, calibration in ((frozen.id, frozen), (later.id, later), (None, later)):
        told = client.post("/v1/nowcast/toy", json={"rows": rows, "calibration_id": wanted}).json()
        assert_equals(told, Place(place.region, place.bundle, store).offline(NEWEST, calibration=calibration))


# ---- from the caller's rows


def test_post_equals_the_offline_model(client: Client, place: Place, rows: list[dict[str, Any]]) -> None:
    answer = client.post("/v1/nowcast/toy", json={"rows": rows}).json()
    assert_equals(answer, place.offline(NEWEST))
    assert answer["quality"] == "full"


def test_rows_in_any_order_and_in_columns_are_the_same(client: Client, rows: list[dict[str, Any]]) -> None:
    wanted = client.post("/v1/nowcast/toy", json={"rows": rows}).json()
    shuffled = [rows[i] for i in np.random.default_rng(3).permutation(len(rows))]
    split = {"columns": list(rows[0]), "data": [list(row.values()) for row in shuffled]}
    for asked in ({"rows": shuffled}, {"split": split}):
        assert client.post("/v1/nowcast/toy", json=asked).json() == wanted


def test_rows_after_the_issue_time_change_nothing(client: Client, place: Place, rows: list[dict[str, Any]]) -> None:
    asked = {"rows": rows, "issue_time": rows[-20]["valid_at"]}
    answer = client.post("/v1/nowcast/toy", json=asked).json()
    assert_equals(answer, place.offline(NEWEST - timedelta(minutes=19 * 30)))


def test_the_short_form_holds_the_same_figures(client: Client, place: Place, rows: list[dict[str, Any]]) -> None:
    answer = client.post("/nowcast", json={"rows": rows}).json()
    ShortAnswer.model_validate(answer)
    offline = place.offline(NEWEST)
    told = np.array([[row[name] for name in NAMES] for row in answer["rows"]])
    np.testing.assert_allclose(told, offline.values.reshape(-1, 7), rtol=5e-6)
    assert [row["yhat"] for row in answer["rows"]] == told[:, MEDIAN].tolist()
    assert [(row["series"], row["horizon_min"]) for row in answer["rows"]] == [
        (name, step) for name in ("ALL", "N.E.", "SOUTH 1") for step in (30, 60)
    ]
    assert answer["model"]["calibration_id"] == place.bundle.calibration.id
    one = client.post("/nowcast", json={"rows": rows, "region": "toy", "series": ["ALL"], "horizon": [30]}).json()
    assert one["rows"] == answer["rows"][:1]


def test_a_late_zone_is_said_to_be_late(client: Client, rows: list[dict[str, Any]]) -> None:
    for row in rows[-3:]:
        row["N.E."] = None
    answer = client.post("/v1/nowcast/toy", json={"rows": rows}).json()
    quality = {one["series"]: (one["quality"], one["age_minutes"]) for one in answer["nowcasts"]}
    assert quality["SOUTH 1"][1] == 0
    assert quality["N.E."] == ("persistence", 90)
    assert answer["quality"] == "persistence"
    assert answer["newest_observation_age_minutes"] == 0
    for row in rows[-10:]:
        row.pop("N.E.")
    answer = client.post("/v1/nowcast/toy", json={"rows": rows}).json()
    refused = next(one for one in answer["nowcasts"] if one["series"] == "N.E.")
    assert (refused["quality"], refused["origin_mw"], refused["quantiles"]["q50"]) == ("refused", None, [None, None])
    assert answer["quality"] == "refused"
    short = client.post("/nowcast", json={"rows": rows, "series": ["N.E."]}).json()
    assert [row["yhat"] for row in short["rows"]] == [None, None]


def test_missing_weather_and_gaps_are_flagged(client: Client, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        del row["KTOY.temperature_c"]
    for row in rows[-5:-2]:
        row["SOUTH 1"] = row["N.E."] = None
    answer = client.post("/v1/nowcast/toy", json={"rows": rows}).json()
    assert answer["quality"] == "reduced"
    assert answer["flags"] == ["no weather", "gaps in the recent hours"]


def test_rows_without_the_operators_forecast_are_answered(serve: Serve, tmp_path: Path, clock: Clock) -> None:
    """A model trained with the forecast answers without it, and says so."""
    region = Region.model_validate(
        toy_region().model_dump() | {"forecast": {"source": "files", "interval_minutes": 60}}
    )
    bundle = toy_bundle(region, kind="lightgbm", n_estimators=5, min_child=5)
    bundle.save(tmp_path / "bundle")
    slot = ModelSlot(region, lambda: Fetched(tmp_path / "bundle", "1", bundle.digest), tmp_path / "cache")
    slot.load()
    client = serve(region=region, slot=slot)
    rows = toy_rows().to_dicts()
    without = client.post("/v1/nowcast/toy", json={"rows": rows}).json()
    assert (without["quality"], without["flags"]) == ("reduced", ["no operator forecast"])
    assert np.isfinite(values_of(without)).all()
    rows += [{"valid_at": f"2024-04-30T{hour:02d}:00:00Z"} for hour in range(4)]
    for row in rows:
        row["forecast.ALL"] = row["forecast.N.E."] = row["forecast.SOUTH 1"] = 1500.0
    told = client.post("/v1/nowcast/toy", json={"rows": rows}).json()
    assert (told["quality"], told["flags"]) == ("full", [])


# ---- bad input


# ---- parts and forms of an answer


def test_horizons_and_quantiles_choose_a_part(client: Client) -> None:
    whole = client.get("/v1/nowcast/toy").json()
    last = whole["horizon_min"][-1]
    for query in (
        {"horizons": f"30,{last}", "quantiles": "0.1,0.9"},
        {"horizons": [30, last], "quantiles": ["0.9", "0.1"]},
        {"horizon": [30, last], "quantiles": "0.10,0.90"},
    ):
        told = client.get("/v1/nowcast/toy", params=query).json()
        assert told["horizon_min"] == [30, last]
        for one, all_of_it in zip(told["nowcasts"], whole["nowcasts"], strict=True):
            places = [whole["horizon_min"].index(step) for step in (30, last)]
            wanted = {name: [all_of_it["quantiles"][name][at] for at in places] for name in ("q10", "q90")}
            assert one["quantiles"] == wanted
    paths = client.get("/v1/nowcast/toy/paths", params={"horizons": str(last), "count": 1}).json()
    assert paths["horizon_min"] == [last]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"quantiles": "0.3"}, "query.quantiles"),
        ({"quantiles": "0.5,NaN"}, "query.quantiles"),
        ({"quantiles": ""}, "query.quantiles.0"),
        ({"horizons": "30,"}, "query.horizons.1"),
        ({"format": "parquet"}, "query.format"),
    ],
)
def test_a_part_or_form_that_does_not_exist_is_refused(client: Client, query: dict[str, str], where: str) -> None:
    response = client.get("/v1/nowcast/toy", params=query)
    assert problem_of(response, 422, "Invalid request")["errors"][0]["where"] == where


def test_csv_has_the_values_of_the_answer(client: Client) -> None:
    whole = client.get("/v1/nowcast/toy").json()
    response = client.get("/v1/nowcast/toy", params={"format": "csv"})
    assert response.headers["content-type"].startswith("text/csv")
    table = pl.read_csv(response.content)
    assert table.columns == ["issue_time", "series", "valid_at", "horizon_min", "yhat", *NAMES, "quality"]
    assert len(table) == len(whole["nowcasts"]) * len(whole["horizon_min"])
    for one in whole["nowcasts"]:
        own = table.filter(pl.col("series") == one["series"])
        assert {name: own[name].to_list() for name in NAMES} == one["quantiles"]
        assert own["yhat"].to_list() == one["quantiles"]["q50"]
        assert own["valid_at"].to_list() == whole["valid_at"]
    some = client.get("/v1/nowcast/toy", params={"format": "csv", "quantiles": "0.1,0.9", "series": "ALL"})
    assert pl.read_csv(some.content).columns == [
        *("issue_time", "series", "valid_at", "horizon_min", "yhat", "q10", "q90", "quality")
    ]
    refused = client.get("/v1/nowcast/toy", params={"format": "csv", "series": "MOON"})
    problem_of(refused, 404, "Unknown series")
