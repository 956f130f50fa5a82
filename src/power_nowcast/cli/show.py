"""Output of commands: rows as a table, a scorecard, the end of the main job."""

import json
import shlex
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from power_nowcast.cli.base import DEFAULTS, console, show_table
from power_nowcast.errors import NowcastError

if TYPE_CHECKING:
    from power_nowcast.jobs.blocks.run import Outcome as ByBlocks
    from power_nowcast.jobs.evaluate import Evaluation
    from power_nowcast.jobs.job import Job
    from power_nowcast.jobs.run import Outcome
    from power_nowcast.mlflow_client import Version
    from power_nowcast.serve.schemas import NowcastAnswer

COLOURS = {"ok": "green", "fresh": "green", "warn": "yellow", "late": "yellow", "empty": "yellow", "fail": "red"}


def rows(found: Sequence[dict[str, Any]], title: str, *, as_json: bool) -> None:
    """Print rows with equal keys as a table, or as a JSON array."""
    if as_json:
        typer.echo(json.dumps(found, default=_plain, indent=1))
        return
    grid = Grid(title=title, title_justify="left")
    for name in found[0] if found else ():
        is_whole = any(isinstance(row[name], datetime | timedelta) for row in found)
        number = isinstance(found[0][name], int)
        grid.add_column(name.replace("_", " "), justify="right" if number else "left", no_wrap=is_whole)
    for row in found:
        grid.add_row(*(_cell(value) for value in row.values()))
    if found:
        show_table(grid)
    else:
        console.print(title)


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


def _cell(value: object) -> str | Text:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, timedelta):
        return str(timedelta(seconds=int(value.total_seconds()))) if value else ""
    text = "" if value is None else str(value)
    return Text(text, style=COLOURS[text]) if text in COLOURS else text


def scorecard(job: "Job", evaluation: "Evaluation", trained: Sequence["Version"] = ()) -> None:
    """Print the scorecard and the `trained` models, and keep both for a later run that has nothing to do."""
    from power_nowcast.bundle.train import VALID_LOSS
    from power_nowcast.jobs.held_out import PART
    from power_nowcast.report.tables import fit
    from power_nowcast.report.terminal import families_table, summary

    shown: RenderableType = summary(evaluation.card)
    if trained:
        families = {
            f"{one.kind} (version {one.version})": {
                name.removeprefix(f"{PART}/"): value for name, value in one.metrics.items()
            }
            for one in trained
        }
        shown = Group(shown, Text(), families_table(evaluation.card, families, VALID_LOSS))
    plain = StringIO()
    Console(width=80, file=plain).print(fit(shown, 80))
    job.reports.mkdir(parents=True, exist_ok=True)
    (job.reports / "summary.txt").write_text(plain.getvalue(), encoding="utf-8")
    show_table(shown)
    console.print(f"Report: {evaluation.report}", soft_wrap=True)


def _told(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours" if minutes < 2880 else f"{age.days} days"


def facts(answer: "NowcastAnswer") -> None:
    """Print what is needed to judge a nowcast: its time, the age of the data, the quality, the model."""
    behind = datetime.fromisoformat(answer.answered_at) - datetime.fromisoformat(answer.issue_time)
    age = timedelta(minutes=answer.newest_observation_age_minutes) + max(behind, timedelta())
    model = answer.model
    told = (
        ("Issued at", answer.issue_time if answer.live else f"{answer.issue_time}, not the present"),
        ("Newest value", f"{answer.newest_observation}, {_told(age)} old now"),
        ("Quality", ", ".join((answer.quality, *answer.flags))),
        (
            "Model",
            f"{model.name} version {model.version} ({model.kind}), {model.digest[:12]}",
        ),
        ("Calibration", model.calibration_id),
    )
    for name, text in told:
        console.print(f"{name:12}   {text}", highlight=False, soft_wrap=True)


def closing_blocks(outcome: "ByBlocks") -> None:
    """The end of the main job of a region of many zones."""
    figures = outcome.figures
    console.print(
        f"Version {outcome.digest[:12]} answers: MAE {figures['MAE']:.2f} of persistence's on the test part, the 80 % "
        f"band covers {figures['coverage_80']:.0%}. {outcome.zones:,} zones are nowcast"
        + (f"; without values for calibration: {', '.join(outcome.left_out[:10])}" if outcome.left_out else "")
        + ".",
        highlight=False,
    )


def closing(job: "Job", outcome: "Outcome") -> None:
    """Print the end of the main job: scorecard, fan chart, what fell out, and where the results are.

    The commands that it prints name the region as the command did.
    """
    from power_nowcast.ingest.unusable import reasons_of, told
    from power_nowcast.jobs.now import newest
    from power_nowcast.jobs.train import registered
    from power_nowcast.report.terminal import draw_fan

    production, summary = outcome.production, job.reports / "summary.txt"
    console.print()
    if outcome.evaluation is not None:
        scorecard(job, outcome.evaluation, outcome.trained)
    elif summary.is_file():
        console.print(summary.read_text(encoding="utf-8"), highlight=False, markup=False)
    bundle, _ = registered(job, production.version)
    with suppress(NowcastError):  # data that allow no nowcast allow the rest of the output
        console.print(draw_fan(newest(job, bundle, production.version).fan(), width=min(80, console.width)))
    console.print()
    if outcome.refused:
        console.print(f"Not promoted: {outcome.refused}")
    region, local = job.named or job.region.name, "http://127.0.0.1"
    chosen = naming(region, " REGION=")
    version = f"{production.name} version {production.version} ({production.kind}), {production.digest[:12]}"
    lines = [f"In production  {version}"]
    if reasons := reasons_of(job.store.read_quarantine(job.region.name)):
        command = f"nowcast data quarantine{naming(region, ' --region ')}"
        lines.append(f"Fell out       {sum(reasons.values()):,} rows ({told(reasons)}): {command}")
    lines += [
        f"Report         {job.reports / production.kind / 'report.html'}",
        f"MLflow         make mlflow        {local}:{job.settings.mlflow_port}",
        f"API            make api{chosen}           {local}:{job.settings.api_port}/docs",
        f"MLflow serving make serve-mlflow{chosen}  {local}:{job.settings.serve_port}/invocations",
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def naming(region: str, option: str) -> str:
    """The option that names a region, empty for the region of commands that name none."""
    return "" if region == DEFAULTS.region else f"{option}{shlex.quote(region)}"
