"""The workflows of GitHub: actionlint, zizmor, pinned actions, and steps that are commands which exist."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from terraform import TESTS

REPOSITORY = TESTS.parents[1]
GITHUB = REPOSITORY / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yaml"))
MAKEFILE = (REPOSITORY / "Makefile").read_text()
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def _tool(name: str, *words: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    path = Path(sys.executable).parent / name
    return subprocess.run([path, *words], cwd=folder, capture_output=True, text=True, check=False)


def _actionlint(folder: Path) -> subprocess.CompletedProcess[str]:
    files = [str(one) for one in sorted((folder / ".github/workflows").glob("*.yaml"))]
    shellcheck = Path(sys.executable).parent / "shellcheck"
    return _tool(
        "actionlint", "-shellcheck", str(shellcheck), "-config-file", ".github/actionlint.yaml", *files, folder=folder
    )


def _zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    return _tool(
        "zizmor", "--offline", "--quiet", "--no-config", "--persona", "pedantic", ".github/workflows", folder=folder
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with a copy of the workflows that a test may break."""
    shutil.copytree(GITHUB, tmp_path / ".github")
    return tmp_path


def _break(folder: Path, name: str, old: str, new: str) -> None:
    file = folder / ".github/workflows" / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_actionlint_finds_nothing() -> None:
    done = _actionlint(REPOSITORY)
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing() -> None:
    done = _zizmor(REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("ci.yaml", "runs-on: ubuntu-24.04", "runs-on: ubuntu-2404", "unknown"),
        ("ci.yaml", "matrix.target == 'dist'", "matrix.tarjet == 'dist'", "tarjet"),
        ("ci.yaml", "    steps:", "    step:", "step"),
        ("model.yaml", "needs: shadow", "needs: shadows", "shadows"),
        ("model.yaml", '"17 5 * * 1"', '"17 25 * * 1"', "CRON"),
        ("model.yaml", '"approved in run $GITHUB_RUN_ID"', "$GITHUB_RUN_ID", "SC2086"),
    ],
)
def test_actionlint_finds_what_is_broken(copied: Path, name: str, old: str, new: str, said: str) -> None:
    _break(copied, name, old, new)
    done = _actionlint(copied)
    assert done.returncode == 1
    assert said in done.stdout


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("ci.yaml", "@1af3b93b6815bc44a9784bd300feb67ff0d1eeb3 # v6.0.0", "@v6", "unpinned-uses"),
        ("ci.yaml", "permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("ci.yaml", 'make "$TARGET"', "make ${{ github.head_ref }}", "template-injection"),
        ("ci.yaml", "          persist-credentials: false\n", "", "artipacked"),
        ("ci.yaml", "  pull_request:", "  pull_request_target:", "dangerous-triggers"),
    ],
)
def test_zizmor_finds_what_is_broken(copied: Path, name: str, old: str, new: str, said: str) -> None:
    _break(copied, name, old, new)
    done = _zizmor(copied)
    assert done.returncode != 0
    assert said in done.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_jobs_only_read(file: Path) -> None:
    text, told = file.read_text(), yaml.safe_load(file.read_text())
    uses = [line.strip() for line in text.splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.search(line)] == []
    assert told["permissions"] == {}
    for job in told["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] > 0


def _commands(file: Path) -> Iterator[tuple[str, str]]:
    """The job and the command of each `run` step, one for each target of a matrix."""
    for name, job in yaml.safe_load(file.read_text())["jobs"].items():
        targets = job.get("strategy", {}).get("matrix", {}).get("target", [""])
        for step in job["steps"]:
            if "run" in step:
                (line,) = step["run"].strip().splitlines()
                for target in targets:
                    yield name, line.replace('"$TARGET"', target)


ALL = [(job, command) for file in WORKFLOWS for job, command in _commands(file)]


def test_there_are_commands() -> None:
    assert len(ALL) >= 20


@pytest.mark.parametrize(("job", "command"), ALL, ids=lambda text: text)
def test_a_step_is_a_target_of_make_or_a_command_of_the_product(job: str, command: str) -> None:
    """Targets are run by the project's own checks; `test_the_steps_of_the_model_pipeline` runs the others."""
    program, *words = shlex.split(command)
    if program == "make":
        (target,) = words
        phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
        assert target in phony[1].replace("\\", "").split()
        assert re.search(rf"^{target}:.*## .+$", MAKEFILE, re.MULTILINE)
    else:
        assert program == ".venv/bin/nowcast"
        name, *options = words
        done = subprocess.run([program, name, "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for option in (word for word in options if word.startswith("--")):
            assert re.search(rf"{option}\b", done.stdout), option


def test_promotion_waits_for_an_approval() -> None:
    jobs = yaml.safe_load((GITHUB / "workflows/model.yaml").read_text())["jobs"]
    (promoting,) = (
        name for name, job in jobs.items() if any("promote" in step.get("run", "") for step in job["steps"])
    )
    assert jobs[promoting]["environment"] == "production"
    order, name = [promoting], promoting
    while "needs" in jobs[name]:
        name = jobs[name]["needs"]
        order.append(name)
    assert order == ["promote", "shadow", "candidate"]
