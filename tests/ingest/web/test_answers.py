import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from power_nowcast.errors import StoreError
from power_nowcast.ingest.web.answers import Answer, Answers

NOW = datetime(2025, 3, 5, 12, tzinfo=UTC)


def keep(answers: Answers, url: str, days_ago: int, data: bytes) -> Answer:
    at = NOW - timedelta(days=days_ago)
    answer = Answer(url, 200, at, sha256(data).hexdigest())
    answers.keep(answer, data)
    for file in answers.folder.rglob(f"{answer.sha256}.gz"):
        os.utime(file, (at.timestamp(), at.timestamp()))
    return answer


def test_old_answers_go_and_what_others_need_stays(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    keep(answers, "http://a/old", 50, b"old")
    shared = keep(answers, "http://a/shared", 50, b"shared")
    keep(answers, "http://a/new", 1, b"shared")
    for file in tmp_path.rglob(f"{shared.sha256}.gz"):
        os.utime(file, (0, 0))
    assert answers.prune(NOW - timedelta(days=30)) == 3, "two answers and a content"
    assert answers.newest("http://a/old") is None
    assert answers.newest("http://a/shared") is None
    found = answers.newest("http://a/new")
    assert found is not None
    assert found[1] == b"shared"
    assert [answer.url for answer in answers] == ["http://a/new"]
    assert answers.prune(NOW - timedelta(days=30)) == 0


def test_a_content_whose_answer_is_just_being_written_stays(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answer = keep(answers, "http://a", 0, b"content")
    for file in tmp_path.glob("answers/*/*.json"):
        file.unlink()
    assert answers.prune(NOW - timedelta(days=30)) == 0
    assert answers.data(answer) == b"content"


def test_damaged_answers_go(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    keep(answers, "http://a", 0, b"content")
    (file,) = tmp_path.glob("answers/*/*.json")
    file.write_text("{")
    assert answers.prune(NOW - timedelta(days=30)) == 1
    assert Answers(tmp_path / "none").prune(NOW) == 0


def test_what_cannot_be_deleted_is_told(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    keep(answers, "http://a", 50, b"content")
    (file,) = tmp_path.glob("answers/*/*.json")
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreError, match="cannot be deleted"):
        answers.prune(NOW)
