"""The documents' commands: every one has an entry that says how it is tried, and trying tells what went wrong."""

import re
import socket
import sys
import tomllib
from pathlib import Path

import pytest

PAGE = """
```
make run     # the job
P="--first 1"
curl 'http://127.0.0.1/#x'   # a question
```

| command | what |
|---|---|
| `make api` | `make nothing` |

```python
import no_command
```

1. A step:

   ```
   make models
   ```
"""


def test_commands_are_those_of_blocks_and_tables_without_comments(script):
    assert script("try_docs").commands(PAGE) == [
        "make run",
        'P="--first 1"',
        "curl 'http://127.0.0.1/#x'",
        "make api",
        "make models",
    ]


def test_every_command_of_the_real_documents_has_an_entry_and_every_entry_a_command(script):
    tried = script("try_docs")
    planned = dict(tried.plan(tried.pages(), tomllib.loads(tried.HOW.read_text())))
    assert len(planned) >= 140
    assert planned["make demo-swap"]["elsewhere"]
    assert planned["curl 'http://127.0.0.1:8000/healthz'"]["shown"] == "tests/serve/test_documented.py"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"command": []}, "docs/x.md has, try_docs.toml has not: make run"),
        ({"command": [{"command": "make run"}, {"command": "make it"}]}, "no page has: make it"),
        ({"command": [{"command": "make run", "shown": "tests/none.py"}]}, "a test that does not exist: tests/none.py"),
        ({"command": [], "page": [{"page": "docs/x.md", "program": "curl"}]}, "has not: make run"),
        ({"command": [{"command": "make run"}], "page": [{"page": "docs/y.md"}]}, "that does not exist: docs/y.md"),
    ],
)
def test_what_does_not_fit_is_told(how, told, script):
    with pytest.raises(SystemExit, match=re.escape(told)):
        script("try_docs").plan({"docs/x.md": "```\nmake run\n```\n"}, how)


def test_a_page_may_have_a_rule_of_its_own(script):
    rule = {"page": "docs/x.md", "program": "make", "shown": "tests/scripts/test_try_docs.py"}
    assert script("try_docs").plan({"docs/x.md": "```\nmake run\n```\n"}, {"command": [], "page": [rule]}) == [
        ("make run", rule)
    ]


def test_an_outcome_is_told_by_code_and_words(script):
    attempt = script("try_docs").attempt
    assert attempt("echo some words", {"says": "words"}, {}) == "ok"
    assert attempt("echo some words", {"says": "others"}, {}).startswith("failed with 0")
    assert attempt("exit 3", {}, {}).startswith("failed with 3, not 0")
    assert attempt("exit 3", {"code": 3}, {}) == "ok"
    assert attempt("false", {"elsewhere": "no network"}, {}) == "not run: no network"
    assert attempt("false", {"shown": "tests/x.py"}, {}) == "a test runs it: tests/x.py"
    variables: dict[str, str] = {}
    assert attempt('P="--first 1"', {"with": " --last 2"}, variables) == "set"
    assert attempt('test "$P" = "--first 1 --last 2"', {}, variables) == "ok"


def test_what_goes_on_for_ever_is_stopped_and_may_not_end(script):
    attempt = script("try_docs").attempt
    assert attempt("exec sleep 60", {"seconds": 0.1}, {}) == "ok, ran for 0 s and was stopped"
    assert attempt("exit 4", {"seconds": 20}, {}) == "failed: ended with 4 by itself"


@pytest.mark.integration
def test_a_server_is_started_asked_and_stopped(script, tmp_path: Path):
    attempt = script("try_docs").attempt
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = f"exec '{sys.executable}' -m http.server --bind 127.0.0.1 --directory '{tmp_path}' {port}"
    url = f"http://127.0.0.1:{port}/"
    assert attempt(serve, {"ask": [url, "echo asked"]}, {}) == "ok, served and asked"
    assert attempt(serve, {"ask": [url, "exit 1"]}, {}).startswith("failed at exit 1")
    assert attempt("exit 0", {"ask": [url]}, {}) == f"failed: {url} does not answer"
