"""What is told of a faulty request: where the fault is, and nothing of what the caller sent."""

from collections.abc import Callable

import pytest
from fastapi.exceptions import RequestValidationError

from power_nowcast.serve.observations import parse_time, read
from power_nowcast.serve.schemas import Observations

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("ask", "where"),
    [
        (lambda: parse_time(SECRET, "query", "issue_time"), ("query", "issue_time")),
        (lambda: read(Observations, f'{{"rows": "{SECRET}"}}'.encode()), ("body", "rows")),
        (lambda: read(Observations, SECRET.encode()), ("body",)),
    ],
)
def test_errors_hold_nothing_of_what_was_sent(ask: Callable[[], object], where: tuple[str, ...]) -> None:
    with pytest.raises(RequestValidationError) as caught:
        ask()
    (error,) = caught.value.errors()
    assert error["loc"] == where
    assert set(error) == {"type", "loc", "msg"}
    assert SECRET not in str(error)
