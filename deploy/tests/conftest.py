"""What the tests of the infrastructure share: the stand-in of the AWS provider, and plans of the HCL as it is."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from invariants import Plan
from terraform import HCL, PROVIDER, ROOTS, TESTS, Terraform

SCHEMA = TESTS.parents[1] / ".venv-deploy/schema.json"
LOCAL = 'terraform {\n  backend "local" {}\n}\n'


@pytest.fixture(scope="session")
def environment() -> Iterator[dict[str, str]]:
    """The environment in which Terraform finds the stand-in, and no account, network or setting of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    words = [sys.executable, "-m", "standin.provider", str(SCHEMA)]
    with subprocess.Popen(words, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as provider:
        port = provider.stdout.readline().strip()
        served = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": provider.pid,
            "Test": True,
            "Addr": {"Network": "tcp", "String": f"127.0.0.1:{port}"},
        }
        yield {
            **kept,
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "TF_REATTACH_PROVIDERS": json.dumps({PROVIDER: served}),
        }
        provider.stdin.close()


@pytest.fixture(scope="session")
def terraform(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """A copy of the HCL with a local state in place of S3, initialised."""
    copied = Terraform(tmp_path_factory.mktemp("hcl"), environment).copy(HCL)
    for root, folder in ROOTS.items():
        (copied.hcl / folder / "backend_override.tf").write_text(LOCAL)
        copied.run(root, "init", "-no-color")
    return copied


@pytest.fixture(scope="session")
def plans(terraform: Terraform) -> Callable[..., Plan]:
    """Plans of the HCL as it is, each made once."""
    made = dict[tuple[str, ...], Plan]()

    def plan(root: str, *variables: str) -> Plan:
        key = (root, *variables)
        if key not in made:
            made[key] = Plan(root, terraform.plan(root, *variables))
        return made[key]

    return plan


@pytest.fixture
def broken_copy(terraform: Terraform, tmp_path: Path) -> Terraform:
    """A copy of the initialised HCL that a test may break."""
    return Terraform(tmp_path, terraform.environment).copy(terraform.hcl)
