"""One digest of all inputs of a result: data, region, question and code. The same digest means the same result."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from power_nowcast.contracts import Manifest
from power_nowcast.regions import Region
from power_nowcast.workers import source_digest

PACKAGE = Path(__file__).parents[1]
TELLING = ("cli", "live", "monitor", "report", "serve")
"""Layers that report or serve results but do not affect them. Every other layer counts, including new ones."""


def recipe(manifests: Sequence[Manifest], region: Region, question: Any, *, package: Path = PACKAGE) -> str:
    """SHA-256 over the tables' manifests, the region, `question` (plain values) and the code."""
    digest = hashlib.sha256()
    for manifest in manifests:
        digest.update(manifest.sha256.encode())
    digest.update(json.dumps([question, region.model_dump(mode="json")], sort_keys=True).encode())
    digest.update((own_code() if package == PACKAGE else code_digest(package)).encode())
    return digest.hexdigest()


def code_digest(package: Path = PACKAGE) -> str:
    """SHA-256 over names and texts of all modules that may affect a result, in a copy of this package."""
    return source_digest(package, without=TELLING)


@cache
def own_code() -> str:
    """The digest of the code that this process began with."""
    return code_digest()
