"""What is in the image, and what is not."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from containers import DOCKER, PYTHON, REPOSITORY, SLEEP, Engine
from image.conftest import MEASURED

MOST_BYTES = 1_280_000_000
AS_ROOT = ("--user=0", "--workdir=/", "--cap-add=DAC_READ_SEARCH")
"""Options of a look into every folder."""
HADOLINT = Path(sys.executable).parent / "hadolint"
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;]+)", re.MULTILINE)


RIGHTS = """
import os, re
told = open("/proc/self/status").read()
print(os.getuid(), os.getgid(), *re.findall(r"^(?:CapEff|NoNewPrivs):\\s*(\\w+)", told, re.MULTILINE))
for place in ("/opt/power-nowcast", "/etc", "/usr/bin", "/"):
    try:
        open(place + "/written", "w")
    except OSError as error:
        print(error.errno)
"""
PACKAGES = """
import json
from importlib.metadata import distributions
print(json.dumps({one.name: one.version for one in distributions()}))
"""
BILL = """
import json, subprocess
from importlib.metadata import distributions
bill = json.load(open("/usr/share/power-nowcast/sbom.cdx.json"))
asked = ["dpkg-query", "-W", "-f", "${Package}\\n"]
debian = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
urls = [one.get("purl", "") for one in bill["components"]]
print(json.dumps([bill["bomFormat"], urls, debian, [one.name for one in distributions()]]))
"""


def _pinned(file: Path) -> dict[str, str]:
    return dict(PIN.findall(file.read_text()))


def _plain(name: str) -> str:
    """The name of a package in the form in which all its spellings are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.image
def test_it_is_small(engine: Engine, image: str) -> None:
    size = int(engine.podman("image", "inspect", "--format", "{{.Size}}", image).stdout)
    MEASURED["size"] = f"{size / 1e9:.3f} GB"
    assert size < MOST_BYTES


@pytest.mark.image
def test_it_holds_no_file_of_nvidia(engine: Engine, image: str) -> None:
    words = ("/", "-xdev", "(", "-iname", "*nvidia*", "-o", "-name", "libcu[bdfrs]*", "-o", "-name", "libnccl*", ")")
    found = engine.run(image, *words, options=AS_ROOT, program="/usr/bin/find").stdout.split()
    assert [path for path in found if not path.startswith(("/proc/", "/sys/"))] == []


@pytest.mark.image
def test_it_runs_without_rights_and_writes_nowhere_else(engine: Engine, image: str) -> None:
    option = ("--security-opt=no-new-privileges",)
    first, *errors = engine.run(image, "-c", RIGHTS, options=option, program=PYTHON).stdout.splitlines()
    assert first == "10001 10001 0000000000000000 1"
    assert len(errors) == 4
    assert set(errors) <= {"13", "30"}  # no right, or a file system that is read-only


@pytest.mark.image
def test_its_packages_are_the_pinned_ones(engine: Engine, image: str) -> None:
    told = json.loads(engine.run(image, "-c", PACKAGES, program=PYTHON).stdout)
    there = {_plain(name): version for name, version in told.items()}
    assert there.pop("power-nowcast")
    assert there.items() <= _pinned(DOCKER / "requirements-cpu.txt").items()
    assert {"xgboost-cpu", "lightgbm", "mlflow", "boto3", "psycopg"} <= set(there)
    assert not {"xgboost", "torch", "pytest", "moto", "pip"} & set(there)
    assert not [name for name in there if name.startswith("nvidia")]


@pytest.mark.image
def test_what_is_missing_for_the_product_is_nothing(engine: Engine, image: str) -> None:
    """`nowcast doctor` finds every required package, and loads each library with compiled code."""
    told = engine.run(image, "doctor", check=False).stdout
    assert re.search(r"packages\W+ok\W+\d+ required packages", told), told
    assert re.search(r"libraries\W+ok\W+7 packages with compiled code can be loaded", told), told


@pytest.mark.image
def test_the_bill_of_materials_names_every_package(engine: Engine, image: str) -> None:
    kind, urls, debian, python = json.loads(engine.run(image, "-c", BILL, program=PYTHON).stdout)
    assert kind == "CycloneDX"
    named = {_plain(unquote(url.partition("@")[0])) for url in urls}
    assert {f"pkg:deb/debian/{_plain(name)}" for name in debian} <= named
    assert {f"pkg:pypi/{_plain(name)}" for name in python} <= named


@pytest.mark.image
def test_it_holds_no_secret(engine: Engine, image: str, tmp_path: Path) -> None:
    """gitleaks reads the product's files and the image's configuration; hashes vouch for the libraries."""
    (tmp_path / "configuration.json").write_text(engine.podman("image", "inspect", image).stdout)
    (tmp_path / "history.json").write_text(engine.podman("history", "--no-trunc", "--format", "json", image).stdout)
    with engine.service(image, "infinity", options=SLEEP) as container:
        engine.podman("cp", f"{container.name}:/var/lib/power-nowcast", str(tmp_path / "home"))
        engine.podman("cp", f"{container.name}:/usr/share/power-nowcast", str(tmp_path / "share"))
        place = container.python("import power_nowcast; print(power_nowcast.__path__[0])").stdout.strip()
        engine.podman("cp", f"{container.name}:{place}", str(tmp_path / "package"))
    gitleaks = [str(Path(sys.executable).parent / "gitleaks"), "dir", "--no-banner", "--redact", str(tmp_path)]
    done = subprocess.run(gitleaks, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no leaks found" in done.stderr


def test_the_dockerfile_is_as_hadolint_wants_it() -> None:
    """Versions of Debian's packages are not pinned: the base is, by its digest, and old versions leave the mirrors."""
    ignored = ["--ignore", "DL3008"]
    done = subprocess.run([HADOLINT, *ignored, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_each_variant_has_the_versions_of_the_tests(variant: str) -> None:
    """What is tested with the development's pins is what the image runs."""
    tested = _pinned(REPOSITORY / "requirements.txt") | _pinned(REPOSITORY / "requirements-neural.txt")
    pinned = _pinned(DOCKER / f"requirements-{variant}.txt")
    assert len(pinned) > 100
    assert pinned.pop("xgboost-cpu", tested["xgboost"]) == tested["xgboost"]
    assert pinned.items() <= tested.items()


def test_only_the_image_for_gpus_has_cuda() -> None:
    cpu, gpu = ((DOCKER / f"requirements-{variant}.txt").read_text() for variant in ("cpu", "gpu"))
    assert "nvidia" not in cpu
    assert "\ntorch==" not in cpu
    assert "\nxgboost==" not in cpu
    assert "\nnvidia-cuda-runtime-cu12==" in gpu
    assert "\ntorch==" in gpu
    assert "\nxgboost==" in gpu
