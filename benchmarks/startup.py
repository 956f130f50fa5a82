#!/usr/bin/env python3
"""Time that commands and the service take to start, beside a bare Python.

Every figure is the median of five starts, each in its own process. One start before them writes the compiled modules
into a folder of this benchmark, so that it does not matter whether this environment has them. Measure on idle cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bars import figures_missed

CLI = ("-m", "power_nowcast.cli")
STARTS = {
    "python": ("-c", "pass"),
    "help": (*CLI, "--help"),
    "command_help": (*CLI, "run", "--help"),
    "doctor": (*CLI, "doctor", "--region", "nyiso"),
    "service_import": ("-c", "import power_nowcast.serve.start"),
}
AT_MOST = {"help_s": 0.5, "command_help_s": 0.5, "doctor_s": 3.0, "service_import_s": 3.0}
ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    for name, value in figures.items():
        print(f"{name:32} {value:>14,.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    missed = figures_missed(figures, AT_MOST) if options.check else []
    for words in missed:
        print(f"MISSED: {words}")
    return int(bool(missed))


def measure(folder: Path, rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each start, and their ratio to those of a bare Python.

    Args:
        folder: an empty one, in which the commands work.
        rounds: starts of each kind.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
    figures: dict[str, float] = {}
    for name, arguments in STARTS.items():
        _start(arguments, folder, environment)
        figures[f"{name}_s"] = statistics.median(_start(arguments, folder, environment) for _ in range(rounds))
        if name != "python":
            figures[f"{name}_over_python"] = figures[f"{name}_s"] / figures["python_s"]
    return figures


def _start(arguments: tuple[str, ...], folder: Path, environment: dict[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
