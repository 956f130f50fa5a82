"""Lines of the log: JSON with the fields of a structured record, and no key in any form."""

import json
import logging

import pytest

from power_nowcast.serve.logs import FIELDS, JsonLines, Plain, config

SECRET = "nowcast_" + "A1b2-_" * 7 + "x"


def record(message: str, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("power_nowcast.test", logging.WARNING, "file.py", 1, message, None, None)
    made.created = 1714564800.25
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_a_message_and_fields_are_json() -> None:
    told = json.loads(JsonLines().format(record("it is late")))
    same = {"at": "2024-05-01T12:00:00.250+00:00", "level": "WARNING", "logger": "power_nowcast.test"}
    assert told == same | {"message": "it is late"}
    told = json.loads(JsonLines().format(record("{}", **{FIELDS: {"status": 200, "path": "/a\nb"}})))
    assert told == same | {"status": 200, "path": "/a\nb"}


def test_a_trace_stays_on_one_line() -> None:
    try:
        raise ZeroDivisionError(SECRET)
    except ZeroDivisionError as error:
        made = record("failed", exc_info=(type(error), error, error.__traceback__))
    line = JsonLines().format(made)
    assert "\n" not in line
    assert json.loads(line)["trace"].endswith("ZeroDivisionError: KEY")


@pytest.mark.parametrize("form", [JsonLines(), Plain()])
def test_a_key_in_a_message_is_covered(form: logging.Formatter) -> None:
    assert len(SECRET) == 51
    line = form.format(record(f"asked with {SECRET}."))
    assert SECRET not in line
    assert "asked with KEY." in line


def test_people_get_plain_lines_and_machines_json() -> None:
    assert config(is_terminal=True)["formatters"]["line"]["()"] is Plain
    assert config(is_terminal=False)["formatters"]["line"] == {"()": JsonLines}
