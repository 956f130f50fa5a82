"""The time left, by a clock that the test turns."""

from collections.abc import Iterator

from power_nowcast.contracts.progress import Pace


def test_the_time_left_follows_the_pace() -> None:
    times: Iterator[float] = iter([100.0, 160.0, 220.0, 221.0, 222.0])
    pace = Pace(4, clock=lambda: next(times))
    assert pace.next() == ", 3 min left"  # 60 s each, three to go
    assert pace.next() == ", 2 min left"
    assert pace.next() == ", 40 s left"
    assert pace.next() == ""
