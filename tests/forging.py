"""Bundles as somebody leaves them who writes to their folder and keeps the books."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.files import HEAD, digest_of, sums


def head_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / HEAD).read_text())


def change_head(folder: Path, **changes: Any) -> dict[str, Any]:
    head = head_of(folder) | changes
    (folder / HEAD).write_text(json.dumps(head))
    return head


def forge(folder: Path) -> None:
    """Other leaves (a baseline: errors), the golden rows that go with them, and sums of all; the digest alone stays."""
    registered = head_of(folder)["digest"]
    for part in (folder / "model").glob("*.txt"):
        text = part.read_text()
        lines = [
            "leaf_value=" + " ".join(str(3 * float(value) + 9) for value in line.removeprefix("leaf_value=").split())
            if line.startswith("leaf_value=")
            else line
            for line in text.split("\n")
        ]
        part.write_text("\n".join(lines))
    for part in (folder / "model").glob("errors.json"):
        part.write_text(json.dumps((3 * np.array(json.loads(part.read_text()))).tolist()))
    head = change_head(folder, files=sums_of(folder))
    change_head(folder, digest=digest_of(head))
    other = Bundle.load(folder)
    golden = json.loads((folder / "golden.json").read_text())
    golden["answer"] = other.from_features(other.golden).values.tolist()
    (folder / "golden.json").write_text(json.dumps(golden))
    change_head(folder, files=sums_of(folder), digest=registered)


def sums_of(folder: Path) -> dict[str, str]:
    return {name: value for name, value in sums(folder).items() if name != HEAD}
