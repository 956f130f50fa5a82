"""Every script of benchmarks/ takes --json and --check; figures that are no numbers hold no bar of theirs."""

import runpy
import sys
from pathlib import Path

import ablation
import against
import numpy as np
import pytest
import speed

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(file for file in FOLDER.glob("*.py") if file.read_text().startswith("#!"))


def test_every_module_that_runs_by_itself_is_a_script() -> None:
    assert len(SCRIPTS) == 16
    runs = [file for file in FOLDER.glob("*.py") if '__name__ == "__main__"' in file.read_text()]
    assert sorted(runs) == SCRIPTS


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.stem)
def test_every_script_takes_json_and_check(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(file), run_name="__main__")
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--json JSON" in said
    assert "--check " in said


def test_answers_of_which_one_is_no_number_lie_apart() -> None:
    one, other = np.array([1.0, 2.0, np.nan]), np.array([1.0, 2.5, np.nan])
    assert speed.furthest_apart(one, other) == 0.5
    assert speed.furthest_apart(one, np.array([1.0, np.nan, np.nan])) == np.inf
    assert np.isnan(speed.furthest_apart(np.full(3, np.nan), np.full(3, np.nan)))


def test_a_folder_that_is_no_checkout_is_not_compared_with(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="it has no src/power_nowcast"):
        against.compare(tmp_path, tmp_path, None)


def figures(scale: float = 1.0) -> dict[str, dict[str, list[float]]]:
    """What `ablation.figures` tells of the ensemble: as much as its bars allow, times `scale`."""
    bars = ablation.BARS["ensemble"]
    return {
        name: {key: [scale * value for value in bars[name]] for key in ("MAPE", "MAE", "pinball", "coverage")}
        for name in ablation.JUDGED
    }


def test_a_row_of_the_ablation_is_whole_and_within_its_bars() -> None:
    assert ablation.wanting("ensemble", figures()) == []
    assert len(ablation.wanting("ensemble", figures(1.001))) == 12
    assert len(ablation.wanting("ensemble", {})) == 3 * 4 * 4
    assert ablation.wanting("tft", figures(9.0)) == [], "a row without a bar needs its figures only"
    part = figures() | {"NORTH": {"MAE": [8.0, float("nan"), 11.0], "MAPE": [1.0] * 4}}
    told = ablation.wanting("tft", part)
    assert "tft: MAE of NORTH at 30 minutes nan, the bar is inf" in told
    assert len(told) == 2 + 4 + 4
    assert ablation.wanting("alone", {"NYCA": figures()["NYCA"]}) == [], "it has one series"
