"""The documents name only what exists: paths, modules, commands, options, settings, targets of make, links, tests."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from power_nowcast.cli.group import command
from power_nowcast.settings import Settings

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/power_nowcast"
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACES = (ROOT, PACKAGE, ROOT / "tests")
OF_A_STORE = {"raw", "interim", "documents"}
"""Folders that a store makes when the program runs."""
SETTINGS = {"tracking_uri": "MLFLOW_TRACKING_URI", "entsoe_api_key": "ENTSOE_API_KEY", "pjm_api_key": "PJM_API_KEY"}
ELSEWHERE = {"NOWCAST_BENCH_DATA", "NOWCAST_PEERS_PYTHON"}
"""Variables of tests and benchmarks, which the package does not read."""

PATH = re.compile(r"(?P<path>(?:[\w.-]+/)*(?:[\w-]+\.(?:py|toml|md|in|txt)|[\w.-]+/))(?:::(?P<test>test_\w+))?")
MODULE = re.compile(r"(?:power_nowcast\.)?[a-z_]+(?:\.\w+)+")
CALL = re.compile(
    r"\bnowcast (?P<command>(?:data [a-z]+|keys (?:new|list|revoke)|regions (?:check|new)|registry copy|config show"
    r"|[a-z]+))"
    r"(?P<rest>[^`\n#]*)"
)
NAMED = re.compile(r"`(?P<file>[\w/]+\.py)?(?:::(?P<test>test_\w+))?`")
WRITTEN = re.compile(r"(?:--out|--into|NOWCAST_(?:DATA|ARTIFACTS|REPORTS|REGIONS))[ =]([\w./-]+)|> ?([\w./-]+\.\w+)$")
"""The files and folders that a command writes below the working folder."""
every_page = pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)


def _code(page: Path) -> Iterator[str]:
    """Each text between backticks, and each line of a block of code."""
    text = page.read_text()
    for block in re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def _exists(name: str) -> bool:
    """Whether a path exists below one of the places, and a bare name somewhere in the tree."""
    path = Path(name)
    if any((place / path).exists() for place in PLACES):
        return True
    trees = (ROOT / folder for folder in ("src", "tests", "benchmarks", "scripts", "docs"))
    return len(path.parts) == 1 and any(True for tree in trees for _ in tree.rglob(name.rstrip("/")))


def _is_placeholder(name: str) -> bool:
    return any(Path(part).stem.isupper() for part in Path(name).parts if part != "README.md")


@every_page
def test_paths_exist(page: Path) -> None:
    found = [match for code in _code(page) if (match := PATH.fullmatch(code))]
    named = {match["path"] for match in found if not _is_placeholder(match["path"])}
    gone = sorted(name for name in named if Path(name).parts[0] not in OF_A_STORE and not _exists(name))
    assert not gone, f"{page.name} names paths that do not exist: {gone}"
    assert page.name != "architecture.md" or len(named) >= 60


@every_page
def test_modules_and_their_names_exist(page: Path) -> None:
    packages = {path.stem for path in PACKAGE.iterdir()}
    for code in _code(page):
        name = code.removeprefix("power_nowcast.")
        if MODULE.fullmatch(code) and not PATH.fullmatch(code) and name.split(".")[0] in packages:
            assert _resolves(f"power_nowcast.{name}"), f"{page.name} names {code}, which does not exist"


def _resolves(name: str) -> bool:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[end:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


@every_page
def test_commands_and_their_options_exist(page: Path) -> None:
    for code in _code(page):
        for match in CALL.finditer(code):
            *folders, name = match["command"].split()
            found = command(".".join(("power_nowcast.cli", *folders)), PACKAGE.joinpath("cli", *folders), name)
            known = {option for one in found.params for option in one.opts} | {"--help"}
            asked = set(re.findall(r"(?<!\S)(?:\[)?(--[a-z-]+)", match["rest"]))
            assert asked <= known, f"{page.name}: {code!r} has unknown options {sorted(asked - known)}"


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.exists(), f"{page.name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{page.name} links to {target}"


@every_page
def test_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {name for code in _code(page) for name in re.findall(r"^(?:[A-Z]+=\S+ )*make ([a-z][\w-]*)", code)}
    assert asked <= targets, f"{page.name} names targets that do not exist: {sorted(asked - targets)}"


def test_each_setting_is_documented_once_and_none_is_invented() -> None:
    wanted = sorted(SETTINGS.get(one.name, f"NOWCAST_{one.name.upper()}") for one in fields(Settings))
    section = (ROOT / "docs/data.md").read_text().split("## Settings and credentials")[1].split("\n## ")[0]
    documented = [name for row in re.findall(r"^\| (`[A-Z].*?) \|", section, re.MULTILINE) for name in row.split(", ")]
    assert sorted(name.strip("`") for name in documented) == wanted
    for page in DOCS:
        asked = set(re.findall(r"\bNOWCAST_[A-Z_]+[A-Z]", page.read_text())) - ELSEWHERE
        assert asked <= set(wanted), f"{page.name} names settings that do not exist: {sorted(asked - set(wanted))}"


def test_the_table_of_faults_names_tests_that_are_there() -> None:
    section = (ROOT / "docs/data.md").read_text().split("## What can be wrong")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| what can")]
    assert len(rows) >= 45
    for row in rows:
        named = [match for match in NAMED.finditer(row.split(" | ")[-1]) if match["file"] or match["test"]]
        assert named, f"no test shows: {row}"
        file = ""
        for match in named:
            file = match["file"] or file
            text = (ROOT / "tests" / file).read_text()
            assert f"def {match['test'] or 'test_'}" in text, f"{file} has no {match['test']}"


def test_every_page_has_one_place_in_the_navigation() -> None:
    listed = re.findall(r"^ *- file: (\S+)$|^root: (\S+)$", (ROOT / "docs/_toc.yml").read_text(), re.MULTILINE)
    named = sorted(f"{entry or root}.md" for entry, root in listed)
    made = sorted(f"reference/{name}.md" for name in ("index", "commands", "http", "settings"))
    assert named == sorted([*(page.name for page in DOCS[1:]), *made])


def test_every_term_of_the_glossary_says_where_it_is_in_the_code() -> None:
    rows = re.findall(r"^\| (.*?) \| (.*) \| (.*?) \|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    terms = [row for row in rows if row[0] not in ("term", "---")]
    assert len(terms) >= 60
    for term, meaning, place in terms:
        assert meaning.endswith((".", ".)")), term
        assert (PACKAGE / place.strip("`")).is_file(), f"{term}: {place}"


def test_git_ignores_what_the_commands_of_the_documents_write() -> None:
    lines = (line for page in DOCS for line in _code(page) if "nowcast" in line or "make " in line)
    found = {match[1] or match[2] for line in lines for match in WRITTEN.finditer(line)}
    made = sorted(name for name in found if not _is_placeholder(name) and not Path(name).is_absolute())
    assert {"played", "ramp.parquet", "lightgbm.parquet"} <= set(made)
    # A folder's pattern ends with a slash, so git is asked for a file inside it.
    asked = [name if Path(name).suffix else f"{name}/file" for name in made]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *asked], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ignored.stdout.splitlines() == asked
