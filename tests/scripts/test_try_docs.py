"""README's commands: every one has an entry that says how it is tried, and trying tells what went wrong."""

import socket
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = """
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
"""


def test_commands_are_those_of_blocks_and_tables_without_comments(script):
    assert script("try_docs").commands(README) == [
        "make run",
        'P="--first 1"',
        "curl 'http://127.0.0.1/#x'",
        "make api",
    ]


def test_every_command_of_the_real_readme_has_an_entry_and_every_entry_a_command(script):
    tried = script("try_docs")
    listed = tomllib.loads(tried.HOW.read_text())["command"]
    assert len(tried.plan((ROOT / "README.md").read_text(), listed)) == len(listed)
    with pytest.raises(SystemExit, match=r"README has, try_docs\.toml has not: make run\n.*README has not: make it"):
        tried.plan("```\nmake run\n```\n", [{"command": "make it"}])


def test_an_outcome_is_told_by_code_and_words(script):
    attempt = script("try_docs").attempt
    assert attempt("echo some words", {"says": "words"}, {}) == "ok"
    assert attempt("echo some words", {"says": "others"}, {}).startswith("failed with 0")
    assert attempt("exit 3", {}, {}).startswith("failed with 3, not 0")
    assert attempt("exit 3", {"code": 3}, {}) == "ok"
    assert attempt("false", {"elsewhere": "no network"}, {}) == "not run: no network"
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
