"""Follows a guide as a reader would: writes its files, adds its lines, runs its commands, all in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (?P<path>\S+\.(?:py|toml))\n")
REGISTER = re.compile(r"in the register `(?P<path>[\w/]+\.py)`:\n\n$")


@dataclass
class Reader:
    """Someone who follows a guide in a copy of the tree.

    Attributes:
        folder: the copy.
    """

    folder: Path

    @classmethod
    def begin(cls, folder: Path) -> "Reader":
        """A reader with a fresh copy of the package and of what its tests share."""
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
        for name in ("__init__.py", "conftest.py", "toy.py"):
            (folder / "tests").mkdir(exist_ok=True)
            shutil.copy(ROOT / "tests" / name, folder / "tests")
        shutil.copy(ROOT / "pyproject.toml", folder)
        return cls(folder)

    def run(self, line: str, code: int = 0) -> str:
        """Run a command of a guide, which must end with `code`; returns what it printed."""
        command = ["bash", "-c", own(line)]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"$ {line}\n{done.stdout}{done.stderr}"
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the commands: the package is that of the copy."""
        others = ("NOWCAST_", "MLFLOW_", "COV_", "PYTEST_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(others)}
        return kept | {"PYTHONPATH": f"{self.folder / 'src'}{os.pathsep}{self.folder}", "COLUMNS": "200"}

    def write(self, path: str, text: str) -> None:
        """Write a file of a guide."""
        place = self.folder / path
        assert not place.exists(), f"{path} is there already"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def add(self, path: str, diff: str) -> None:
        """Add the lines of a diff, each after the line above it, which stands once in the file."""
        place = self.folder / "src/power_nowcast" / path
        text = place.read_text()
        lines = diff.splitlines()
        for above, line in pairwise(lines):
            if line.startswith("+"):
                assert text.count(f"{above[1:]}\n") == 1, f"{path} has not once the line {above[1:]!r}"
                text = text.replace(f"{above[1:]}\n", f"{above[1:]}\n{line[1:]}\n")
        place.write_text(text)


def own(line: str) -> str:
    """A command with the interpreter of this process in place of `.venv`."""
    return line.replace(".venv/bin/python", sys.executable).replace(
        ".venv/bin/nowcast", f"{sys.executable} -m power_nowcast.cli"
    )


def follow(page: Path, reader: Reader, swaps: dict[str, str] | None = None) -> list[str]:
    """Do all that a guide says, in order, but its commands.

    Args:
        page: the guide.
        reader: who follows it.
        swaps: texts that stand for those of the page, such as a free port.

    Returns:
        The commands, in order.
    """
    text, commands = page.read_text(), list[str]()
    for old, new in (swaps or {}).items():
        assert old in text, f"{page.name} has no {old}"
        text = text.replace(old, new)
    for found in BLOCK.finditer(text):
        kind, block = found.groups()
        named, register = NAMED.match(block), REGISTER.search(text[: found.start()])
        if not kind:
            commands += [line for line in block.splitlines() if line]
        elif kind == "diff":
            assert register, f"{page.name} does not say where these lines belong:\n{block}"
            reader.add(register["path"], block)
        elif kind != "text":
            assert named, f"{page.name} does not say which file this is:\n{block}"
            reader.write(named["path"], block)
    return commands
