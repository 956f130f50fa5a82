"""Try the commands of the documents: every command of their code blocks, and every one in the first column of a table.

    python scripts/try_docs.py

try_docs.toml says how to try each command of README and of the pages in docs/. A command that it does not list is a
failure, and so is an entry that no page has any more. Servers are started, asked and stopped. A command that a test
runs is listed with that test, and one that cannot be tried offline with the reason. Run it in a checkout in which
`make run` has finished.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError

ROOT = Path(__file__).parents[1]
HOW = Path(__file__).with_name("try_docs.toml")
PATIENCE = 180.0
"""Maximum seconds until a server answers."""
PARTS = re.compile(
    r"^ *```(\w*)\n(.*?)^ *```$|^\| `((?:make|nowcast|\.venv/bin/nowcast) [^`]*)`", re.MULTILINE | re.DOTALL
)
"""Blocks with their language and text, and commands in the first column of a table."""
ENVIRONMENT = os.environ | {"PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"}
"""As after `source .venv/bin/activate`."""


def pages() -> dict[str, str]:
    """The text of README and of every page in docs/, by path. Generated pages are no part of it."""
    paths = (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))
    return {f"{path.relative_to(ROOT)}": path.read_text() for path in paths}


def commands(page: str) -> list[str]:
    """Commands of the blocks without a language and of the tables' first column, in order, without comments."""
    found = []
    for kind, block, cell in PARTS.findall(page):
        lines = [cell] if cell else [] if kind else block.splitlines()
        found += [re.split(r"\s+#\s", line)[0].strip() for line in lines]
    return [line for line in found if line]


def plan(texts: dict[str, str], how: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each command with its entry, those of several pages once.

    Args:
        texts: the pages, by path.
        how: the content of try_docs.toml.

    Raises:
        SystemExit: a command has no entry, or an entry no command, or names a test or page that does not exist.
    """
    entries, rules = {one["command"]: one for one in how["command"]}, how.get("page", [])
    told = dict.fromkeys((line, path) for path, text in texts.items() for line in commands(text))
    found = {line: entries.get(line) or _by_page(path, line, rules) for line, path in told}
    lines = [f"{path} has, try_docs.toml has not: {line}" for line, path in told if found[line] is None]
    lines += [f"try_docs.toml has, no page has: {line}" for line in entries if line not in found]
    named = [one["shown"] for one in (*how["command"], *rules) if "shown" in one]
    lines += [f"try_docs.toml names a test that does not exist: {name}" for name in named if not _is_test(name)]
    absent = [one["page"] for one in rules if one["page"] not in texts]
    lines += [f"try_docs.toml names a page that does not exist: {name}" for name in absent]
    if lines:
        sys.exit("\n".join(lines))
    return [(line, entry) for line, entry in found.items() if entry is not None]


def _by_page(path: str, line: str, rules: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The rule of a page, if it holds for this command: a test runs all of its commands, or those of one program."""
    program = line.split(maxsplit=1)[0]
    return next((one for one in rules if one["page"] == path and one.get("program", program) == program), None)


def _is_test(name: str) -> bool:
    file, _, function = name.partition("::")
    path = ROOT / file
    return path.is_file() and f"def {function or 'test_'}" in path.read_text()


def attempt(line: str, entry: dict[str, Any], variables: dict[str, str]) -> str:
    """Try one command; returns the outcome, which begins with `failed` if it is not the expected one."""
    if "shown" in entry:
        return f"a test runs it: {entry['shown']}"
    if "elsewhere" in entry:
        return f"not run: {entry['elsewhere']}"
    assigned = re.fullmatch(r'(\w+)="(.*)"', line)
    if assigned:
        variables[assigned[1]] = assigned[2] + entry.get("with", "")
        return "set"
    text = f"{line}{entry.get('with', '')}"
    if "ask" in entry:
        return _served(text, entry["ask"], variables)
    if "seconds" in entry:
        return _interrupted(text, entry["seconds"], variables)
    told = _run(text, variables)
    code, says = entry.get("code", 0), entry.get("says", "")
    if told.returncode != code or says not in told.stdout:
        return f"failed with {told.returncode}, not {code} and {says!r}:\n{told.stdout[-2000:]}"
    return "ok"


def _run(text: str, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = ["bash", "-c", text]
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip


def _start(text: str, variables: dict[str, str]) -> "subprocess.Popen[bytes]":
    command = ["bash", "-c", text]
    return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT | variables, start_new_session=True)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a command and its child processes, first with SIGINT."""
    for kind in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, kind)
            process.wait(60)
            return


def _served(text: str, questions: list[str], variables: dict[str, str]) -> str:
    """Start a server, wait for its first answer, then ask the other addresses and run the commands that ask it."""
    process = _start(text, variables)
    try:
        until = time.monotonic() + PATIENCE
        while not _answers(questions[0]):
            if process.poll() is not None or time.monotonic() > until:
                return f"failed: {questions[0]} does not answer"
            time.sleep(0.5)
        for question in questions[1:]:
            told = _run(question, variables)
            if told.returncode or not told.stdout.strip():
                return f"failed at {question}:\n{told.stdout[-2000:]}"
    finally:
        _stop(process)
    return "ok, served and asked"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - addresses of this machine
            return response.status == 200
    except (URLError, OSError):
        return False


def _interrupted(text: str, seconds: float, variables: dict[str, str]) -> str:
    """Run a command that never ends for a while; if it ends before, that is a failure."""
    process = _start(text, variables)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        _stop(process)
        return f"ok, ran for {seconds:.0f} s and was stopped"
    return f"failed: ended with {code} by itself"


def main() -> int:
    planned = plan(pages(), tomllib.loads(HOW.read_text()))
    variables: dict[str, str] = {}
    failures = 0
    for line, entry in planned:
        began = time.monotonic()
        outcome = attempt(line, entry, variables)
        failures += outcome.startswith("failed")
        print(f"{time.monotonic() - began:4.0f} s  {line}\n        {outcome}", flush=True)
    for name in (name for _, entry in planned for name in entry.get("leaves", [])):
        if (ROOT / name).is_dir():
            shutil.rmtree(ROOT / name)
        else:
            (ROOT / name).unlink(missing_ok=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
