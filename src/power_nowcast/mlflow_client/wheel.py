"""The project's own wheel, made from the code that runs, and the pinned requirements of serving a model."""

import base64
import hashlib
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path

import power_nowcast

DISTRIBUTION = "power-nowcast"
SERVING = (
    *("holidays", "mlflow-skinny", "numba", "numpy", "pandas", "polars", "pydantic", "python-dotenv", "scipy"),
    "tzdata",
)
BUILDS = {"xgboost": "xgboost-cpu"}
"""Packages with the same library as another one: the image for the processor has XGBoost without its code for GPUs."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def installed(name: str) -> Distribution:
    """The installed package of this name, or the one that stands for it.

    Raises:
        PackageNotFoundError: neither is installed.
    """
    try:
        return distribution(name)
    except PackageNotFoundError:
        if name not in BUILDS:
            raise
        return distribution(BUILDS[name])


def requirements(libraries: Iterable[str]) -> list[str]:
    """Requirements of a model with these `libraries` to answer, pinned to the versions that are installed here."""
    found = map(installed, sorted((*SERVING, *libraries)))
    return [f"{one.name}=={one.version}" for one in found]


def build_wheel(folder: Path, needs: list[str]) -> Path:
    """Write a wheel of the imported package, from a source tree and from an installation alike; returns its path.

    The wheel requires `needs` only, which serving the model takes, so that a serving environment stays small. The same
    code gives the same bytes.
    """
    number = version(DISTRIBUTION)
    stem = f"power_nowcast-{number}"
    info = f"{stem}.dist-info"
    package = Path(power_nowcast.__file__).parent
    files = {
        f"power_nowcast/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files |= {
        f"{info}/METADATA": _metadata(number, needs).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: power-nowcast\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={_urlsafe(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return wheel


def _metadata(number: str, needs: list[str]) -> str:
    installed = distribution(DISTRIBUTION).metadata
    lines = ["Metadata-Version: 2.1", f"Name: {DISTRIBUTION}", f"Version: {number}"]
    lines += [f"{key}: {installed[key]}" for key in ("Summary", "Requires-Python") if installed[key]]
    return "\n".join([*lines, *(f"Requires-Dist: {need}" for need in needs)]) + "\n"


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
