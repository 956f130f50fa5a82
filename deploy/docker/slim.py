"""Takes from an environment what the image never opens: tests, headers, debug symbols, and parts of libraries.

python3 slim.py ENVIRONMENT: run when the image is built, before its bytecode is compiled.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("tests", "test", "include")
"""Folders of a package with its own tests, or with headers for those who compile against it."""
FILES = ("*.pyi", "*.pxd", "*.h", "*.hpp", "*.js.map", "*.css.map", "*.a")
"""What type checkers, compilers and debuggers read."""
UNUSED = ("pyarrow/*flight*.so*",)
"""Arrow's network protocol: tables are read from files."""
DAMAGED = ("*.libs/*", "numba/np/ufunc/*pool.*")
"""Libraries whose headers a wheel's builder has rewritten: once stripped, they are not loaded."""
SERVICES = {"s3", "signin", "ssm", "sso", "sso-oidc", "sts"}
"""The services of AWS that the product asks: S3, Parameter Store, and those that give credentials."""


def main(environment: Path) -> None:
    """Take it all away."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    for found in (*_unopened(packages), *_other_services(packages)):
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink()
    # Symbols are for debuggers; the code stays the same.
    for library in packages.rglob("*.so*"):
        if library.is_file() and not any(library.relative_to(packages).match(one) for one in DAMAGED):
            subprocess.run(["/usr/bin/strip", "--strip-unneeded", library], check=True)


def _unopened(packages: Path) -> Iterator[Path]:
    for name in FOLDERS:
        found = (one for one in sorted(packages.glob(f"*/**/{name}")) if one.is_dir())
        yield from (one for one in found if _is_outermost(one, packages))
    for pattern in FILES:
        yield from (one for one in packages.rglob(pattern) if _is_outermost(one, packages))
    for pattern in UNUSED:
        yield from packages.glob(pattern)


def _is_outermost(path: Path, packages: Path) -> bool:
    """Whether no folder above is taken away as a whole."""
    return not set(path.relative_to(packages).parts[:-1]) & set(FOLDERS)


def _other_services(packages: Path) -> Iterator[Path]:
    for one in (packages / "botocore/data").iterdir():
        if one.is_dir() and one.name not in SERVICES:
            yield one


if __name__ == "__main__":
    main(Path(sys.argv[1]))
