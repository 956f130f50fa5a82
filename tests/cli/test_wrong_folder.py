"""A command in a folder without tables or models makes nothing there, and says where it looked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_cli import call, wide  # noqa: F401 - the fixture is used


@pytest.mark.parametrize(
    ("arguments", "looked"),
    [
        (["models"], "mlflow.db"),
        (["now"], "mlflow.db"),
        (["explain"], "mlflow.db"),
        (["promote"], "mlflow.db"),
        (["promote", "--rollback"], "mlflow.db"),
        (["serve", "--port", "0"], "mlflow.db"),
        (["compare", "1", "2"], "mlflow.db"),
        (["compare", "0" * 32, "2"], "mlflow.db"),
        (["evaluate"], "artifacts/nyiso"),
        (["features"], "data"),
        (["train"], "data"),
        (["tune"], "data"),
        (["data", "status"], "data"),
        (["data", "gaps"], "data"),
        (["data", "verify"], "data"),
        (["data", "compact"], "data"),
        (["data", "vacuum"], "data"),
        (["data", "rebuild", "--into", "again"], "data"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_folder_stays_empty_and_is_named(
    tmp_path: Path, work_in: Callable[..., Path], arguments: list[str], looked: str
) -> None:
    folder = work_in(tmp_path, MLFLOW_TRACKING_URI="sqlite:///mlflow.db")
    done = call(*arguments)
    assert str(folder / looked) in done.output
    assert [*folder.iterdir()] == []
    assert done.exit_code == (0 if arguments == ["models"] else 1)
