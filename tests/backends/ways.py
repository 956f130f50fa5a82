"""The table of docs/backends.md: what the main job made on each kind of backend.

The tests of the backends and of the image measure it. They write it where `WRITE_WAYS` is set; else they only compare.
`python -m tests.backends.ways WAY JSON` does this for a test that runs in another environment.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs/backends.md"
COLUMNS = ("way", "digest of the model", "pinball at 30 min", "pinball at 60 min", "seconds", "peak memory, MiB")
FIGURES = ("test/pinball_30min", "test/pinball_60min")
ROW = r"^\| {way} \| `[0-9a-f]{{12}}` \|.*$"


def same(made: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on the backend, of what `main_job` printed."""
    return {name: made[name] for name in ("digest", "metrics", "refused", "files", "manifests")}


def keep(way: str, made: dict[str, Any]) -> None:
    """Tell what was measured; write it into the page if that is asked for."""
    metrics = [f"{made['metrics'][name]:.10f}" for name in FIGURES]
    cells = [way, f"`{made['digest'][:12]}`", *metrics, str(made["seconds"]), f"{made['mib']:,}"]
    row = f"| {' | '.join(cells)} |"
    sys.stdout.write(f"{row}\n")
    if os.environ.get("WRITE_WAYS"):
        text, count = re.subn(ROW.format(way=re.escape(way)), row, PAGE.read_text(), flags=re.MULTILINE)
        assert count == 1, f"{PAGE} has no row of {way}"
        PAGE.write_text(text)


def rows() -> dict[str, list[str]]:
    """The cells of the page's rows, by way."""
    found = re.findall(ROW.format(way=r"[\w ]+"), PAGE.read_text(), flags=re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in found]
    return {name: rest for name, *rest in cells}


if __name__ == "__main__":
    keep(sys.argv[1], json.loads(sys.argv[2]))
