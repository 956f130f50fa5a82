"""The commands as a user types them."""

import json
import re
import shlex
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.cli import base, plan
from power_nowcast.cli.tune import _advice
from power_nowcast.errors import ConfigurationError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs.run import RUN_MODELS
from power_nowcast.jobs.tune import Tuned
from power_nowcast.settings import settings
from tests.small_job import job_of, write_region

COMMANDS = (
    "ingest", "features", "train", "evaluate", "promote", "models", "regions", "serve", "api", "mlflow", "run",
    "backtest", "compare", "data", "doctor", "tune", "explain", "now",
)  # fmt: skip

WEEK = ("--first=2019-06-01", "--last=2019-06-08")


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


def said(result: Result) -> list[str]:
    """Lines of stderr, unwrapped colour."""
    return [line for line in re.sub(r"\x1b\[[0-9;]*m", "", result.stderr).splitlines() if line.strip()]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are not wrapped."""
    monkeypatch.setattr(base.log, "width", 1000)
    monkeypatch.setattr(base.console, "width", 1000)


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    folder = work_in(tmp_path_factory.mktemp("command line"))
    return write_region(folder, "lineland")


def test_without_a_command_it_explains_itself() -> None:
    shown = call()
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", shown.output), name


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option_with_words(command: str) -> None:
    shown = call(command, "--help")
    assert shown.exit_code == 0
    assert "--help" in shown.stdout
    assert "Usage" in shown.stdout


def test_the_customary_options_are_there() -> None:
    shown = call("run", "--help").stdout + call("train", "--help").stdout
    for option in ("region", "days", "horizon", "lags", "rolling", "n-estimators", "max-depth", "num-leaves"):
        assert f"--{option}" in shown
    assert "--learning-r" in shown


def test_regions_lists_those_of_the_package() -> None:
    shown = call("regions")
    assert shown.exit_code == 0
    assert re.search(r"nyiso\s+New York \(NYISO\): 12 series, every 5 minutes", shown.stdout)
    assert "victoria" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "title", "text", "remedy"),
    [
        (["ingest", "-r", "atlantis"], "Unknown region", "atlantis", "nyiso"),
        (["features", "-r", "no/such.toml"], "Unknown region", "no/such.toml", "path"),
        (["features", "--horizon", "61"], "Unknown horizon", "61", "60"),
        (["features", "--lags", "5,x"], "Wrong configuration", "5,x", "--lags"),
        (["run", "--rolling", "0"], "Wrong configuration", "'0'", "--rolling"),
        (["ingest", "--source", "magic"], "Wrong configuration", "magic", "sample"),
        (["ingest", "--data", "somewhere"], "Wrong configuration", "--data", "--source"),
        (["tune", "--set", "num_leaves=many"], "Wrong configuration", "num_leaves=many", "--set"),
        (["train", "--params", "no/such.json"], "Wrong configuration", "no/such.json", "nowcast tune"),
        (["train", "--model", "lightgb"], "Wrong configuration", "lightgb", "lightgbm"),
        (["backtest", *WEEK, "--model", "lightgb"], "Wrong configuration", "lightgb", "lightgbm"),
        (["backtest", "--last=2019-06-01", "--first=2019-06-08"], "Wrong configuration", "has none", "--first"),
    ],
)
def test_a_wrong_configuration_is_two_lines_and_exit_code_2(
    tmp_path: Path, work_in, arguments: list[str], title: str, text: str, remedy: str
) -> None:
    work_in(tmp_path)
    done = call(*arguments)
    assert done.exit_code == 2, done.output
    first, second = said(done)
    assert first.startswith(f"{title}: ")
    assert text in first
    assert remedy in second
    assert list(tmp_path.glob("data/power*")) == []


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["features"], "No data"),
        (["train"], "No data"),
        (["tune"], "No data"),
        (["evaluate"], "The model cannot be used"),
        (["evaluate", "--version", "7"], "The registry refused"),
        (["explain"], "The registry refused"),
        (["promote"], "The registry refused"),
        (["promote", "--rollback"], "The registry refused"),
        (["serve"], "The registry refused"),
    ],
)
def test_what_cannot_be_done_yet_is_two_lines_and_exit_code_1(
    tmp_path: Path, work_in, arguments: list[str], title: str
) -> None:
    folder = work_in(tmp_path)
    done = call(*arguments, "--region", write_region(folder, "emptyland"))
    assert done.exit_code == 1, done.output
    lines = said(done)
    assert len(lines) == 2
    assert lines[0].startswith(f"{title}: ")
    assert "nowcast" in lines[1]


def test_an_unknown_model_is_refused_before_any_run(toml: Path, ingested) -> None:
    done = call("train", "-r", toml, "-m", "oracle")
    assert done.exit_code == 2
    assert "lightgbm" in said(done)[1]


@pytest.fixture(scope="module")
def ingested(toml: Path) -> Result:
    first = call("ingest", "-r", toml)
    assert first.exit_code == 0, first.output
    assert call("features", "-r", toml, "--every", "30", "--valid-days", "14", "--test-days", "14").exit_code == 0
    return first


def test_ingest_counts_and_repeats_nothing(toml: Path, ingested: Result) -> None:
    assert re.search(r"2 files read, 8,640 rows stored, 0 in quarantine", ingested.stdout)
    again = call("ingest", "-r", toml)
    assert re.search(r"0 files read, 0 rows stored", again.stdout)


def test_the_other_steps_work_alone(toml: Path, ingested: Result) -> None:
    tiny = ["--n-estimators", "40", "--num-leaves", "7", "--learning-rate", "0.2", "--early-stopping", "10"]
    done = call("train", "-r", toml, "-m", "lgbm", *tiny, "--seed", "3")
    assert done.exit_code == 0, done.output
    assert re.search(r"lineland-nowcast version 1 \(lightgbm\): pinball on validation 0\.\d+", done.stdout)
    assert f"Promote   nowcast promote --version 1 --region {shlex.quote(str(toml))}\n" in done.stdout
    shown = call("evaluate", "-r", toml)
    assert shown.exit_code == 0, shown.output
    assert "Report: reports/lineland/lightgbm/report.html" in shown.stdout
    summary = " ".join(Path("reports/lineland/summary.txt").read_text().split())
    said_of_all = r"On average the nowcast of ALL is off by 0\.\d+ % 30 minutes ahead and 0\.\d+ % 60 minutes ahead\."
    assert re.search(said_of_all, summary), summary
    assert re.search(said_of_all, " ".join(shown.stdout.split())), "the file says what the terminal says"
    done = call("promote", "-r", toml, "--person", "ada", "--reason", "[first]")
    assert done.exit_code == 0, done.output
    assert "lineland-nowcast version 1 (lightgbm) is in production." in done.stdout
    at = ["--at", "2024-04-20T15:00", "--series", "SOUTH 1", "--out", "why.png"]
    shown = call("explain", "-r", toml, *at)
    assert shown.exit_code == 0, shown.output
    assert re.search(r"same time, past days +[+-][\d.]+", shown.stdout), shown.stdout
    assert Path("why.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(call("explain", "-r", toml, *at, "--json").stdout)
    whole = told["persistence_mw"] + sum(part["contribution_mw"] for part in told["parts"])
    assert whole == pytest.approx(told["median_mw"], abs=1e-9)
    printed = call("explain", "-r", toml, *at, "--json")
    assert printed.exit_code == 0
    for stamp in (told["issue_time"], "2024-04-20 15:00 UTC", "2024-04-20T11:00-04:00"):
        same = ["--at", stamp, *at[2:], "--json"]
        assert call("explain", "-r", toml, *same).stdout == printed.stdout, stamp
    shown = call("explain", "-r", toml, "--repeats", "1")
    assert "Features that the accuracy of lightgbm depends on" in shown.stdout, shown.output
    assert "Plot: reports/lineland/lightgbm/rests_on.png" in shown.stdout
    _now(toml)
    listed = call("models", "-r", toml)
    assert re.search(r"1\b.*lightgbm.*candidate.*production", listed.stdout), listed.stdout
    back = call("promote", "-r", toml, "--rollback", "--reason", "too early")
    assert back.exit_code == 1
    assert "no earlier production version" in said(back)[0]


def _now(toml: Path) -> None:
    answer = json.loads(call("now", "-r", toml, "--json").stdout)
    assert answer["model"]["version"] == "1"
    assert not answer["live"], "the data end in the past"
    assert [one["series"] for one in answer["nowcasts"]] == ["ALL", "N.E.", "SOUTH 1"]
    median = answer["nowcasts"][2]["quantiles"]["q50"]
    rows = pl.read_csv(StringIO(call("now", "-r", toml, "--series", "SOUTH 1", "--csv").stdout))
    assert rows["yhat"].to_list() == median
    assert rows["issue_time"].unique().to_list() == [answer["issue_time"]]
    again = call("now", "-r", toml, "--at", answer["issue_time"], "--series", "SOUTH 1")
    assert again.exit_code == 0, again.output
    assert f"SOUTH 1 in 60 min: {median[-1]:,.0f} MW" in again.stdout
    assert re.search(r"60 min +\d\d:\d\d +" + f"{median[-1]:,.0f} ", again.stdout), again.stdout
    assert "version 1 (lightgbm)" in again.stdout
    assert call("now", "-r", toml, "--series", "EAST").exit_code == 2
    early = call("now", "-r", toml, "--at", "2024-01-01")
    assert early.exit_code == 1, early.output
    assert len(said(early)) == 2


def test_the_version_and_its_commit_are_told() -> None:
    shown = call("--version")
    assert shown.exit_code == 0
    assert re.fullmatch(r"power-nowcast \d+\.\d+\.\d+\S* \([0-9a-f]{40}(-dirty)?\)\n", shown.stdout), shown.stdout


def test_tuning_that_saves_nothing_trains_nothing(toml: Path, ingested: Result) -> None:
    fixed = ["--set", "n_estimators=5", "--set", "num-leaves=4", "--set", "max_bin=15"]
    done = call("tune", "-r", toml, "-m", "lgbm", "--trials", "1", "--folds", "1", *fixed)
    assert done.exit_code == 0, done.output
    assert "0.0 % saved (1 trials, 0 of them stopped early)" in done.stdout
    assert "No trial was better than the defaults: there is nothing to train anew." in done.stdout
    assert "Train with them" not in done.stdout


def test_tuning_says_how_to_train_with_what_it_found(toml: Path, ingested: Result, tmp_path: Path) -> None:
    file = tmp_path / "best.json"
    file.write_text(json.dumps({"kind": "lightgbm", "params": {"n_estimators": 5, "num_leaves": 4, "max_bin": 15}}))
    told = _advice(Tuned("lightgbm", {}, 0.42, 0.43, 20, 3, "study", file), str(toml))
    command = re.fullmatch(r"Train with them: nowcast (train .*)", told)
    assert command is not None
    trained = call(*shlex.split(command[1]))
    assert trained.exit_code == 0, trained.output
    assert "(lightgbm): pinball on validation" in trained.stdout


@pytest.mark.slow
def test_run_does_all_and_then_nothing(tmp_path: Path, work_in, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_region(work_in(tmp_path), "runland")
    monkeypatch.setitem(RUN_MODELS["lightgbm"], "n_estimators", 40)
    monkeypatch.setitem(RUN_MODELS["xgboost"], "n_estimators", 5)
    # A network that has hardly learnt may be chosen and then refused; it has its turn in the main job itself.
    monkeypatch.delitem(RUN_MODELS, "lstm")
    plan = ["--every", "30", "--valid-days", "14", "--test-days", "14"]
    first = call("run", "-r", file, *plan)
    assert first.exit_code == 0, first.output
    for text in ("In production  runland-nowcast version", "make mlflow", "make api", "make serve-mlflow"):
        assert text in first.stdout
    report = re.search(r"Report  +(\S+)", first.stdout)
    assert report is not None
    assert Path(report[1]).is_file()
    assert len(said(first)) > 5, "no progress"
    second = call("run", "-r", file, *plan)
    assert second.exit_code == 0
    assert "Nothing to do" in second.stderr
    card = Path("reports/runland/summary.txt").read_text(encoding="utf-8")
    assert card.splitlines()[0] in second.stdout, "the scorecard of the last run is shown again"


def test_no_version_is_said_so(tmp_path: Path, work_in) -> None:
    done = call("models", "-r", write_region(work_in(tmp_path), "newbornland"))
    assert done.exit_code == 0
    assert "No version of newbornland-nowcast" in done.stdout


def test_mlflow_down_is_an_error_of_two_lines(tmp_path: Path, work_in) -> None:
    work_in(tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:1")
    for command in ("models", "promote", "features"):
        done = call(command)
        assert done.exit_code == 1
        assert said(done)[0].startswith("MLflow cannot be reached: ")
        assert "make mlflow" in said(done)[1]


@pytest.mark.parametrize(("variable", "code"), [("NOWCAST_DATA", 1), ("NOWCAST_ARTIFACTS", 1), ("NOWCAST_REPORTS", 2)])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, work_in, variable: str, code: int) -> None:
    (tmp_path / "file").write_text("no folder")
    where = str(tmp_path / "file" / "inside")
    normal = {"NOWCAST_DATA": "data", "NOWCAST_ARTIFACTS": "artifacts", "NOWCAST_REPORTS": "reports"}
    work_in(tmp_path, **(normal | {variable: where}))
    file = write_region(tmp_path, f"locked{variable[8:].lower()}")
    plan = ["--every", "60", "--valid-days", "14", "--test-days", "14"]
    done = call("ingest", "-r", file)
    if variable != "NOWCAST_DATA":
        assert call("features", "-r", file, *plan).exit_code == 0
        done = call("train", "-r", file, "-m", "persistence_ramp")
    if variable == "NOWCAST_REPORTS":
        assert done.exit_code == 0
        done = call("evaluate", "-r", file)
    work_in(tmp_path, **normal)
    assert done.exit_code == code, done.output
    assert where in " ".join(said(done))


def test_options_reach_the_plan(toml: Path) -> None:
    job = job_of(toml)
    made = plan.plan(job, 40, 30, "60,30", "120", None, 9, 8)
    assert made.spec.lags == (30, 60)
    assert made.spec.rolling == (120,)
    assert made.spec.knots == (30, 60)
    assert (made.every_minutes, made.days, made.valid_days, made.test_days) == (30, 40, 9, 8)
    assert plan.plan(job, None, 60, None, None, 60, 30, 30).spec == FeatureSpec.for_interval(30)
    five = job_of("nyiso")
    assert plan.plan(five, None, 60, None, None, None, 30, 30).spec == FeatureSpec.for_interval(5)
    assert plan.plan(five, None, 60, None, None, None, 30, 30).every_minutes == 15
    assert plan.plan(five, None, 20, None, None, None, 30, 30).spec.knots == (5, 15, 20, 30)


@pytest.mark.parametrize("text", ["7", "5,7", "3"])
def test_spans_off_the_grid_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="multiples of 5"):
        plan.plan(job_of("nyiso"), None, 60, text, None, None, 30, 30)


@pytest.mark.parametrize("value", ["0", "-15", "7"])
def test_issue_times_off_the_grid_are_refused(tmp_path: Path, work_in, value: str) -> None:
    work_in(tmp_path)
    assert call("features", "--every", value).exit_code == 2


def test_a_users_csv_in_place_of_the_regions_source(tmp_path: Path, work_in) -> None:
    file = write_region(work_in(tmp_path), "ownland")
    text = file.read_text()
    file.write_text(text[: text.index("[weather]")])
    rows = pl.read_csv("power.csv").head(480)
    rows.write_csv("mine.csv")
    done = call("ingest", "-r", file, "--source", "files", "--data", "mine.csv", "--days", "5")
    assert done.exit_code == 0, done.output
    assert re.search(r"1 files? read, 482 rows stored", done.stdout), done.stdout
    done = call("ingest", "-r", file, "--start", "2024-03-20", "--end", "2024-03-21")
    assert re.search(r"98 rows stored", done.stdout), done.stdout


def test_a_wrong_setting_stops_the_command_with_its_name(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "power_nowcast.cli", "regions"],
        cwd=tmp_path,
        env=os.environ | {"NOWCAST_WORKERS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "NOWCAST_WORKERS" in done.stderr
    assert "Traceback" not in done.stderr
    assert settings().workers > 0


def test_a_region_file_is_checked(toml: Path, tmp_path: Path) -> None:
    done = call("regions", "check", toml)
    assert done.exit_code == 0, done.output
    assert "is a region" in done.stdout
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(toml.read_text().replace('source = "files"', 'source = "fax"', 1))
    done = call("regions", "check", wrong)
    assert done.exit_code == 2
    assert "fax" in said(done)[0]
    wrong.write_text(toml.read_text().replace("interval_minutes = 30", "interval_minutes = 7"))
    assert "interval_minutes" in said(call("regions", "check", wrong))[0]


def test_the_regions_of_the_benchmarks_are_regions() -> None:
    files = sorted((Path(__file__).parents[2] / "benchmarks" / "regions").glob("*.toml"))
    assert len(files) >= 5
    for one in files:
        assert call("regions", "check", one).exit_code == 0
