import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.conftest import ROOT

INPUTS = ("pyproject.toml", "requirements.txt", "requirements-neural.txt")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone's inputs of the set-up, in a folder with a space, and an environment as a finished set-up leaves it."""
    folder = tmp_path / "a clone"
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    (folder / "scripts").mkdir()
    for name in (*INPUTS, "Makefile", "scripts/bootstrap.py"):
        shutil.copy(ROOT / name, folder / name)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def done(folder: Path, script) -> Path:
    (folder / ".venv/set-up").write_text("\n".join(script("bootstrap").wanted(neural=False)))
    return folder


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "NOWCAST", "NEURAL"))}
    return subprocess.run(
        ["make", *words], cwd=folder, env=clean | environment, capture_output=True, text=True, check=False
    )


def test_nothing_is_done_when_all_is_there(done: Path) -> None:
    def made() -> list[Path]:
        # Make keeps compiled modules there if the environment forbids them beside the sources.
        return sorted(path for path in done.rglob("*") if "compiled" not in path.parts)

    before = made()
    told = make(done, "setup", "NEURAL=0", PYTHON=sys.executable)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    assert made() == before


@pytest.mark.parametrize("name", INPUTS)
def test_a_changed_pin_is_a_reason_to_work(done: Path, name: str, script) -> None:
    bootstrap = script("bootstrap")
    assert bootstrap.stamp() == bootstrap.wanted(neural=False)
    with (done / name).open("a") as file:
        file.write("\n# one line more\n")
    assert bootstrap.stamp() != bootstrap.wanted(neural=False)
    assert bootstrap.stamp()[0] == bootstrap.wanted(neural=False)[0], "the environment stays where it is"


def test_torch_is_a_reason_to_work(done: Path, script) -> None:
    bootstrap = script("bootstrap")
    assert bootstrap.stamp() != bootstrap.wanted(neural=True)


def test_the_choice_against_torch_is_remembered_until_the_next_one(
    done: Path, script, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap = script("bootstrap")
    monkeypatch.delenv("NEURAL", raising=False)
    assert bootstrap.wants_torch(), "nothing was chosen yet"
    worked: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", lambda *commands: worked.extend(commands))
    monkeypatch.setattr(bootstrap, "runs", lambda _: True)
    monkeypatch.setattr(bootstrap, "with_lock", lambda: None)  # it lasts until the process ends
    monkeypatch.setattr(bootstrap.os, "chdir", lambda _: None)
    for neural in ("0", "1"):
        monkeypatch.setenv("NEURAL", neural)
        (done / ".venv/set-up").unlink(missing_ok=True)
        (done / ".venv/set-up").write_text("\n".join((bootstrap.wanted(neural=False)[0], "other pins")))
        bootstrap.main()
        assert ("requirements-neural.txt" in [one for one in worked if "sync" in one][-1]) == (neural == "1")
        monkeypatch.delenv("NEURAL")
        assert bootstrap.wants_torch() == (neural == "1")
        done_so_far = len(worked)
        bootstrap.main()
        assert len(worked) == done_so_far, "the next make has nothing to do"


def test_two_packages_with_one_file_are_a_reason_to_begin_anew(done: Path, script) -> None:
    """An environment from before XGBoost came without its code for GPUs: taking that out takes torch's NCCL away."""
    bootstrap = script("bootstrap")
    assert not bootstrap.shared_files()
    (done / ".venv/lib/python3.12/site-packages/nvidia_nccl_cu13-2.32.3.dist-info").mkdir(parents=True)
    assert bootstrap.shared_files()


def test_a_moved_folder_is_a_reason_to_begin_anew(
    done: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script
) -> None:
    monkeypatch.chdir(done.rename(tmp_path / "moved"))
    bootstrap = script("bootstrap")
    assert bootstrap.stamp()[0] != bootstrap.wanted(neural=False)[0]


def test_an_environment_whose_python_is_gone_counts_as_none(done: Path, script) -> None:
    (done / ".venv/bin/python").unlink()
    (done / ".venv/bin/python").symlink_to("nowhere/python")
    assert script("bootstrap").stamp() is None


def test_uv_comes_with_its_own_hashes_only(folder: Path, script) -> None:
    lines = script("bootstrap").pinned("uv").splitlines()
    assert lines[0].startswith("uv==")
    pinned = [line for line in lines if not line.lstrip().startswith("#")]
    assert len(pinned) > 2
    assert all(line.strip().startswith("--hash=sha256:") for line in pinned[1:])


def test_a_package_without_a_pin_is_told(folder: Path, script) -> None:
    with pytest.raises(SystemExit, match="does not pin atlantis"):
        script("bootstrap").pinned("atlantis")


def test_an_environment_names_the_python_below_it(script) -> None:
    version, base = script("bootstrap").version_of(sys.executable)
    assert version == sys.version_info[:2]
    assert base == sys._base_executable  # type: ignore[attr-defined]


def test_pythons_that_are_too_old_are_told_with_the_remedy(script, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap = script("bootstrap")
    monkeypatch.setattr(bootstrap, "NEEDED", (99, 0))
    with pytest.raises(SystemExit) as caught:
        bootstrap.find_python()
    told = str(caught.value)
    assert f"is {sys.version_info[0]}.{sys.version_info[1]}" in told
    assert "needs Python 99.0 or newer" in told
    assert "uv python install" in told


def test_without_any_python_make_says_what_is_needed(folder: Path, tmp_path: Path) -> None:
    only = tmp_path / "bin"
    only.mkdir()
    for name in ("make", "sh"):
        (only / name).symlink_to(shutil.which(name) or name)
    told = make(folder, "run", PATH=str(only), PYTHON="")
    assert told.returncode == 2
    assert "needs Python 3.12 or newer, and no Python 3 was found" in told.stderr


def test_options_reach_the_command(folder: Path) -> None:
    told = make(folder, "--dry-run", "run", "REGION=my region.toml", "DAYS=120", "LAGS=5,10", "ARGS=--test-days 7")
    words = told.stdout.splitlines()[-1].split()
    assert " ".join(words) == '.venv/bin/nowcast run --region "my region.toml" --days "120" --lags "5,10" --test-days 7'


def test_what_is_not_given_is_left_to_the_command(folder: Path) -> None:
    told = make(folder, "--dry-run", "train-xgb")
    assert told.stdout.splitlines()[-1].split() == [".venv/bin/nowcast", "train", "--model", "xgboost"]


def test_help_lists_every_target(folder: Path) -> None:
    told = make(folder)
    text = (folder / "Makefile").read_text()
    targets = text[text.index(".PHONY:") : text.index("\n\n", text.index(".PHONY:"))].replace("\\", "").split()[1:]
    assert len(targets) > 20
    assert [target for target in targets if f"  make {target} " not in told.stdout] == []


def test_cuda_is_installed_only_where_the_wheel_of_torch_loads_it() -> None:
    """PyPI has no CPU build for Linux on x86-64; everywhere else the pins of CUDA do not apply."""
    lines = (ROOT / "requirements-neural.txt").read_text().splitlines()
    pins = [line for line in lines if re.match(r"(nvidia|cuda|triton)[\w-]*==", line)]
    assert len(pins) > 10
    assert {pin.partition(" ; ")[2].rstrip(" \\") for pin in pins} == {
        "platform_machine == 'x86_64' and sys_platform == 'linux'"
    }
    assert not any(
        re.match(r"(nvidia|cuda|triton|torch)[\w-]*==", line)
        for line in (ROOT / "requirements.txt").read_text().splitlines()
    )
