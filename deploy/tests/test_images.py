"""The templates of Packer: validated, what they install, and that it is what the pinned packages need."""

import re
import shutil
import subprocess
from pathlib import Path

import hcl2
import pytest

from stage import Stage, writable
from terraform import TESTS

PACKER = TESTS.parent / "packer"
ROOT = TESTS.parents[1]
NEWER = re.compile(r"^  metadata_options \{.*?^  \}\n", re.MULTILINE | re.DOTALL)
"""Blocks that Debian's Packer 1.6 does not know; plugins.pkr.hcl holds the others."""
MINIMUM_DRIVER = {12: 525, 13: 580}
"""The first branch of NVIDIA's Linux driver that runs a major version of CUDA (CUDA's release notes, table 2)."""
VARIABLES = ["-var", "version=0.1.0-1", "-var", "subnet_id=subnet-a", "-var", "wheel=product.whl"]
has_packer = pytest.mark.skipif(not shutil.which("packer"), reason="packer is not installed: apt-get install packer")


def _default(name: str) -> str:
    read = hcl2.loads((PACKER / "variables.pkr.hcl").read_text())
    (found,) = (one for told in read["variable"] for key, one in told.items() if key.strip('"') == name)
    return found["default"].strip('"')


def _validate(folder: Path, old: str = "", new: str = "") -> subprocess.CompletedProcess[str]:
    shutil.copytree(PACKER.parent, folder / "deploy", ignore=shutil.ignore_patterns("tests", "terraform"))
    for name in ("requirements.txt", "requirements-neural.txt"):
        shutil.copy(ROOT / name, folder)
    copied = folder / "deploy/packer"
    (copied / "plugins.pkr.hcl").unlink()
    template = copied / "power-nowcast.pkr.hcl"
    text, count = NEWER.subn("", template.read_text())
    assert count == 1
    assert old in text
    template.write_text(text.replace(old, new, 1))
    (copied / "product.whl").touch()
    words = ["packer", "validate", *VARIABLES, "."]
    environment = {"PATH": "/usr/bin:/bin", "CHECKPOINT_DISABLE": "1", "HOME": str(folder)}
    return subprocess.run(words, cwd=copied, env=environment, capture_output=True, text=True, check=False)


