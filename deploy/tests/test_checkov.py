"""checkov, an independent scanner, on Terraform and the rendered manifests: what it finds is listed with a reason."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kustomize import OVERLAYS, render
from terraform import HCL, TESTS

CHECKOV = TESTS.parents[1] / ".venv-deploy/checkov/bin/checkov"
REASONS = {
    "kubernetes": {
        "CKV_K8S_11": "no limit of the processor: it would slow down each nowcast, and a request guarantees a share",
        "CKV_K8S_15": "a tag is a version and never moves, so that an image that is there need not be pulled again",
        "CKV_K8S_35": "settings are read from the environment only; nothing in the image shows it",
        "CKV_K8S_43": "a digest is known once the image is built; docs/kubernetes.md says where it goes",
    },
    "terraform": {
        "CKV2_AWS_34": "no parameter of Terraform is a secret; an invariant holds that",
        "CKV2_AWS_5": "machines get the groups by outputs of modules, which an invariant follows and checkov does not",
        "CKV2_AWS_62": "nobody waits for events of the bucket: a promotion is a row of a table",
        "CKV_AWS_126": "metrics every minute cost extra; those of every five minutes and the service's own are enough",
        "CKV_AWS_144": "a second region doubles the cost; old versions of each object are kept",
        "CKV_AWS_158": "flow logs belong to no environment, whose key they could have; AWS's own encrypts them",
        "CKV_AWS_18": "one role reads and writes the bucket, and the bucket's policy refuses all who do not use TLS",
        "CKV_AWS_338": "dev and the network keep logs for 30 days, prod for a year; an invariant holds that",
    },
}
"""What checkov asks for and is not done, with the reason, by framework and check."""


def _failed(framework: str, folder: Path) -> dict[str, set[str]]:
    """Resources by failed check."""
    words = [str(CHECKOV), "--skip-download", "--quiet", "--compact", "--output", "json", "--framework", framework]
    done = subprocess.run(
        [*words, "--directory", str(folder)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode in (0, 1), done.stderr
    told: Any = json.loads(done.stdout)
    assert not told["summary"]["parsing_errors"]
    assert told["summary"]["passed"] > 100, "checkov has read nothing"
    found: dict[str, set[str]] = {}
    for one in told["results"]["failed_checks"]:
        found.setdefault(one["check_id"], set()).add(one["resource"])
    return found


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(yaml.safe_dump_all(render(overlay).documents))
    return tmp_path


@pytest.mark.timeout(400)
def test_what_checkov_finds_in_manifests_has_a_reason(manifests: Path) -> None:
    assert _failed("kubernetes", manifests).keys() == REASONS["kubernetes"].keys()


@pytest.mark.timeout(400)
def test_checkov_finds_a_fault_in_manifests(manifests: Path) -> None:
    file = manifests / "prod.yaml"
    file.write_text(file.read_text().replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"))
    assert "CKV_K8S_22" in _failed("kubernetes", manifests)


@pytest.mark.timeout(400)
def test_what_checkov_finds_in_terraform_has_a_reason(tmp_path: Path) -> None:
    copied = tmp_path / "terraform"
    shutil.copytree(HCL, copied)  # without what an initialisation left beside it
    assert _failed("terraform", copied).keys() == REASONS["terraform"].keys()
