import logging
from typing import Any

import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.regions import Region, SourceSpec, load

from .made_up import checked, reasons, region, rows

CODE = "code of a missing value"


def observed(name: str, **spec: Any) -> Region:
    weather = SourceSpec(source="files", label="instant", variables=(name,), **spec)
    return region().model_copy(update={"weather": weather, "weather_forecast": weather})


@pytest.mark.parametrize("table", [Table.WEATHER, Table.WEATHER_FORECAST])
@pytest.mark.parametrize("code", [-999.0, -9999.0, -99999.0, -999.9, -9999.9, -32768.0, 9999.0, 99999.0, 9.96921e36])
def test_codes_are_missing_whatever_the_variable_is_called(code: float, table: Table) -> None:
    values: list[float | None] = [0.0, 120.0, code, 480.0]
    for name in ("X.ghi_wm2", "X.whatever", "X.temperature_c"):
        level = [10.0, 12.0, code, 11.0] if name.endswith("_c") else values
        found = checked(rows(**{name: level}), observed(name), table)
        assert reasons(found) == {(name, CODE): 1}
        assert found.rows["value"].to_list() == [value for value in level if value != code]


@pytest.mark.parametrize("code", [999.0, 9999999.0, 999.9, 999.99, 9999.9, 32767.0])
def test_high_codes_are_missing_far_above_the_others(code: float) -> None:
    low = code / 2
    for others, found in ((low - 1, {("X.glow", CODE): 1}), (low, {})):
        sent = rows(**{"X.glow": [1.0, others, code]})
        assert reasons(checked(sent, observed("X.glow"), Table.WEATHER)) == found


@pytest.mark.parametrize("value", [99.0, 99999999.0, 32768.0, -99.0, -99999999.0, -32766.0, -999.8, 9.9e14, -9.9e14])
def test_values_beside_the_codes_are_values(value: float) -> None:
    sent = rows(**{"X.glow": [1.0, 2.0, value]})
    assert reasons(checked(sent, observed("X.glow"), Table.WEATHER)) == {}


@pytest.mark.parametrize(
    ("variable", "least", "most"),
    [("temperature_c", -60, 60), ("dew_point_c", -80, 45), ("wind_speed_ms", 0, 110), ("cloud_cover", 0, 1)],
)
def test_plausible_values_of_each_variable(variable: str, least: float, most: float) -> None:
    name = f"X.{variable}"
    sent = rows(**{name: [least - 0.1, float(least), float(most), most + 0.1]})
    found = checked(sent, observed(name), Table.WEATHER)
    assert found.rows["value"].to_list() == [least, most]
    assert len(found.bad) == 2


def test_a_high_value_among_its_like_is_none() -> None:
    bright: list[float | None] = [870.0, 985.0, 999.0, 980.0]
    assert reasons(checked(rows(**{"X.ghi_wm2": bright}), observed("X.ghi_wm2"), Table.WEATHER)) == {}
    limited = observed("X.visibility_m", limits={"visibility_m": [0, 9999]})
    assert reasons(checked(rows(**{"X.visibility_m": [9999.0, 9999.0]}), limited, Table.WEATHER)) == {}


def test_the_region_file_gives_limits_by_variable_or_series() -> None:
    for key in ("ghi_wm2", "X.ghi_wm2"):
        of = observed("X.ghi_wm2", limits={key: [0, 1500]})
        found = checked(rows(**{"X.ghi_wm2": [-3.0, 1501.0, 1499.0]}), of, Table.WEATHER)
        assert reasons(found) == {("X.ghi_wm2", "negative"): 1, ("X.ghi_wm2", "implausible"): 1}
    colder = observed("X.temperature_c", limits={"temperature_c": [-90, 60]})
    assert reasons(checked(rows(**{"X.temperature_c": [-75.0]}), colder, Table.WEATHER)) == {}


@pytest.mark.parametrize("limits", ["[5, 1]", "[1, 1]"])
def test_limits_out_of_order_are_a_wrong_region_file(tmp_path: Any, limits: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(
        'name = "w"\ntitle = "W"\ntimezone = "UTC"\ninterval_minutes = 15\nmodel = "w"\nholidays = { country = "DE" }\n'
        'zones = [{ name = "A", latitude = 1, longitude = 1, max_mw = 1 }]\n[power]\nsource = "files"\n'
        '[weather]\nsource = "files"\nvariables = ["X.ghi"]\n'
        f"limits = {{ ghi = {limits} }}\n"
    )
    with pytest.raises(ConfigurationError, match=r"weather.limits.*least plausible value comes first"):
        load(file)


def test_a_variable_without_limits_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    of = observed("ONCE.glow")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            checked(rows(**{"ONCE.glow": [1.0]}), of, Table.WEATHER)
    assert caplog.text.count("no plausible values are known of ONCE.glow") == 1


@pytest.mark.parametrize("max_mw", [3000.0, 20_000.0])
def test_codes_of_power_that_may_be_negative(max_mw: float) -> None:
    spec = SourceSpec(source="files", label="start", options={"allow_negative": True})
    of = region("wind", max_mw=max_mw).model_copy(update={"power": spec})
    found = checked(rows(A=[3.0, -9999.0, -0.4, 5.0]), of)
    assert reasons(found) == {("A", CODE): 1}
    assert found.rows["value"].to_list() == [3.0, -0.4, 5.0]
    assert reasons(checked(rows(A=[3.0, -max_mw - 1]), of)) == {("A", "implausible"): 1}