@has_packer
def test_packer_validates(tmp_path: Path) -> None:
    done = _validate(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@has_packer
def test_packer_refuses_an_unknown_argument(tmp_path: Path) -> None:
    done = _validate(tmp_path, "encrypt_boot", "encrypt_bot")
    assert done.returncode == 1
    assert "encrypt_bot" in done.stdout + done.stderr


@has_packer
@pytest.mark.parametrize("file", sorted(PACKER.glob("*.hcl")), ids=lambda path: path.name)
def test_templates_are_formatted(file: Path) -> None:
    subprocess.run(["packer", "fmt", "-check", str(file)], check=True, capture_output=True)


def test_all_templates_parse_and_images_are_encrypted_and_take_a_token() -> None:
    read = [hcl2.loads(path.read_text()) for path in PACKER.glob("*.hcl")]
    (source,) = (
        two for one in read for told in one.get("source", []) for kind in told.values() for two in kind.values()
    )
    assert source["encrypt_boot"] is True
    assert source["metadata_options"][0]["http_tokens"].strip('"') == "required"
    assert source["ssh_interface"].strip('"') == "session_manager"
    assert "ubuntu-jammy-22.04-amd64" in str(source["source_ami_filter"])


def test_images_have_the_names_that_terraform_asks_for() -> None:
    template = (PACKER / "power-nowcast.pkr.hcl").read_text()
    built = set(re.findall(r'ami_name      = "power-nowcast-(\w+)-\$\{var.version\}"', template))
    hcl = (TESTS.parent / "terraform/modules/compute/main.tf").read_text()
    driver = re.search(r'\? "(\w+)" : "(\w+)"', hcl)
    assert built == {*driver.groups(), "cpu"}


def test_the_driver_runs_every_cuda_that_pinned_packages_bring() -> None:
    """torch brings CUDA 12. XGBoost is built for CUDA 13 from 3.2 on; its NCCL is left out of the lock."""
    lock = (ROOT / "requirements-neural.txt").read_text()
    majors = {int(major) for major in re.findall(r"^nvidia-[a-z-]+-cu(\d+)==", lock, re.MULTILINE)}
    runtime = re.search(r"^nvidia-cuda-runtime-cu12==([\d.]+)", lock, re.MULTILINE)
    xgboost = re.search(r"^xgboost==(\d+)\.(\d+)", lock, re.MULTILINE)
    assert majors
    majors |= {13} if (int(xgboost[1]), int(xgboost[2])) >= (3, 2) else {12}
    assert int(_default("driver_branch")) >= max(MINIMUM_DRIVER[major] for major in majors)
    assert _default("cuda_toolkit") == ".".join(runtime[1].split(".")[:2])
    assert int(_default("driver_branch")) >= 580


AGENTS = 'if [[ "$1 $2" == "list amazon-ssm-agent" ]]; then printf "Name Version Rev\\namazon-ssm-agent {} 1\\n"; fi'


def _base(folder: Path, agent: str) -> tuple[Stage, subprocess.CompletedProcess[str]]:
    names = ("cloud-init", "apt-get", "systemctl", "add-apt-repository", "dpkg")
    stage = Stage(folder, snap=AGENTS.format(agent), aws="", curl="")
    for name in names:
        stage.stand_in(name)
    # The archive of the AWS CLI has an installer inside.
    stage.stand_in("unzip", 'mkdir -p "${@: -1}/aws"; ln -s "$(dirname "$0")/aws" "${@: -1}/aws/install"')
    done = stage.run(
        PACKER / "scripts/base.sh",
        VARIANT="cpu",
        SSM_AGENT_MINIMUM=_default("ssm_agent_minimum"),
        AWSCLI_VERSION=_default("awscli_version"),
    )
    return stage, done


def test_the_base_is_installed_in_order(tmp_path: Path) -> None:
    stage, done = _base(tmp_path, "3.3.40.0")
    assert done.returncode == 0, done.stderr
    assert [" ".join(call.split()[:2]) for call in stage.calls] == [
        "cloud-init status",
        "apt-get update",
        "apt-get install",
        "snap list",
        "snap refresh",
        "snap start",
        "snap list",
        "systemctl enable",
        "add-apt-repository -y",
        "apt-get install",
        "curl -fsSL",
        "unzip -q",
        "aws --update",
        "aws --version",
        "curl -fsSL",
        "dpkg -i",
    ]
    installed = " ".join(call for call in stage.calls if call.startswith("apt-get install"))
    assert {"docker.io", "libgomp1", "python3.12", "python3.12-venv"} <= set(installed.split())


@pytest.mark.parametrize(("agent", "code"), [("3.3.39.9", 1), ("3.10.0.0", 0), ("3.3.4.0", 1), ("4.0.0.0", 0)])
def test_an_agent_that_needs_ec2messages_ends_the_build(tmp_path: Path, agent: str, code: int) -> None:
    _, done = _base(tmp_path, agent)
    assert done.returncode == code
    assert ("the SSM agent is" in done.stderr) == bool(code)


def _gpu(folder: Path, variant: str, keys: str = "", driver: str = "580.82.07") -> tuple[Stage, int, str]:
    does = f'if [[ "$1" == s3api ]]; then printf "{keys}"; fi'
    stage = Stage(folder, aws=does, curl="", dpkg="", sh="", nvidia_smi=f"echo {driver}", uname="echo 6.8.0-aws")
    stage.stand_in("apt-get")
    stage.stand_in("nvidia-ctk")
    branch, toolkit = _default("driver_branch"), _default("cuda_toolkit")
    done = stage.run(PACKER / "scripts/gpu.sh", VARIANT=variant, DRIVER_BRANCH=branch, CUDA_TOOLKIT=toolkit)
    return stage, done.returncode, done.stderr


def test_a_machine_without_gpu_gets_no_driver(tmp_path: Path) -> None:
    stage, code, _ = _gpu(tmp_path, "cpu")
    assert (code, stage.calls) == (0, [])


def test_a_whole_gpu_gets_the_drivers_of_the_data_centre(tmp_path: Path) -> None:
    stage, code, _ = _gpu(tmp_path, "nvidia")
    assert code == 0
    assert [call.split()[0] for call in stage.calls] == [
        "curl",
        "dpkg",
        "apt-get",
        "apt-get",
        "apt-get",
        "nvidia-ctk",
        "nvidia-smi",
    ]
    assert stage.calls[3].endswith("cuda-toolkit-12-8 nvidia-container-toolkit")
    assert stage.calls[4].endswith("cuda-drivers-580")
    assert not any(call.startswith("aws") for call in stage.calls)


def test_a_fraction_gets_the_newest_grid_driver_of_the_branch(tmp_path: Path) -> None:
    names = [
        "grid-19.9/NVIDIA-Linux-x86_64-580.95.05-grid-aws.run",
        "grid-19.1/NVIDIA-Linux-x86_64-580.82.07-grid-aws.run",
    ]
    stage, code, _ = _gpu(tmp_path, "grid", keys="\\n".join(names) + "\\n")
    assert code == 0
    (copied,) = (call for call in stage.calls if call.startswith("aws s3 cp"))
    assert f"s3://ec2-linux-nvidia-drivers/{names[0]}" in copied
    assert any(call.startswith("sh ") and call.endswith("--silent") for call in stage.calls)
    assert not any("cuda-drivers" in call for call in stage.calls)


@pytest.mark.parametrize(
    ("variant", "keys", "driver", "said"),
    [
        ("grid", "", "580.82.07", "has no GRID driver of branch 580"),
        ("nvidia", "", "570.172.08", "should be of branch 580 or newer"),
        ("other", "", "580.82.07", "there is no variant 'other'"),
    ],
)
def test_a_build_with_the_wrong_driver_ends(tmp_path: Path, variant: str, keys: str, driver: str, said: str) -> None:
    _, code, errors = _gpu(tmp_path, variant, keys, driver)
    assert code == 1
    assert said in errors


@pytest.mark.parametrize(("variant", "neural"), [("cpu", False), ("nvidia", True), ("grid", True)])
def test_the_product_is_installed_from_pins_and_its_wheel(tmp_path: Path, variant: str, neural: bool) -> None:
    stage = Stage(tmp_path, id="exit 1", useradd="", systemctl="", python3="")
    venv = stage.root / "opt/power-nowcast/bin"
    stage.stand_in("python3.12")
    for name in ("pip", "nowcast"):
        stage.stand_in(name, place=venv / name)
    upload = tmp_path / "upload"
    shutil.copytree(TESTS.parent / "machine", upload / "machine")
    writable(upload / "power_nowcast-0.1.0-py3-none-any.whl").touch()
    done = stage.run(PACKER / "scripts/product.sh", VARIANT=variant, UPLOAD=str(upload))
    assert done.returncode == 0, done.stderr
    assert [call.split()[0] for call in stage.calls] == [
        "id",
        "useradd",
        "python3.12",
        "pip",
        "pip",
        "nowcast",
        "systemctl",
    ]
    assert "--require-hashes" in stage.calls[3]
    assert ("requirements-neural.txt" in stage.calls[3]) == neural
    assert "--no-index" in stage.calls[4]
    assert (stage.root / "opt/power-nowcast/machine/start").stat().st_mode & 0o111
    units = {path.name for path in (stage.root / "etc/systemd/system").iterdir()}
    assert units == {"nowcast-live.service", "nowcast-mlflow.service", "nowcast-run.service"}
