"""What commands show of a finished job."""

from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console

from power_nowcast.cli.base import console

if TYPE_CHECKING:
    from power_nowcast.jobs.evaluate import Evaluation
    from power_nowcast.jobs.job import Job
    from power_nowcast.jobs.run import Outcome


def scorecard(job: "Job", evaluation: "Evaluation") -> None:
    """The scorecard in the terminal, kept for a run that finds nothing to do."""
    from power_nowcast.evaluate.terminal import summary

    shown = summary(evaluation.card)
    plain = StringIO()
    Console(width=80, file=plain).print(shown)
    job.reports.mkdir(parents=True, exist_ok=True)
    (job.reports / "summary.txt").write_text(plain.getvalue(), encoding="utf-8")
    console.print(shown)
    console.print(f"Report: {evaluation.report}")


def closing(job: "Job", outcome: "Outcome") -> None:
    """The end of the main job: scorecard, fan, and where to look."""
    from power_nowcast import mlflow_client
    from power_nowcast.evaluate.terminal import draw_fan
    from power_nowcast.jobs.run import fan
    from power_nowcast.models.bundle import Bundle

    production, summary = outcome.production, job.reports / "summary.txt"
    console.print()
    if outcome.evaluation is not None:
        scorecard(job, outcome.evaluation)
    elif summary.is_file():
        console.print(summary.read_text(encoding="utf-8"), highlight=False, markup=False)
    folder, found = mlflow_client.download(job.region, production.version, job.artifacts / "versions")
    drawn = fan(job, Bundle.load(folder, found.digest))
    if drawn is not None:
        console.print(draw_fan(drawn, width=min(80, console.width)))
    console.print()
    if outcome.refused:
        console.print(f"Not promoted: {outcome.refused}")
    console.print(
        f"In production  {production.name} version {production.version} ({production.kind}), {production.digest[:12]}"
    )
    console.print(f"Report         {job.reports / production.kind / 'report.html'}")
    console.print(f"MLflow         make mlflow        http://127.0.0.1:{job.settings.mlflow_port}")
    console.print(f"API            make api           http://127.0.0.1:{job.settings.api_port}/docs")
    console.print(f"MLflow serving make serve-mlflow  http://127.0.0.1:{job.settings.serve_port}/invocations")
