"""observations: rows of a caller become a panel, unless they span more than a window may."""

from datetime import timedelta

import pytest

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
