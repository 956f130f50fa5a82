"""A stage for the scripts of the machines: recording stand-ins of system programs, and no others than harmless ones.

A stand-in writes its name and arguments down, and then runs what the test says that it does, in bash.
"""

import shutil
import subprocess
from pathlib import Path

REAL = [
    "awk",
    "bash",
    "basename",
    "cat",
    "chmod",
    "dirname",
    "env",
    "grep",
    "head",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "seq",
    "sleep",
    "sort",
    "tail",
    "touch",
    "tr",
]
STAND_IN = """#!{bash}
printf '%s' "{name}" >>"{calls}"
printf ' %q' "$@" >>"{calls}"
echo >>"{calls}"
{does}
"""
INSTALL = """
words=()
while (($#)); do
  case "$1" in -o | -g) shift ;; *) words+=("$1") ;; esac
  shift
done
exec {install} "${{words[@]}}"
"""


class Stage:
    """A root folder and a PATH of stand-ins. Nothing that a script calls is found elsewhere."""

    def __init__(self, folder: Path, **does: str) -> None:
        self.root, self._bin, self._calls = folder / "root", folder / "bin", folder / "calls"
        for made in (self.root, self._bin):
            made.mkdir()
        self._calls.touch()
        for name in REAL:
            (self._bin / name).symlink_to(shutil.which(name) or name)
        self.stand_in("install", INSTALL.format(install=shutil.which("install")))
        for name, told in does.items():
            self.stand_in(name.replace("_", "-"), told)

    def stand_in(self, name: str, does: str = "", place: Path | None = None) -> None:
        """Put a stand-in into the PATH, or at another place."""
        path = place or self._bin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        bash = shutil.which("bash")
        path.write_text(STAND_IN.format(bash=bash, name=name, calls=self._calls, does=does))
        path.chmod(0o755)

    def run(self, script: Path | str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script, given as a file or as its text."""
        words = ["bash", str(script)] if isinstance(script, Path) else ["bash", "-c", script]
        environment = {"PATH": str(self._bin), "DESTDIR": str(self.root), "TMPDIR": str(self.root), **variables}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)

    @property
    def calls(self) -> list[str]:
        """What was called, in order, with the root folder left out; the making of folders and files is not told."""
        told = self._calls.read_text().replace(str(self.root), "").splitlines()
        return [" ".join(line.split()) for line in told if not line.startswith("install ")]


def writable(path: Path) -> Path:
    """A file of a stage, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
