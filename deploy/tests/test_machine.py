"""User data, as planned, and the scripts of the image that it starts, with recording stand-ins of system programs."""

import configparser
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from invariants import Plan
from stage import Stage, writable
from terraform import TESTS

MACHINE = TESTS.parent / "machine"
SCRIPTS = [*sorted((TESTS.parent / "packer/scripts").glob("*.sh")), MACHINE / "start", MACHINE / "read-parameters"]
AGENT = "amazon-cloudwatch-agent-ctl"
SHELLCHECK = str(Path(sys.executable).parent / "shellcheck")
EMPTY, FILLED, UNREADABLE = "exit 2", "exit 0", "exit 8"


def _user_data(plan: Plan, machine: str) -> str:
    (found,) = (one for one in plan.resources("aws_instance") if one.name.endswith(machine))
    return found.values["user_data"]


def _stage(folder: Path, blkid: str = EMPTY) -> Stage:
    """A machine just made from the image, with its disk."""
    stage = Stage(folder, aws="", blkid=blkid, chown="", mount="", mountpoint="exit 1", systemctl="")
    stage.stand_in("mkfs.ext4")
    stage.stand_in(AGENT, place=stage.root / f"opt/aws/amazon-cloudwatch-agent/bin/{AGENT}")
    start = writable(stage.root / "opt/power-nowcast/machine/start")
    shutil.copy(MACHINE / "start", start)
    writable(stage.root / "etc/fstab").write_text("LABEL=cloudimg-rootfs / ext4 defaults 0 1\n")
    disk = "nvme-Amazon_Elastic_Block_Store_aws_ebs_volume.powernowcastdevmlflowdata.id"
    writable(stage.root / f"dev/disk/by-id/{disk}").touch()
    return stage


CONFIGURE = f"{AGENT} -a fetch-config -m ec2 -s -c file:/etc/power-nowcast/logs.json"
CHOWN = "chown nowcast:nowcast /var/lib/power-nowcast"


def test_user_data_of_the_service_start_it(plans: Callable[..., Plan], tmp_path: Path) -> None:
    stage = _stage(tmp_path)
    done = stage.run(_user_data(plans("dev"), "service"))
    assert done.returncode == 0, done.stderr
    assert stage.calls == [CHOWN, CONFIGURE, "systemctl enable --now nowcast-live.service"]
    told = json.loads((stage.root / "etc/power-nowcast/logs.json").read_text())
    (file,) = told["logs"]["logs_collected"]["files"]["collect_list"]
    groups = {one.values["name"] for one in plans("dev").resources("aws_cloudwatch_log_group")}
    assert file["log_group_name"] in groups


@pytest.mark.parametrize(("blkid", "made"), [(EMPTY, ["mkfs.ext4"]), (FILLED, [])])
def test_user_data_of_mlflow_mount_its_disk_first(
    plans: Callable[..., Plan], tmp_path: Path, blkid: str, made: list[str]
) -> None:
    """An empty disk gets a file system; one that an earlier machine filled is mounted as it is."""
    stage = _stage(tmp_path, blkid)
    done = stage.run(_user_data(plans("dev"), "mlflow"))
    assert done.returncode == 0, done.stderr
    assert [call.split()[0] for call in stage.calls] == [
        "blkid",
        *made,
        "mountpoint",
        "mount",
        "chown",
        AGENT,
        "systemctl",
    ]
    assert stage.calls[-1] == "systemctl enable --now nowcast-mlflow.service"
    assert (stage.root / "etc/fstab").read_text().count("LABEL=nowcast-data /var/lib/power-nowcast ext4") == 1


def test_a_disk_that_cannot_be_read_is_left_alone(plans: Callable[..., Plan], tmp_path: Path) -> None:
    stage = _stage(tmp_path, UNREADABLE)
    done = stage.run(_user_data(plans("dev"), "mlflow"))
    assert done.returncode == 1
    assert "cannot be read" in done.stderr
    assert [call.split()[0] for call in stage.calls] == ["blkid"]


