"""Try the commands of the README: every command of its code blocks, and every `make` of its tables.

    python scripts/try_docs.py

try_docs.toml says how to try each command. A command that it does not list is a failure, and so is an entry that the
README no longer has. Servers are started, asked and stopped. Commands that cannot be tried offline are listed with the
reason. Run it in a checkout in which `make run` has finished.
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


def commands(readme: str) -> list[str]:
    """Commands of the blocks without a language and of the tables' first column, in order, without comments."""
    found = []
    for block, cell in re.findall(r"^```\n(.*?)^```$|^\| `(make [^`]*)` \|", readme, re.MULTILINE | re.DOTALL):
        lines = block.splitlines() if block else [cell]
        found += [re.split(r"\s+#\s", line)[0].strip() for line in lines]
    return [line for line in found if line]


def plan(readme: str, listed: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Each command with its entry.

    Raises:
        SystemExit: a command has no entry, or an entry no command.
    """
    told = commands(readme)
    entries = {one["command"]: one for one in listed}
    unknown = [line for line in told if line not in entries]
    gone = [line for line in entries if line not in told]
    if unknown or gone:
        lines = [*(f"README has, try_docs.toml has not: {line}" for line in unknown)]
        sys.exit("\n".join(lines + [f"try_docs.toml has, README has not: {line}" for line in gone]))
    return [(line, entries[line]) for line in told]


def attempt(line: str, entry: dict[str, Any], variables: dict[str, str]) -> str:
    """Try one command; returns the outcome, which begins with `failed` if it is not the expected one."""
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
        command, cwd=ROOT, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip


def _start(text: str, variables: dict[str, str]) -> "subprocess.Popen[bytes]":
    command = ["bash", "-c", text]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | variables, start_new_session=True)


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
    planned = plan((ROOT / "README.md").read_text(), tomllib.loads(HOW.read_text())["command"])
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
