"""The promotion rule as people read it, and going back where there is nothing to go back to."""

from pathlib import Path

from power_nowcast.evaluate.promotion import RULE
from tests.cli.test_cli import call, said, wide  # noqa: F401 - the fixture is used
from tests.small_job import write_region

ROOT = Path(__file__).parents[2]


def test_going_back_without_a_version_before_says_that_there_is_none(tmp_path: Path, work_in) -> None:
    """MLFLOW_TRACKING_URI names a database that does not exist, and is not made for the question."""
    folder = work_in(tmp_path, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/none.db")
    done = call("promote", "--rollback", "--region", write_region(folder, "freshland"))
    assert done.exit_code == 1
    assert "there is nothing to go back to." in said(done)[0]
    assert said(done)[1] == "Promote one first: nowcast promote."
    assert not (tmp_path / "none.db").exists()


def test_the_promotion_rule_stands_in_the_help_and_in_the_docs() -> None:
    texts = {"help": call("promote", "--help").stdout, "docs": (ROOT / "docs/architecture.md").read_text()}
    for where, text in texts.items():
        assert RULE in " ".join(text.split()), where
    assert "not worse than the version in production by more than 1 %" in RULE