def test_a_disk_that_never_comes_is_told(plans: Callable[..., Plan], tmp_path: Path) -> None:
    stage = _stage(tmp_path)
    shutil.rmtree(stage.root / "dev")
    done = stage.run(_user_data(plans("dev"), "mlflow"), WAIT_SECONDS="1")
    assert done.returncode == 1
    assert "was not attached" in done.stderr
    assert stage.calls == []


OPTIONS = r"--recursive --with-decryption --query Parameters\[\].\[Name\,\ Value\] --output text"


def _read(folder: Path, told: str) -> tuple[Stage, subprocess.CompletedProcess[str]]:
    stage = Stage(folder, aws=f"printf '%b' '{told}'")
    words = "MACHINE=service\nENVIRONMENT=power-nowcast-dev\nREGION=us-west-2\nVOLUME=\n"
    writable(stage.root / "etc/power-nowcast/machine").write_text(words)
    return stage, stage.run(MACHINE / "read-parameters")


def test_parameters_become_the_environment(tmp_path: Path) -> None:
    told = "/power-nowcast-dev/service/NOWCAST_REGION\\tnyiso-live\\n"
    told += '/power-nowcast-dev/service/MLFLOW_TRACKING_PASSWORD\\ta"b$c`d\\\\\\\\e f\\n'
    stage, done = _read(tmp_path, told)
    assert done.returncode == 0, done.stderr
    assert stage.calls == [
        f"aws ssm get-parameters-by-path --region us-west-2 --path /power-nowcast-dev/service {OPTIONS}"
    ]
    written = stage.root / "run/power-nowcast/environment"
    assert written.stat().st_mode & 0o077 == 0
    assert written.parent.stat().st_mode & 0o077 == 0
    # systemd's rules of quoting inside double quotes are those of the shell.
    shown = subprocess.run(
        ["bash", "-c", f'set -a; . {written}; printf "%s|%s" "$NOWCAST_REGION" "$MLFLOW_TRACKING_PASSWORD"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == 'nyiso-live|a"b$c`d\\\\e f'


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("", "there are no parameters"),
        ("None\\n", "there are no parameters"),
        ("/power-nowcast-dev/service/NOWCAST_URLS\\tfirst\\nsecond\\n", "several lines"),
        ("/power-nowcast-dev/service/lower\\tvalue\\n", "is no variable"),
    ],
)
def test_parameters_that_cannot_be_are_told(tmp_path: Path, told: str, said: str) -> None:
    stage, done = _read(tmp_path, told)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (stage.root / "run/power-nowcast/environment").exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    done = subprocess.run([SHELLCHECK, "--norc", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_shellcheck_finds_nothing_in_user_data(plans: Callable[..., Plan], tmp_path: Path) -> None:
    for machine in ("service", "mlflow"):
        script = tmp_path / machine
        script.write_text(_user_data(plans("prod"), machine))
        done = subprocess.run([SHELLCHECK, "--norc", str(script)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("unit", sorted(MACHINE.glob("*.service")), ids=lambda path: path.stem)
def test_units_run_the_products_commands_with_few_rights(unit: Path) -> None:
    read = configparser.RawConfigParser(strict=False, interpolation=None)
    read.optionxform = str
    read.read_string(unit.read_text())
    service = read["Service"]
    command = unit.stem.removeprefix("nowcast-")
    assert service["ExecStart"] == f"/opt/power-nowcast/bin/nowcast {command}"
    assert (TESTS.parents[1] / f"src/power_nowcast/cli/{command}.py").exists()
    assert service["ExecStartPre"] == "+/opt/power-nowcast/machine/read-parameters"
    assert (service["User"], service["NoNewPrivileges"], service["ProtectSystem"]) == ("nowcast", "yes", "strict")
    assert (service["RuntimeDirectory"], service["RuntimeDirectoryMode"]) == ("power-nowcast", "0700")
    assert read.has_section("Install") == (service["Type"] == "exec")
