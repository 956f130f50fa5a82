"""Changes of the production version: a command in a process of its own, one at a time, each told to its end."""

import sys
import time
from datetime import UTC, datetime

import pytest

from power_nowcast.live.changes import Change, Changes, State

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def wanted(version: str | None = "2", region: str = "toy", reason: str = "it is better") -> Change:
    return Change(region, version, "ada", reason, NOW)


def ended(changes: Changes, region: str = "toy") -> Change:
    last = time.monotonic() + 20
    while time.monotonic() < last:
        found = changes.of(region)[0]
        if found.state is not State.RUNNING:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not end")


def test_the_command_gets_what_was_asked_and_its_sentences_are_told() -> None:
    shows = python("import sys; print('- It is better.'); print(sys.argv[1:])")
    changes = Changes({"toy": "toy.toml"}, lambda: NOW, shows)
    assert changes.of("toy") == []
    begun, is_same = changes.ask(wanted(reason="--rollback; `id`"))
    assert (begun.state, is_same) == (State.RUNNING, True)
    found = ended(changes)
    assert (found.state, found.told[0], found.ended_at) == (State.DONE, "It is better.", NOW)
    assert found.told[1] == str(["--region", "toy.toml", "--version=2", "--person=ada", "--reason=--rollback; `id`"])
    changes.ask(wanted(None))
    assert "--rollback" in ended(changes).told[1]
    assert [one.version for one in changes.of("toy")] == [None, "2"]


def test_one_change_runs_at_a_time_and_the_same_request_begins_nothing() -> None:
    changes = Changes(command=python("import time; time.sleep(60)"))
    first, _ = changes.ask(wanted())
    assert changes.ask(wanted()) == (first, True)
    assert changes.ask(wanted("3")) == (first, False)
    assert changes.ask(wanted(region="other")) == (first, False)
    assert len(changes.of("toy")) == 1
    begun = time.monotonic()
    while changes._process is None and time.monotonic() < begun + 20:
        time.sleep(0.01)
    changes.stop()
    assert ended(changes).state is State.FAILED
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; sys.exit(3)", ("The command ended with the code 3.",)),
        (
            "import sys; print('a\\nPromotion refused: it is worse.\\nTrain another.', file=sys.stderr); sys.exit(1)",
            ("Promotion refused: it is worse.", "Train another."),
        ),
        ("import time; time.sleep(60)", ("It was ended after 0.3 seconds.",)),
    ],
    ids=["code", "refused", "too long"],
)
def test_what_fails_says_why(code: str, told: tuple[str, ...]) -> None:
    changes = Changes(command=python(code), seconds=0.3 if "sleep" in code else 20)
    changes.ask(wanted())
    assert (ended(changes).state, ended(changes).told) == (State.FAILED, told)


def test_a_command_that_cannot_start_says_so_and_the_next_one_may_begin() -> None:
    changes = Changes(command=("/no/such/command",))
    for _ in range(2):
        changes.ask(wanted())
        assert ended(changes).told == ("The command could not be started: No such file or directory.",)
    assert len(changes.of("toy")) == 2
