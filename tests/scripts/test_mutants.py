import json
import shutil
import subprocess
import sys
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def load(script, monkeypatch: pytest.MonkeyPatch):
    """Scripts that import each other by name."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return script


def changes(load, source: str) -> set[tuple[str, str]]:
    """(before, after) of every mutant."""
    return {(one.before, one.after) for one in load("mutation").mutants_of("m.py", source)}


@pytest.mark.parametrize(
    ("line", "mutants"),
    [
        ("y = a < b", {"y = a <= b", "y = a >= b"}),
        ("y = a <= b < c", {"y = a < b < c", "y = a > b < c", "y = a <= b <= c", "y = a <= b >= c"}),
        ("y = a is not b", {"y = a is b"}),
        ("y = a - (b + c)", {"y = a + (b + c)", "y = a - (b - c)"}),
        ("y = a // b", {"y = a * b"}),
        ("y = a and b or c", {"y = (a and b) and (c)", "y = (a) or (b) or c"}),
        ("y = -a", {"y = a"}),
        ("y = not a", {"y = a"}),
        ("y = 3", {"y = 4", "y = 2"}),
        ("y = 0.5", {"y = 1.5", "y = (-0.5)"}),
        ("y = True", {"y = False"}),
        ("y = min(a)", {"y = max(a)"}),
        ("y = t.first()", {"y = t.last()"}),
        ('y = f(a, side="left")', {'y = f(a, side="right")'}),
        ("y = a if b else c", {"y = a if (not (b)) else c"}),
        ("y = [a for a in b if c]", {"y = [a for a in b if (not (c))]"}),
        ("y.z = a", {"pass"}),
        ("y += a", {"pass", "y -= a"}),
        ("y[a] = b", {"pass"}),
        ("f(a)", {"pass"}),
        ("return a", {"return None"}),
        ("raise a", {"pass"}),
        ("raise E(f'{a + 1}', remedy=2)", {"pass"}),
    ],
)
def test_what_decides_is_changed_in_every_way(load, line: str, mutants: set[str]):
    assert changes(load, f"def f():\n    {line}\n") == {(line, one) for one in mutants}


@pytest.mark.parametrize(
    "line",
    [
        '"""Adds 1 + 1."""',
        "y: Literal[1] = a",
        "y = a",
        "log.info(a + 1)",
        "y = f'{a + 1}'",
        "y = Field(a, description=1, examples=[1])",
        "y = zip(a, b, strict=True)",
        "@njit(cache=True)\n    def g(): pass",
        "def __repr__(self): return 1",
        "return None",
        "if TYPE_CHECKING: y = 1",
    ],
)
def test_what_decides_nothing_is_left(load, line: str):
    assert changes(load, f"def f():\n    {line}\n") == set()


def test_a_mutant_is_told_by_place_and_text(load):
    source = "class A:\n    def f(self, é):\n        def g():\n            return [\n                'é', é + 1]\n"
    (one,) = [one for one in load("mutation").mutants_of("a/m.py", source) if "-" in one.after]
    assert (one.file, one.line, one.function) == ("a/m.py", 5, "A.f")
    assert (one.before, one.after) == ("'é', é + 1]", "'é', é - 1]")
    assert one.source == source.replace("+", "-")


def test_a_seed_draws_the_same_and_all_can_be_compiled(load):
    mutants = load("mutants")
    first, again, other = (mutants.sampled(["scoring.py"], seed, 20) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len(first) == 20
    assert {one.file for one in first} == {"scoring.py"}
    assert all(mutants.compiles(one) for one in first)


def test_every_pattern_of_deciding_modules_names_some(load):
    mutants = load("mutants")
    for pattern in mutants.DECIDING:
        assert list((ROOT / mutants.PACKAGE).glob(pattern)), f"{pattern}: nothing goes by this name any more"
    names = [path.relative_to(ROOT / mutants.PACKAGE).as_posix() for path in (ROOT / mutants.PACKAGE).rglob("*.py")]
    deciding = {text[0] for text in mutants.equivalents()}
    assert deciding <= {name for name in names if any(PurePath(name).match(one) for one in mutants.DECIDING)}


@pytest.fixture
def tests_of(load, tmp_path: Path):
    """Chooses tests for a mutant of models/m.py, by a map of three files."""
    tests = load("mutation_tests")

    def told(seconds: float, *reached: str) -> dict:
        return {"seconds": seconds, "reached": list(reached)}

    files = {
        "tests/models/test_m.py": {
            "own": told(9, "models/m.py::f"),
            "else": told(1, "models/m.py::g"),
            "none": told(1),
        },
        "tests/test_slow.py": {"slow": told(50, "models/m.py::f")},
        "tests/test_quick.py": {"quick": told(2, "models/m.py::f"), "far": told(1, "scoring.py::f")},
    }
    kept = tmp_path / "map.json"
    kept.write_text(json.dumps({path: {"text": "", "tests": found} for path, found in files.items()}))

    def chosen(function: str, file: str = "models/m.py", budget: float = 60.0) -> list[str]:
        return list(tests.Map(kept).tests_of(tests.Mutant(file, 1, function, "", "", ""), budget))

    return chosen


def test_tests_that_reach_the_function_are_chosen_the_modules_own_first(tests_of):
    assert tests_of("f") == ["own", "quick"]
    assert tests_of("f", budget=61.0) == ["own", "quick", "slow"]
    assert tests_of("f", budget=0.0) == ["own"]


def test_a_modules_own_lines_are_for_all_tests_of_it(tests_of):
    assert tests_of("") == ["own", "else", "none", "quick"]
    assert tests_of("g") == ["else"]
    assert tests_of("new_and_unknown") == ["own", "else", "none", "quick"]
    assert tests_of("", file="models/unknown.py") == ["own", "else", "none"]


def verdict(after: str, *, killed: bool) -> dict:
    told = {"file": "m.py", "line": 1, "function": "f", "before": "a", "after": after, "killed": killed}
    return told | {"by": "t" * killed, "seconds": 1.0}


@pytest.mark.parametrize(("survived", "code"), [(1, 0), (2, 1)])
def test_five_in_a_hundred_may_survive(load, capsys: pytest.CaptureFixture[str], survived: int, code: int):
    verdicts = [verdict(str(n), killed=n >= survived) for n in range(20)]
    assert load("mutants").summed_up(verdicts, {}) == code
    assert f"{20 - survived} of 20 killed, {(20 - survived) * 5}.0%" in capsys.readouterr().out


def test_those_judged_equivalent_do_not_count(load, capsys: pytest.CaptureFixture[str]):
    verdicts = [verdict("b", killed=False), verdict("c", killed=True)]
    reasons = {("m.py", "f", "a", "b"): "The same.", ("m.py", "f", "a", "c"): "Not so."}
    assert load("mutants").summed_up(verdicts, reasons) == 0
    told = capsys.readouterr().out
    assert "1 of 1 killed" in told
    assert "The same." in told
    assert "m.py:1 is listed as changing nothing, and was killed by t" in told


def test_every_listed_equivalent_is_a_mutant_with_a_reason(load):
    mutants, mutation = load("mutants"), load("mutation")
    listed = mutants.equivalents()
    for file in {text[0] for text in listed}:
        made = mutation.mutants_of(file, (ROOT / mutants.PACKAGE / file).read_text())
        texts = {mutants.text_of(one) for one in made}
        assert {text for text in listed if text[0] == file} <= texts
    assert all(len(reason) > 10 for reason in listed.values())


@pytest.mark.integration
def test_a_hole_is_found_in_a_small_tree_and_closed(tmp_path: Path):
    """`f` is tested at its bound; `g` is called, and not looked at."""
    package, tests, scripts = (tmp_path / name for name in ("src/power_nowcast", "tests", "scripts"))
    for folder in (package, tests, scripts):
        folder.mkdir(parents=True)
    for name in ("mutants.py", "mutation.py", "mutation_tests.py"):
        shutil.copy(ROOT / "scripts" / name, scripts)
    (scripts / "mutants_equivalent.toml").write_text("")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / ".gitignore").write_text(".mutants/\n__pycache__/\n")
    (package / "__init__.py").write_text("")
    functions = "def f(a, b):\n    return a < b\n\n\ndef g(a):\n    return a + 2\n"
    (package / "scoring.py").write_text(functions)
    test_f = "def test_f():\n    assert f(1, 2) is True\n    assert f(2, 2) is False\n"
    told = f"from power_nowcast.scoring import f, g\n\n\n{test_f}\n\ndef test_g():\n    g(1)\n"
    (tests / "test_scoring.py").write_text(told)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    def run() -> tuple[int, dict[tuple[int, str], bool], str]:
        code = "import sys, mutation_tests; mutation_tests.LIBRARIES = (); import mutants; sys.exit(mutants.main())"
        ended = subprocess.run(
            [sys.executable, "-c", code, "--json", "found.json", "--jobs", "2"],
            cwd=tmp_path, env={"PYTHONPATH": str(scripts), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        )  # fmt: skip
        found = json.loads((tmp_path / "found.json").read_text())
        return (
            ended.returncode,
            {(one["line"], one["after"]): one["killed"] for one in found},
            ended.stdout + ended.stderr,
        )

    code, found, out = run()
    assert code == 1, out
    survived = {change for change, killed in found.items() if not killed}
    assert survived == {(6, f"return {one}") for one in ("a - 2", "a + 3", "a + 1", "None")}
    assert found.keys() - survived == {(2, f"return {one}") for one in ("a <= b", "a >= b", "None")}
    assert "SURVIVED  src/power_nowcast/scoring.py:6  in g" in out
    (tests / "test_scoring.py").write_text(told.replace("    g(1)", "    assert g(1) == 3"))
    code, found, out = run()
    assert code == 0, out
    assert all(found.values())
    assert (package / "scoring.py").read_text() == functions
