"""The real Terraform on the HCL: format, initialisation, validation, its own tests, and what it must refuse."""

import json
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest

from terraform import HCL, PROVIDER, ROOTS, RUN, TESTS, VARIABLES, RefusedError, Terraform

SCHEMA = TESTS.parents[1] / ".venv-deploy/schema.json"
roots = pytest.mark.parametrize("root", ROOTS)


def _typo(terraform: Terraform, file: str, old: str, new: str) -> None:
    path = terraform.hcl / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_hcl_is_formatted(terraform: Terraform) -> None:
    words = [sys.executable, "-c", RUN, "fmt", "-check", "-recursive", "-diff"]
    done = subprocess.run(words, cwd=HCL, env=terraform.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@roots
def test_it_initialises_and_validates(environment: dict[str, str], tmp_path: Path, root: str) -> None:
    """With the backend that is written, which `-backend=false` leaves alone, and no override."""
    copied = Terraform(tmp_path, environment).copy(HCL)
    copied.run(root, "init", "-backend=false")
    assert json.loads(copied.run(root, "validate", "-json"))["valid"]


@roots
def test_the_constraint_takes_the_provider_whose_schema_is_read(
    environment: dict[str, str], tmp_path: Path, root: str
) -> None:
    """Terraform chooses a provider by its version from a mirror of one; nothing starts it."""
    version = json.loads(SCHEMA.read_text())["version"]
    program = tmp_path / "mirror" / PROVIDER / version / "linux_amd64" / f"terraform-provider-aws_v{version}"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/false\n")
    program.chmod(0o755)
    settings = tmp_path / "settings.tfrc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{tmp_path / "mirror"}" }}\n}}\n')
    chosen = {**environment, "TF_CLI_CONFIG_FILE": str(settings)}
    del chosen["TF_REATTACH_PROVIDERS"]
    copied = Terraform(tmp_path / "hcl", chosen).copy(HCL)
    copied.run(root, "init", "-backend=false")
    assert f'version     = "{version}"' in (copied.hcl / ROOTS[root] / ".terraform.lock.hcl").read_text()


@roots
def test_its_own_tests_pass(terraform: Terraform, root: str) -> None:
    said = terraform.run(root, "test", "-no-color", *VARIABLES[root])
    runs = sum(path.read_text().count("\nrun ") for path in (HCL / ROOTS[root] / "tests").glob("*.tftest.hcl"))
    assert runs >= 3
    assert f"Success! {runs} passed, 0 failed" in said


@roots
def test_states_lie_in_s3_locked_and_apart(root: str) -> None:
    read = [hcl2.loads(path.read_text()) for path in (HCL / ROOTS[root]).glob("*.tf")]
    backends = [two for one in read for block in one.get("terraform", []) for two in block.get("backend", [])]
    (told,) = (next(iter(one.values())) for one in backends)
    keys = {"vpc": "ml-dev/vpc.tfstate", "dev": "power-nowcast/dev.tfstate", "prod": "power-nowcast/prod.tfstate"}
    assert told["key"].strip('"') == keys[root]
    assert told["region"].strip('"') == "us-west-2"
    assert told["encrypt"] is True
    assert told["use_lockfile"] is True
    assert "dynamodb_table" not in told
    assert "bucket" not in told


def test_dev_and_prod_differ_in_what_should_differ_only() -> None:
    for file in ("network.tf", "outputs.tf", "variables.tf", "main.tf"):
        dev, prod = ((HCL / ROOTS[root] / file).read_text() for root in ("dev", "prod"))
        for old, new in (
            ('default     = "g6f.xlarge"', 'default     = "g6.xlarge"'),
            ("environment dev", "environment prod"),
            ("power-nowcast-dev", "power-nowcast-prod"),
            ("power-nowcast/dev", "power-nowcast/prod"),
            ('Environment = "dev"', 'Environment = "prod"'),
            ("retention_days      = 30", "retention_days      = 365"),
            ("deletion_protection = false", "deletion_protection = true"),
        ):
            dev = dev.replace(old, new)
        assert dev == prod, file


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("modules/compute/main.tf", "http_tokens ", "http_tokenz ", "Unsupported argument"),
        (
            "modules/vpc/endpoints.tf",
            "private_dns_enabled = true",
            'private_dns_enabled = "maybe"',
            "a bool is required",
        ),
        ("modules/vpc/endpoints.tf", "  vpc_id              = aws_vpc.this.id\n", "", "Missing required argument"),
        ("modules/storage/main.tf", "  versioning_configuration {", "  versioning {", "Unsupported block type"),
        (
            "modules/security/main.tf",
            "aws_security_group.service.id",
            "aws_security_group.other.id",
            "undeclared resource",
        ),
    ],
)
def test_the_stand_in_knows_the_schema(broken_copy: Terraform, file: str, old: str, new: str, said: str) -> None:
    """A stand-in that took everything would make the other tests worthless."""
    _typo(broken_copy, file, old, new)
    root = "vpc" if "vpc" in file else "dev"
    with pytest.raises(RefusedError, match=said):
        broken_copy.run(root, "validate", "-no-color")
