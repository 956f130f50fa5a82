"""What a caller brings passes the rules of ingest: unknown with a flag, 0 MW at night, or refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from power_nowcast.errors import SourceFormatError
from power_nowcast.features.rows import from_rows
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import SourceSpec
from power_nowcast.regions.sun import elevations
from power_nowcast.serve.screen import CODES, FUTURE, ZEROS, screen
from power_nowcast.store import Store
from tests.checks.made_up import START, load, region, sun
from tests.serve.conftest import NEWEST, Client, Clock, Serve, fill
from tests.toy import toy_bundle, toy_region, toy_rows

LATER = START + timedelta(days=30)


def wide(**columns: list[float | None]) -> pl.DataFrame:
    count = len(next(iter(columns.values())))
    ends = [START + timedelta(minutes=15 * (place + 1)) for place in range(count)]
    frame = pl.DataFrame({"valid_at": ends}, {"valid_at": pl.Datetime("us", "UTC")})
    return frame.with_columns(pl.Series(name, column, pl.Float64) for name, column in columns.items())


@pytest.mark.parametrize("zero", [0.0, 0.01, -0.02])
def test_zeros_for_missing_load_are_unknown_and_so_is_the_total(zero: float) -> None:
    a, b = load(), load(seed=2)
    sent = wide(A=[*a[:-2], zero, zero], B=b)
    kept, flags = screen(region(), sent, LATER)
    assert flags == (ZEROS,)
    panel = from_rows(region(), kept)
    assert np.isnan(panel.power.values[-2:, :2]).all(), "the total and A"
    np.testing.assert_array_equal(panel.power.values[-2:, 2], b[-2:])
    np.testing.assert_allclose(panel.power.values[:-2, 0], np.array(a[:-2]) + b[:-2])


def test_right_rows_stay_as_they_are() -> None:
    sent = wide(A=load(), B=load(seed=2))
    kept, flags = screen(region(), sent, LATER)
    assert flags == ()
    assert kept.equals(sent)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: [value / 1000 for value in a], "values of A are .* GW"),
        (lambda a: [value * 1000 for value in a], "values of A are .* kW"),
        (lambda a: a[:-4] + [value / 1000 for value in a[-4:]], "Column A, .* looks like GW"),
        (lambda a: a[:-4] + [value * 1000 for value in a[-4:]], "Column A, .* looks like kW"),
        (lambda a: a[:96] + [value / 1000 for value in a[96:]], "from 2024-05-02T00:15:00Z on 96 values of A"),
    ],
)
def test_another_unit_is_refused(change: Callable[[list[float]], list[float]], said: str) -> None:
    with pytest.raises(SourceFormatError, match=said):
        screen(region(), wide(A=change(load()), B=load(seed=2)), LATER)


def test_forecasts_in_another_unit_are_refused() -> None:
    of = region().model_copy(update={"forecast": region().power})
    gigawatts: list[float | None] = [value / 1000 for value in load()]
    with pytest.raises(SourceFormatError, match=r"The forecasts: the values of B are .* GW"):
        screen(of, wide(A=load(), B=load(), **{"forecast.A": [*load()], "forecast.B": gigawatts}), LATER)


def test_what_lies_ahead_is_left_out() -> None:
    sent = wide(A=[*load(100), *[0.0] * 20], B=[*load(100), *[0.0] * 20])
    kept, flags = screen(region(), sent, sent["valid_at"][99] + timedelta(minutes=13))
    assert flags == (FUTURE,)
    assert kept["A"].to_list() == [*load(100), *[None] * 20]
    with pytest.raises(
        SourceFormatError, match=r"No observation is left: values of the future left out\. It is 2024-04"
    ):
        screen(region(), sent, START - timedelta(days=1))


def test_what_comes_after_the_issue_time_decides_nothing() -> None:
    sent = wide(A=[*load(100), *[9e9] * 20], B=load(120))
    kept, flags = screen(region(), sent, LATER, issue=np.datetime64(sent["valid_at"][99].replace(tzinfo=None), "m"))
    assert flags == ()
    assert kept["A"].to_list() == [*load(100), *[None] * 20]


def test_codes_and_limits_of_weather() -> None:
    spec = SourceSpec(source="files", label="instant", variables=("X.ghi", "X.temperature_c"))
    of = region().model_copy(update={"weather": spec})
    weather: list[float | None] = [100.0] * 191
    columns = {"X.ghi": [*weather, -9999.0], "X.temperature_c": [*([12.0] * 191), -999.0]}
    kept, flags = screen(of, wide(A=load(), B=load(), **columns), LATER)
    assert flags == (CODES,)
    assert (kept["X.ghi"][-1], kept["X.temperature_c"][-1]) == (None, None)
    assert kept["X.ghi"].null_count() == 1
    with pytest.raises(SourceFormatError, match=r"Column X\.temperature_c, row 3: 75 is outside -60 \.\. 60"):
        screen(of, wide(A=load(8), B=load(8), **{"X.temperature_c": [1.0, 1.0, 1.0, 75.0, *[1.0] * 4]}), LATER)


def test_weather_is_screened_where_no_operator_forecasts() -> None:
    """Tables that the region does not have, or of which the caller sent nothing, are passed over one by one."""
    spec = SourceSpec(source="files", label="instant", variables=("X.temperature_c",))
    of = region().model_copy(update={"weather": None, "weather_forecast": spec})
    told: list[float | None] = [*([12.0] * 191), -999.0]
    for sent in ({}, {"A": load(), "B": load()}):
        kept, flags = screen(of, wide(**sent, **{"forecast.X.temperature_c": told}), LATER)
        assert flags == (CODES,)
        assert kept["forecast.X.temperature_c"].to_list() == [*told[:-1], None]


def test_a_load_just_below_zero_is_a_missing_value_and_one_further_below_is_refused() -> None:
    """The limit is .0003 of the maximum of 3000 MW."""
    kept, flags = screen(region(), wide(A=[*load()[:-1], -0.89], B=load(seed=2)), LATER)
    assert (kept["A"][-1], flags) == (None, (ZEROS,))
    with pytest.raises(SourceFormatError, match=r"Column A, row 191: -0\.91 MW is outside 0 \.\. 3000"):
        screen(region(), wide(A=[*load()[:-1], -0.91], B=load(seed=2)), LATER)


def test_limits_are_themselves_plausible_and_forecasts_and_wind_have_no_slack() -> None:
    most = {"A": [*load()[:-1], 3000.0], "B": load(seed=2)}
    assert screen(region(), wide(**most), LATER)[0]["A"][-1] == 3000.0
    told, of = {"forecast.A": [0.0, 3000.0, *[1000.0] * 190]}, region()
    of = of.model_copy(update={"forecast": of.power})
    assert screen(of, wide(**most, **told), LATER)[0]["forecast.A"].to_list() == told["forecast.A"]
    told["forecast.A"][0] = -0.5
    with pytest.raises(SourceFormatError, match=r"Column forecast\.A, row 0: -0\.5 MW is outside 0 \.\. 3000"):
        screen(of, wide(**most, **told), LATER)
    with pytest.raises(SourceFormatError, match=r"Column A, row 191: -0\.5 MW is outside 0 \.\. 3000"):
        screen(region("wind"), wide(A=[*load()[:-1], -0.5], B=load(seed=2)), LATER)


def test_of_several_implausible_values_the_first_is_named() -> None:
    with pytest.raises(SourceFormatError, match=r"Column A, row 190: 3001 MW is outside 0 \.\. 3000") as caught:
        screen(region(), wide(A=[*load()[:-2], 3001.0, 3002.0], B=load(seed=2)), LATER)
    assert (caught.value.fields["row"], caught.value.fields["value"]) == (190, 3001)


def test_nights_of_the_sun_are_nothing_however_they_are_sent() -> None:
    of, values = region("solar"), sun(2)
    at_night = [value == 0 for value in values]
    dusk = max(place for place, is_night in enumerate(at_night) if not is_night)
    told = {
        "zeros": wide(A=values, B=values),
        "own use": wide(A=[value or -0.8 for value in values], B=values),
        "nulls": wide(A=[value or None for value in values], B=[value or None for value in values]),
        "left out": wide(A=values, B=values).filter(~pl.Series(at_night)),
    }
    issue = np.datetime64("2024-05-02T23:00", "m")
    for name, sent in told.items():
        kept, flags = screen(of, sent, LATER, issue=issue)
        panel = from_rows(of, kept, until=issue)
        assert flags == (), name
        assert panel.end == issue, name
        last = {str(time): row for time, row in zip(panel.times, panel.power.values, strict=True)}
        for time in ("2024-05-02T20:00", "2024-05-02T23:00"):
            np.testing.assert_array_equal(last[time], [0.0, 0.0, 0.0], err_msg=f"{name} {time}")
        assert (panel.power.values[dusk - 1 : dusk, 0] > 0).all() or name == "left out"
    with pytest.raises(SourceFormatError, match="Column A, row 0: -61 MW is outside 0"):
        screen(of, wide(A=[-61.0, *values[1:]], B=values), LATER)


def rows_of(change: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows) -> list[dict[str, Any]]:
    return change(toy_rows()).to_dicts()


def last(count: int, name: str, value: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    late = pl.int_range(pl.len()) >= pl.len() - count
    return lambda rows: rows.with_columns(pl.when(late).then(value).otherwise(pl.col(name)).alias(name))


def test_the_api_says_what_it_left_out_and_trusts_its_answer_less(client: Client) -> None:
    answer = client.post("/v1/nowcast/toy", json={"rows": rows_of(last(2, "N.E.", 0.0))}).json()
    assert answer["flags"] == ["gaps in the recent hours", ZEROS, "zones missing"]
    assert answer["quality"] == "persistence", "of the oldest series: an hour is too late"
    ages = {one["series"]: one["age_minutes"] for one in answer["nowcasts"]}
    assert ages == {"ALL": 0.0, "N.E.": 60.0, "SOUTH 1": 0.0}
    origins = {one["series"]: one["origin_mw"] for one in answer["nowcasts"]}
    right = toy_rows()
    assert origins["ALL"] == pytest.approx(right["N.E."][-1] + right["SOUTH 1"][-1], rel=0.02), "from SOUTH 1"
    assert origins["N.E."] == pytest.approx(right["N.E."][-3], rel=1e-5)
    nulls = rows_of(lambda rows: rows.with_columns(pl.when(pl.int_range(pl.len()) < pl.len() - 2).then("N.E.")))
    same = client.post("/v1/nowcast/toy", json={"rows": nulls}).json()
    assert [one["quantiles"] for one in same["nowcasts"]] == [one["quantiles"] for one in answer["nowcasts"]]


def test_the_api_refuses_another_unit(client: Client) -> None:
    problem = client.post("/v1/nowcast/toy", json={"rows": rows_of(last(3, "SOUTH 1", 2.5))})
    assert problem.status_code == 200, "three times the same: what stands for a missing value"
    assert problem.json()["flags"][-1] == ZEROS
    gigawatts = pl.when(pl.int_range(pl.len()) >= pl.len() - 3).then(pl.col("SOUTH 1") / 1000).otherwise("SOUTH 1")
    problem = client.post(
        "/v1/nowcast/toy", json={"rows": rows_of(lambda rows: rows.with_columns(gigawatts.alias("SOUTH 1")))}
    )
    assert problem.status_code == 422
    assert "looks like GW, not MW" in problem.json()["detail"]


def test_the_api_answers_for_the_newest_measurement_that_is_over(client: Client, clock: Clock) -> None:
    clock.now = NEWEST - timedelta(hours=2)
    answer = client.post("/v1/nowcast/toy", json={"rows": rows_of(last(4, "N.E.", 0.0))}).json()
    assert answer["issue_time"] == f"{clock.now:%Y-%m-%dT%H:%M:%SZ}"
    assert (answer["quality"], answer["flags"]) == ("reduced", [FUTURE])


def test_nothing_that_is_stored_of_the_future_counts(client: Client, clock: Clock) -> None:
    clock.now = datetime(2024, 4, 29, 12, 10, tzinfo=UTC)
    latest = client.get("/v1/nowcast/toy?issue_time=latest").json()
    assert latest["issue_time"] == "2024-04-29T12:00:00Z"
    state = client.get("/readyz").json()["regions"]["toy"]
    assert (state["newest_observation"], state["newest_observation_age_minutes"]) == ("2024-04-29T12:00:00Z", 10.0)


@pytest.mark.parametrize("left_out", [True, False])
def test_no_refusal_at_night_and_dawn(serve: Serve, tmp_path: Path, clock: Clock, left_out: bool) -> None:
    """Half an hour before sunrise, where nights are left out as where they are told."""
    zones = tuple(zone.model_copy(update={"kind": "solar"}) for zone in toy_region().zones)
    of = toy_region().model_copy(update={"zones": zones})
    bundle = toy_bundle(of)
    bundle.save(tmp_path / "bundle")
    slot = ModelSlot(of, lambda: Fetched(tmp_path / "bundle", "1", bundle.digest), tmp_path / "cache")
    slot.load()
    times = toy_rows()["valid_at"]
    ends = times.str.to_datetime(time_zone="UTC").dt.replace_time_zone(None).to_numpy()
    height = np.min([elevations(ends, zone.latitude, zone.longitude) for zone in zones], axis=0)
    output = pl.Series(np.clip(height, 0, None) * 30)
    rows = pl.DataFrame({"valid_at": times, "N.E.": output, "SOUTH 1": output * 2})
    rows = rows.filter(output > 0) if left_out else rows
    store = Store(tmp_path / "data")
    fill(store, of, rows)
    client = serve(region=of, slot=slot, store=store)
    clock.now = datetime(2024, 4, 29, 9, 10, tzinfo=UTC)  # 5:10 in New York
    answer = client.get("/v1/nowcast/toy").json()
    ages = {one["series"]: (one["origin_mw"], one["age_minutes"]) for one in answer["nowcasts"]}
    assert ages == dict.fromkeys(("ALL", "N.E.", "SOUTH 1"), (0.0, 10.0))
    assert answer["flags"] == ["no weather", "inside training data"]
    assert client.get("/readyz").json()["ready"] is True
    sent = client.post(
        "/v1/nowcast/toy",
        json={
            "rows": rows.filter(pl.col("valid_at") < "2024-04-29T09:05").to_dicts(),
            "issue_time": "2024-04-29T09:10:00Z",
        },
    ).json()
    assert [one["quantiles"] for one in sent["nowcasts"]] == [one["quantiles"] for one in answer["nowcasts"]]
    clock.now = datetime(2024, 4, 29, 8, 10, tzinfo=UTC) + timedelta(days=2)
    assert client.get("/v1/nowcast/toy").status_code == 503, "what is missing by day is not excused by the night"
