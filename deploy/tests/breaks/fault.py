"""A fault that is planted in a copy of the HCL, and the files of the HCL."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """A text of a file that is replaced, the root that is planned, and the invariant that fails then."""

    invariant: str
    root: str
    file: str
    old: str
    new: str
    variables: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """A name for the test."""
        return f"{self.invariant}-{self.root}-{' '.join(self.new.split())[:40] or 'removed'}"


VPC, NAT, ENDPOINTS, LOGS = (f"modules/vpc/{name}.tf" for name in ("main", "nat", "endpoints", "logs"))
SECURITY, IAM = "modules/security/main.tf", "modules/security/iam.tf"
COMPUTE, PARAMETERS, BACKUPS = (f"modules/compute/{name}.tf" for name in ("main", "parameters", "backups"))
STORAGE, DEV, PROD = "modules/storage/main.tf", "environments/dev/main.tf", "environments/prod/main.tf"
