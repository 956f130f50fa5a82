import logging

import pytest

from power_nowcast.checks.capacity import _tell

from .made_up import checked, reasons, region, rows


@pytest.fixture(autouse=True)
def _untold() -> None:
    _tell.cache_clear()


@pytest.mark.parametrize(
    ("peak", "said", "lost"),
    [(2950.0, "comes near", 0), (3000.0, "comes near", 0), (3030.0, "exceeds", 5), (2500.0, "", 0), (90_000.0, "", 5)],
)
def test_capacity_that_grew_is_said_with_its_remedy(
    peak: float, said: str, lost: int, caplog: pytest.LogCaptureFixture
) -> None:
    sent = rows(A=[peak - place % 5 for place in range(5)])
    with caplog.at_level(logging.WARNING):
        found = checked(sent, region("wind"))
        checked(sent, region("wind"))
    assert reasons(found).get(("A", "implausible"), 0) == lost
    assert caplog.text.count("raise max_mw in the region file") == (1 if said else 0)
    assert f"A {said} its max_mw of 3000 MW" in caplog.text or not said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([3000.1] * 2, ""),
        ([3000.1] * 3, "exceeds"),
        ([4500.0] * 3, "exceeds"),
        ([4500.1] * 3, ""),
        ([2910.0], "comes near"),
        ([2909.9], ""),
    ],
)
def test_a_few_outliers_are_no_capacity(values: list[float], said: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        checked(rows(A=[100.0, *values, 110.0]), region("wind"))
    assert (f"A {said} its max_mw of 3000 MW" in caplog.text) if said else not caplog.text
