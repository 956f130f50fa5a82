"""What the documents say of the tests is true of them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r"`(?P<file>[\w/]+\.py)?(?:::(?P<test>test_\w+))?`")


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
