"""check_tree: every rule finds what breaks it, and nothing else; the tree itself obeys."""

import subprocess
from pathlib import Path

import pytest

FILE = "src/power_nowcast/"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(tree: Path, name: str, text: str) -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


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


def body(lines: int) -> str:
    return "def work():\n" + "    x = 1\n" * (lines - 1)


def with_arguments(*names: str) -> str:
    return f"class Thing:\n    def work({', '.join(('self', *names))}): ...\n"


SEVEN = tuple("abcdefg")
GOOD = {
    "tests/test_long.py": "x = 1\n" * 400,
    "src/power_nowcast/errors.py": "class Error(Exception): ...\n",
    "src/power_nowcast/cli/short.py": "x = 1\n" * 89 + "from power_nowcast.settings import settings\n",
    "src/power_nowcast/cli/many.py": "def many(a, b, c, d, e, f, g, h):\n    from power_nowcast import jobs\n",
    "src/power_nowcast/cli/base.py": "settings()\n" + "x = 1\n" * 99,
    "src/power_nowcast/live/loop.py": "import threading\n",
    "src/power_nowcast/store/locks.py": "from threading import Lock\n",
    "src/power_nowcast/store/work.py": body(60),
    "src/power_nowcast/store/told.py": body(60).replace("work():\n", 'work():\n    """A.\n\n    B.\n    """\n'),
    "src/power_nowcast/store/thing.py": with_arguments("a", "b", "c", "*", "d", "e", "f", "g"),
    "src/power_nowcast/store/lazy.py": "def late():\n    import matplotlib\n",
}
BAD = {
    ("tests/test_long.py", "x = 1\n" * 401): "tests/test_long.py: 401 lines, more than 400",
    (f"{FILE}helpers.py", "x = 1\n"): f"{FILE}helpers.py: a module on top",
    (f"{FILE}cli/long.py", "x = 1\n" * 91): f"{FILE}cli/long.py: 91 lines, more than 90",
    (f"{FILE}store/reads.py", "folder = settings().data\n"): f"{FILE}store/reads.py: reads the settings",
    (f"{FILE}store/beside.py", "import threading\n"): f"{FILE}store/beside.py: makes threads",
    (
        f"{FILE}store/pool.py",
        "from concurrent.futures import ThreadPoolExecutor\n",
    ): f"{FILE}store/pool.py: makes threads",
    (f"{FILE}pool/b.py", "from concurrent import futures\n"): f"{FILE}pool/b.py: makes threads",
    (f"{FILE}pool/c.py", "from multiprocessing.pool import Pool\n"): f"{FILE}pool/c.py: makes threads",
    (f"{FILE}store/read.py", "data = settings.settings().data\n"): f"{FILE}store/read.py: reads the settings",
    (f"{FILE}store/work.py", body(61)): f"{FILE}store/work.py:work: 61 lines, more than 60",
    (f"{FILE}store/thing.py", with_arguments(*SEVEN, "*", "h")): f"{FILE}store/thing.py:work: 8 arguments",
    (f"{FILE}store/late.py", "def f():\n    from power_nowcast.jobs import x\n"): f"{FILE}store/late.py:f: imports",
    (f"{FILE}store/late.py", "def f():\n    import power_nowcast.jobs\n"): f"{FILE}store/late.py:f: imports",
}


@pytest.fixture
def check(script, monkeypatch: pytest.MonkeyPatch):
    module = script("check_tree")
    monkeypatch.setattr(module, "EXCEPTIONS", {})
    return module


@pytest.mark.parametrize(("bad", "told"), BAD.items(), ids=[told.rsplit(": ", 1)[-1] for told in BAD.values()])
def test_what_breaks_a_rule_is_the_only_offence(tree: Path, bad: tuple[str, str], told: str, check, capsys) -> None:
    for name, text in GOOD.items():
        write(tree, name, text)
    write(tree, *bad)
    assert check.main() == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(told)


def test_an_exception_is_excused_as_long_as_it_is_needed(tree: Path, check, capsys) -> None:
    check.EXCEPTIONS[("function", "store/work.py:work")] = "a reason"
    write(tree, f"{FILE}store/work.py", body(61))
    assert check.main() == 0
    write(tree, f"{FILE}store/work.py", body(60))
    assert check.main() == 1
    assert "store/work.py:work: nothing needs its exception" in capsys.readouterr().out.replace("\n", " ")


def test_a_tree_in_order_passes(tree: Path, check, capsys) -> None:
    for name, text in GOOD.items():
        write(tree, name, text)
    (tree / ".gitignore").write_text("ignored\n")
    (tree / "ignored").write_text("/ro" + "ot/x\n")
    (tree / "fine.py").write_text('PATH = "/v1/home/x"\nURL = "https://example.com/home/x"\n')
    (tree / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    assert check.main() == 0
    assert "in order" in capsys.readouterr().out


def test_the_tree_itself_obeys(script, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert script("check_tree").main() == 0, capsys.readouterr().out
