"""Features and nowcasts of this checkout beside those of another one: two processes that take turns.

Both work on the same tables and with the same model, which the other checkout made: an older one cannot open newer
files. One process measures while the other waits, so that a busy moment of the machine meets both.
"""

import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from turns import NOWCASTS

HERE = Path(__file__).parents[1]
TURNS = 15
STEPS = ("ingest", "features", "train --model ensemble")
"""Commands of the other checkout that make the tables and the model."""


def compare(other: Path, folder: Path, model: Path | None, turns: int = TURNS) -> dict[str, float]:
    """Figures of both checkouts and their ratios, from medians of alternating measurements.

    `features_same` is 1 where both build the same bits. The figures `..._cpu` compare processor time, which other
    processes disturb less.

    Args:
        other: the other checkout, with `.venv` in it where it needs other packages.
        folder: an empty one, for the tables and the model.
        model: a bundle that both can open; None trains one.
        turns: measurements of each work by each checkout.

    Raises:
        SystemExit: `other` is no checkout, or one of the processes failed.
    """
    for command in STEPS[:1] if model else STEPS:
        run = [_python(other), "-m", "power_nowcast.cli", *command.split(), "--region", "nyiso"]
        if subprocess.run(run, cwd=folder, env=_environment(other), stdout=subprocess.DEVNULL, check=False).returncode:
            raise SystemExit(f"{other}: nowcast {command} failed.")
    model = model or folder / "artifacts" / "nyiso" / "ensemble"
    seconds: dict[tuple[str, str], list[list[float]]] = {}
    with ExitStack() as stack:
        sides = [stack.enter_context(Side(checkout, folder / "data", model)) for checkout in (HERE, other)]
        for turn in range(turns):
            for work in ("features", "nowcast"):
                for n in (0, 1) if turn % 2 else (1, 0):
                    seconds.setdefault((work, ("this", "other")[n]), []).append(sides[n].seconds(work))
    wall = {key: statistics.median(one for one, _ in values) for key, values in seconds.items()}
    cpu = {key: statistics.median(one for _, one in values) for key, values in seconds.items()}
    return {
        "features_rows_per_second": sides[0].rows / wall["features", "this"],
        "features_rows_per_second_other": sides[1].rows / wall["features", "other"],
        "features_times_other": wall["features", "other"] / wall["features", "this"],
        "features_times_other_cpu": cpu["features", "other"] / cpu["features", "this"],
        "features_same": float(sides[0].sha256 == sides[1].sha256),
        "nowcast_p50_ms": 1000 * wall["nowcast", "this"] / NOWCASTS,
        "nowcast_p50_ms_other": 1000 * wall["nowcast", "other"] / NOWCASTS,
        "nowcast_of_other": wall["nowcast", "this"] / wall["nowcast", "other"],
        "nowcast_of_other_cpu": cpu["nowcast", "this"] / cpu["nowcast", "other"],
    }


class Side:
    """The process that measures one checkout: `rows` of its features, and their SHA-256.

    Args:
        checkout: its folder.
        data: the tables.
        model: the bundle that answers.

    Raises:
        SystemExit: the process failed.
    """

    def __init__(self, checkout: Path, data: Path, model: Path) -> None:
        self.checkout = checkout
        code = f"import turns; turns.take({str(data)!r}, {str(model)!r})"
        self.process = subprocess.Popen(
            [_python(checkout), "-c", code],
            env=_environment(checkout),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        told = self._line()
        self.rows: int = told["rows"]
        self.sha256: str = told["sha256"]

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def seconds(self, work: str) -> list[float]:
        """Wall-clock and processor seconds of one measurement of "features" or "nowcast"."""
        if self.process.stdin is not None:
            self.process.stdin.write(work + "\n")
            self.process.stdin.flush()
        found: list[float] = self._line()
        return found

    def _line(self):  # type: ignore[no-untyped-def]  # what the process said
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise SystemExit(f"{self.checkout}: the process that measures it ended with {self.process.wait()}.")
        return json.loads(line)


def _python(checkout: Path) -> str:
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def _environment(checkout: Path) -> dict[str, str]:
    source = checkout.absolute() / "src"
    if not (source / "power_nowcast").is_dir():
        raise SystemExit(f"{checkout} is no checkout of this repository: it has no src/power_nowcast.")
    return os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{Path(__file__).parent}"}
