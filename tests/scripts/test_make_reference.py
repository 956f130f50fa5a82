"""The generated reference is complete: every command and option, every route and form, every setting."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from power_nowcast.settings import Settings

ROOT = Path(__file__).parents[2]
CLI = ROOT / "src/power_nowcast/cli"


@pytest.fixture
def pages(script, tmp_path: Path) -> dict[str, str]:
    script("make_reference").main(tmp_path)
    return {path.stem: path.read_text() for path in tmp_path.glob("*.md")}


def sections(page: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    return {title: text for title, _, text in (part.partition("\n") for part in page.split("\n## ")[1:])}


def test_every_command_has_a_section_with_its_options(pages: dict[str, str]) -> None:
    found = sections(pages["commands"])
    inside = {f"nowcast {path.parent.name} {path.stem}" for path in CLI.glob("*/*.py") if path.stem != "__init__"}
    assert inside | {f"nowcast {path.parent.name}" for path in CLI.glob("*/__init__.py")} <= set(found)
    listed = set(re.findall(r'"([a-z]+)"', (CLI / "__init__.py").read_text()))
    commands = {path.stem: path.read_text() for path in CLI.glob("*.py") if path.stem in listed}
    assert len(commands) >= 20
    for name, text in commands.items():
        section = found[f"nowcast {name}"]
        assert set(re.findall(r'typer\.Option\("(--[a-z-]+)"', text)) <= set(re.findall(r"--[a-z-]+", section)), name
        assert "Usage: nowcast" in section
    assert "`--rollback`" in found["nowcast promote"]
    assert "[default: candidate]" in found["nowcast promote"]


def test_every_route_and_form_has_a_section(pages: dict[str, str]) -> None:
    documented = re.findall(r"^### ((?:GET|POST|DELETE) \S+)", (ROOT / "docs/serving.md").read_text(), re.MULTILINE)
    found = sections(pages["http"])
    assert set(documented) == set(found) - {"Forms"}
    for link in re.findall(r"\]\(#(\w+)\)", pages["http"]):
        assert re.search(rf"^### {link}$", found["Forms"], re.MULTILINE | re.IGNORECASE), link
    assert "One of `full`, `reduced`, `persistence`" in found["Forms"]


def test_every_setting_has_a_row_with_its_meaning(pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$", pages["settings"], re.MULTILINE)
    assert len(rows) == len(fields(Settings))
    assert all(kind and meaning for _, kind, _, meaning in rows)
    told = {name: (kind, default) for name, kind, default, _ in rows}
    assert told["NOWCAST_CACHE_MIB"] == ("whole number", "`512`")
    assert told["MLFLOW_TRACKING_URI"] == ("text", "`sqlite:///mlflow.db`")
    assert told["PJM_API_KEY"] == ("secret", "")


def test_a_setting_without_a_comment_is_an_error(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("make_reference")
    source = tmp_path / "settings.py"
    source.write_text("class Settings:\n    data: str = 'data'  # folder\n    host: str = ''\n")
    monkeypatch.setattr(module.settings_module, "__file__", str(source))
    with pytest.raises(SystemExit, match="what these fields mean: host"):
        module.meanings_of_settings()
