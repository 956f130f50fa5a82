"""observations: rows of a caller become a panel, unless they span more than a window may."""

from datetime import timedelta

import pytest
from fastapi.exceptions import RequestValidationError

from power_nowcast.errors import SourceFormatError
from power_nowcast.serve.observations import MAX_SPAN_DAYS, panel_of
from power_nowcast.serve.schemas import Observations
from tests.serve.conftest import NEWEST, NOW
from tests.toy import toy_region

ZONES = {"N.E.": 1000.0, "SOUTH 1": 2000.0}


def asked(days: int) -> Observations:
    """Three rows, the first one `days` before the others."""
    times = [NEWEST - timedelta(days=days), NEWEST - timedelta(minutes=30), NEWEST]
    return Observations.model_validate({"rows": [{"valid_at": time.isoformat(), **ZONES} for time in times]})


def test_rows_may_span_as_many_days_as_a_window_has() -> None:
    panel, flags = panel_of(toy_region(), asked(MAX_SPAN_DAYS), NOW)
    assert len(panel.power) == MAX_SPAN_DAYS * 48 + 1
    assert panel.power.values[-1].tolist() == [3000.0, 1000.0, 2000.0]
    assert flags == ()


def test_rows_of_more_days_are_refused() -> None:
    with pytest.raises(SourceFormatError, match=f"The rows span {MAX_SPAN_DAYS + 1} days") as caught:
        panel_of(toy_region(), asked(MAX_SPAN_DAYS + 1), NOW)
    assert caught.value.fields["days"] == MAX_SPAN_DAYS + 1


@pytest.mark.parametrize(
    "written",
    ["2024-04-20T11:00:00Z", "2024-04-20T11:00:00+00:00", "2024-04-20T13:00:00+02:00", "2024-04-20T11:00:00.000Z"],
)
def test_a_time_has_several_forms_and_one_meaning(written: str) -> None:
    rows = [{"valid_at": text, **ZONES} for text in ("2024-04-20T10:30:00Z", written)]
    panel, _ = panel_of(toy_region(), Observations.model_validate({"rows": rows}), NOW)
    assert str(panel.end) == "2024-04-20T11:00"
    assert panel.power.values.tolist() == [[3000.0, 1000.0, 2000.0]] * 2


@pytest.mark.parametrize(
    "written", ["2024-02-30T11:00:00Z", "2024-04-20T11:00:60Z", "2024-04-20T24:00:00Z", "1979-04-20T11:00:00Z", None, 7]
)
def test_what_is_no_time_is_refused_by_its_row(written: object) -> None:
    rows = [{"valid_at": told, **ZONES} for told in ("2024-04-20T10:30:00Z", written)]
    with pytest.raises(RequestValidationError) as caught:
        panel_of(toy_region(), Observations.model_validate({"rows": rows}), NOW)
    assert [one["loc"] for one in caught.value.errors()] == [("body", "rows", 1, "valid_at")]
