"""What decides a result, as one digest: data, region, configuration and code. The same digest, the same result."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from power_nowcast.contracts import Manifest
from power_nowcast.regions import Region

CODE = ("features", "models", "ingest")
"""Folders and modules of this package whose change makes a result another one."""


def recipe(manifests: Sequence[Manifest], region: Region, question: Any, *, code: Sequence[str] = CODE) -> str:
    """SHA-256 over what the tables hold, the region, `question` (plain values) and the code."""
    digest = hashlib.sha256()
    for manifest in manifests:
        digest.update(manifest.sha256.encode())
    digest.update(json.dumps([question, region.model_dump(mode="json")], sort_keys=True).encode())
    package = Path(__file__).parents[1]
    for name in code:
        place = package / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()
