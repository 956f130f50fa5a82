import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "see " + "/ho" + "me/me/notes",
        'DATA = "' + "/ro" + 'ot/.cache"',
        "https://" + "py" + "pi.org/simple",
        "files.python" + "hosted.org",
    ],
)
def test_paths_of_a_machine_and_index_hosts_are_found(tree: Path, line: str, script, capsys) -> None:
    (tree / "notes.md").write_text(f"# Notes\n{line}\n")
    assert script("check_tree").main() == 1
    assert "notes.md:2: " in capsys.readouterr().out


def test_endless_files_are_found(tree: Path, script, capsys) -> None:
    (tree / "long.py").write_text("x = 1\n" * 451)
    assert script("check_tree").main() == 1
    assert "long.py: 451 lines" in capsys.readouterr().out


def test_a_tree_in_order_passes(tree: Path, script, capsys) -> None:
    (tree / ".gitignore").write_text("ignored\n")
    (tree / "ignored").write_text("/ro" + "ot/x\n")
    (tree / "fine.py").write_text('PATH = "/v1/home/x"\nURL = "https://example.com/home/x"\n')
    (tree / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    assert script("check_tree").main() == 0
    assert "in order" in capsys.readouterr().out
