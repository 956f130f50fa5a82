"""Runs in processes of their own: what is kept, what is asked again, and what becomes of a failure."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from peers.base import Job
from peers.results import read, run

from tests.benchmarks import toy_grid


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_grid.write(tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="module")
def job() -> Job:
    return Job(**toy_grid.job_of())


def test_a_result_is_kept_for_the_same_question_only(job: Job, grid: Path, tmp_path: Path) -> None:
    def asked(about: Job = job, **options: object):
        return run("persistence", about, grid, tmp_path, Path(sys.executable), limit_s=120, **options)

    first = asked()
    assert first.failed == ""
    assert first.predictions is not None
    assert first.figures["rows"] == len(first.predictions) == len(job.issues) * 8
    assert first.figures["title"] == first.title == "persistence"
    kept = tmp_path / "a-persistence.json"
    written = kept.stat().st_mtime_ns
    assert asked().predictions.equals(first.predictions)
    assert kept.stat().st_mtime_ns == written
    assert len(asked(replace(job, every_min=390)).predictions) < len(first.predictions)
    assert kept.stat().st_mtime_ns != written


def test_a_spoilt_result_is_none(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "a-persistence"
    assert read("persistence", job, out, "question") is None
    out.with_suffix(".json").write_text("{")
    out.with_suffix(".parquet").write_bytes(b"")
    assert read("persistence", job, out, "question") is None


def test_a_library_that_is_missing_fails_alone_and_says_why(job: Job, grid: Path, tmp_path: Path) -> None:
    found = run("openstef", job, grid, tmp_path, Path(sys.executable), limit_s=120)
    assert found.predictions is None
    assert "openstef" in found.failed
    assert found.title == "openstef"
    assert not (tmp_path / "a-openstef.json").exists()


def test_a_peer_that_takes_too_long_is_stopped(job: Job, grid: Path, tmp_path: Path) -> None:
    found = run("persistence", job, grid, tmp_path, Path(sys.executable), limit_s=0.001)
    assert found.failed == "no answer within 0 minutes"


def test_another_grid_is_another_question(job: Job, grid: Path, tmp_path: Path) -> None:
    run("persistence", job, grid, tmp_path, Path(sys.executable), limit_s=120)
    before = json.loads((tmp_path / "a-persistence.json").read_text())["question"]
    other = toy_grid.write(tmp_path, days=44)
    run("persistence", job, other, tmp_path, Path(sys.executable), limit_s=120)
    assert json.loads((tmp_path / "a-persistence.json").read_text())["question"] != before
