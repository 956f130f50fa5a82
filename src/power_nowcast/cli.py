"""`nowcast`: each step of the main job as a command, and the servers."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from power_nowcast.errors import ConfigurationError, NowcastError
from power_nowcast.settings import Settings, settings

if TYPE_CHECKING:
    from power_nowcast.pipeline import Evaluation, Job, Plan

app = typer.Typer(
    help="Calibrated 15-60 minute nowcasts of power load, from public signals to a served model.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = Console()
log = Console(stderr=True)

RUN_MODELS: dict[str, dict[str, Any]] = {
    "lightgbm": {"n_estimators": 250, "learning_rate": 0.08, "num_leaves": 15, "colsample": 0.3, "early_stopping": 30},
    "xgboost": {"n_estimators": 150, "learning_rate": 0.12, "max_depth": 4, "colsample": 0.3, "early_stopping": 20},
}
"""What `run` trains: sized so that the embedded sample takes minutes on two cores."""


def _tell(title: str, message: str, remedy: str) -> None:
    log.print(f"[bold red]{title}[/bold red]: {escape(message)}", highlight=False)
    log.print(escape(remedy), highlight=False)


def _defaults() -> Settings:
    """Settings for the options' defaults; a wrong one ends the command before there is any."""
    try:
        return settings()
    except ConfigurationError as error:
        _tell(error.title, error.message, error.remedy)
        raise SystemExit(2) from error


DEFAULTS = _defaults()

RegionOption = Annotated[str, typer.Option("--region", "-r", help="Name of a region, or a region's TOML file.")]
DaysOption = Annotated[int | None, typer.Option(min=1, help="Only the last so many days.")]
ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="lightgbm, xgboost, persistence, seasonal_naive or persistence_ramp.")
]
MinutesOption = Annotated[str | None, typer.Option(metavar="MIN,MIN,...", help="Minutes, separated by commas.")]
HorizonOption = Annotated[int, typer.Option(help="Furthest minutes ahead, at most 60.")]
ReasonOption = Annotated[str, typer.Option(help="Why; kept with the version.")]
ValidOption = Annotated[int, typer.Option(min=1, help="Days for early stopping and calibration.")]
TestOption = Annotated[int, typer.Option(min=1, help="Days held back for the backtest.")]
EveryOption = Annotated[
    int | None, typer.Option(min=1, help="Minutes between issue times; 15 or the region's interval.")
]


@app.command()
def ingest(
    region: RegionOption = DEFAULTS.region,
    days: DaysOption = None,
    start: Annotated[datetime | None, typer.Option(help="Earliest time, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Latest time, UTC.")] = None,
    source: Annotated[str | None, typer.Option(help="In place of the region's own: sample, nyiso or files.")] = None,
    data: Annotated[Path | None, typer.Option(help="The source's folder (nyiso) or file (files).")] = None,
) -> None:
    """Load, weather and forecasts into the tables; bad rows into quarantine. Safe to repeat."""
    from power_nowcast.ingest.fetch import with_source
    from power_nowcast.store.ingest import write_all

    with _job(region) as job:
        if data is not None and source is None:
            raise ConfigurationError(
                f"--data {data} does not say what it holds.",
                remedy="Add --source nyiso or --source files.",
                option="data",
            )
        place = {} if data is None else {"files": str(data)} if source == "files" else {"folder": str(data)}
        chosen = job.region if source is None else with_source(job.region, source, **place)
        report = write_all(
            job.store,
            chosen,
            start=start and start.replace(tzinfo=UTC),
            end=end and end.replace(tzinfo=UTC),
            days=days,
            progress=lambda batch, rows: job.progress(f"ingest: {batch.origin}: {rows.stored:,} new rows"),
        )
        console.print(
            f"{report.deliveries} files read, {report.stored:,} rows stored, {report.quarantined:,} in quarantine, "
            f"{report.superseded:,} replaced by a later value of their slot."
        )


@app.command()
def features(
    region: RegionOption = DEFAULTS.region,
    days: DaysOption = None,
    horizon: HorizonOption = 60,
    lags: MinutesOption = None,
    rolling: MinutesOption = None,
    every: EveryOption = None,
    valid_days: ValidOption = 30,
    test_days: TestOption = 30,
) -> None:
    """Features of train, valid and test as versioned tables, with a manifest."""
    from power_nowcast import pipeline

    with _job(region) as job:
        plan = _plan(job, days, horizon, lags, rolling, every, valid_days, test_days)
        manifest = pipeline.make_features(job, plan)
        for part, table in manifest["tables"].items():
            console.print(
                f"{part:5} {table['rows']:>9,} rows  {table['first']} .. {table['last']}  version {table['version']}"
            )


@app.command()
def train(
    region: RegionOption = DEFAULTS.region,
    model: ModelOption = "lightgbm",
    n_estimators: Annotated[int | None, typer.Option(min=1, help="Boosting rounds at most.")] = None,
    max_depth: Annotated[int | None, typer.Option(min=1, help="Depth of XGBoost's trees.")] = None,
    num_leaves: Annotated[int | None, typer.Option(min=2, help="Leaves of LightGBM's trees.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-4, max=1, help="Shrinkage of each tree.")] = None,
    early_stopping: Annotated[
        int | None, typer.Option(min=1, help="Rounds without gain on valid to stop after.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness.")] = None,
) -> None:
    """Train a model on the feature tables, calibrate it, and register it."""
    from power_nowcast import pipeline
    from power_nowcast.models.training import VALID_LOSS

    with _job(region) as job:
        _, version = pipeline.train(
            job,
            model,
            n_estimators=n_estimators,
            max_depth=max_depth,
            num_leaves=num_leaves,
            learning_rate=learning_rate,
            early_stopping=early_stopping,
            seed=seed,
        )
        console.print(
            f"{version.name} version {version.version} ({version.kind}): "
            f"pinball on validation {version.metrics[VALID_LOSS]:.4f} of persistence's MAE."
        )


@app.command()
def evaluate(
    region: RegionOption = DEFAULTS.region,
    version: Annotated[str, typer.Option(help="Version or alias; the best trained model if absent.")] = "",
) -> None:
    """Backtest on the test period beside the baselines: report, plots, predictions."""
    from power_nowcast import mlflow_client, pipeline

    with _job(region) as job:
        chosen = mlflow_client.find(job.region, version) if version else pipeline.best(job)
        _show(job, pipeline.evaluate(job, chosen))


@app.command()
def promote(
    region: RegionOption = DEFAULTS.region,
    version: Annotated[str, typer.Option(help="Version or alias to promote.")] = "candidate",
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back to the production version before.")] = False,
    person: Annotated[str | None, typer.Option(help="Who decides; NOWCAST_OWNER if absent.")] = None,
    reason: ReasonOption = "",
) -> None:
    """Put a version into production if it is better than what is there; or go back."""
    from power_nowcast import pipeline

    with _job(region) as job:
        who = person or job.settings.owner
        if rollback:
            back = pipeline.rollback(job, person=who, reason=reason)
            console.print(f"{back.name} version {back.version} ({back.kind}) is in production again.")
            return
        done = pipeline.promote(job, version, person=who, reason=reason)
        for sentence in done.decision.reasons:
            console.print(f"- {sentence}", highlight=False)
        console.print(
            f"{done.production.name} version {done.production.version} ({done.production.kind}) is in production."
        )


@app.command()
def models(region: RegionOption = settings().region) -> None:
    """List the registered versions with their aliases and figures."""
    from power_nowcast import mlflow_client
    from power_nowcast.models.training import VALID_LOSS

    with _job(region) as job:
        table = Grid(title=f"{job.region.model} ({job.region.title})", title_justify="left")
        for heading in ("version", "model", "aliases", "made", "validation loss", "digest"):
            table.add_column(heading)
        for one in mlflow_client.versions(job.region):
            loss = one.metrics.get(VALID_LOSS)
            table.add_row(
                one.version,
                one.kind,
                ", ".join(one.aliases),
                f"{one.created_at:%Y-%m-%d %H:%M}",
                f"{loss:.4f}" if loss is not None else "",
                one.digest[:12],
            )
        console.print(table if table.row_count else f"No version of {job.region.model} is registered: nowcast train.")


@app.command()
def regions() -> None:
    """List the regions that can be named."""
    from power_nowcast.regions import available, load

    with _errors():
        for name in available():
            one = load(name)
            console.print(f"{name:12} {one.title}: {len(one.series)} series, every {one.interval_minutes} minutes")


@app.command()
def serve(
    region: RegionOption = DEFAULTS.region,
    port: Annotated[int, typer.Option()] = DEFAULTS.serve_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
    env_manager: Annotated[str, typer.Option(help="local, uv or virtualenv.")] = "local",
    alias: Annotated[str, typer.Option(help="Alias or version.")] = "production",
) -> None:
    """Serve the production model by MLflow's own server."""
    from power_nowcast import mlflow_client

    with _job(region) as job:
        uri = mlflow_client.find(job.region, alias).uri
        console.print(f"POST http://{host}:{port}/invocations answers with {uri}")
        _exec(
            mlflow_client.serve_command(uri, host=host, port=port, env_manager=env_manager), mlflow_client.environment()
        )


@app.command()
def api(
    port: Annotated[int, typer.Option()] = DEFAULTS.api_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
    region: Annotated[list[str] | None, typer.Option("--region", "-r", help="Regions to serve; repeatable.")] = None,
) -> None:
    """Serve nowcasts by the project's own API."""
    from power_nowcast.serve.fastapi_app import serve_api

    with _errors():
        serve_api(host, port, region or [settings().region])


@app.command()
def mlflow(
    port: Annotated[int, typer.Option()] = DEFAULTS.mlflow_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
) -> None:
    """Start the MLflow server: runs, models, reports."""
    from power_nowcast import mlflow_client

    with _errors():
        console.print(f"MLflow listens on http://{host}:{port}")
        _exec(mlflow_client.server_command(host=host, port=port), mlflow_client.environment())


@app.command()
def run(
    region: RegionOption = DEFAULTS.region,
    days: DaysOption = None,
    horizon: HorizonOption = 60,
    lags: MinutesOption = None,
    rolling: MinutesOption = None,
    every: EveryOption = None,
    valid_days: ValidOption = 30,
    test_days: TestOption = 30,
) -> None:
    """The main job: ingest, features, train, evaluate, promote. What is done already is not done again."""
    from power_nowcast import main_job

    with _job(region) as job:
        plan = _plan(job, days, horizon, lags, rolling, every, valid_days, test_days)
        outcome = main_job.run(job, plan, RUN_MODELS)
        _closing(job, outcome)


def _closing(job: "Job", outcome: Any) -> None:
    from power_nowcast import mlflow_client
    from power_nowcast.evaluate.terminal import draw_fan
    from power_nowcast.main_job import fan
    from power_nowcast.models.bundle import Bundle

    production, summary = outcome.production, job.reports / "summary.txt"
    console.print()
    if outcome.evaluation is not None:
        _show(job, outcome.evaluation)
    elif summary.is_file():
        console.print(summary.read_text(encoding="utf-8"), highlight=False, markup=False)
    folder, _ = mlflow_client.download(job.region, production.version, job.artifacts / "versions")
    drawn = fan(job, Bundle.load(folder))
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


def _show(job: "Job", evaluation: "Evaluation") -> None:
    from power_nowcast.evaluate.terminal import summary

    shown = summary(evaluation.card)
    plain = StringIO()
    Console(width=80, file=plain).print(shown)
    job.reports.mkdir(parents=True, exist_ok=True)
    (job.reports / "summary.txt").write_text(plain.getvalue(), encoding="utf-8")
    console.print(shown)
    console.print(f"Report: {evaluation.report}")


def _plan(
    job: "Job",
    days: int | None,
    horizon: int,
    lags: str | None,
    rolling: str | None,
    every: int | None,
    valid_days: int,
    test_days: int,
) -> "Plan":
    from power_nowcast import options
    from power_nowcast.pipeline import EVERY_MINUTES, Plan

    step = job.region.interval_minutes
    if every is not None and every % step:
        raise options.off_grid(job.region, "every", str(every))
    spec = options.spec(job.region, horizon, lags, rolling)
    return Plan(spec, every or max(EVERY_MINUTES, step), days, valid_days, test_days)


@contextmanager
def _job(region: str) -> Iterator["Job"]:
    from power_nowcast.pipeline import Job
    from power_nowcast.regions import load
    from power_nowcast.store import Store

    pools: list[ProcessPoolExecutor] = []

    def pool() -> Executor | None:
        if settings().workers == 1:
            return None
        if not pools:
            # Spawned, not forked: boosters and their threads do not survive a fork.
            pools.append(ProcessPoolExecutor(settings().workers, mp_context=get_context("spawn")))
        return pools[0]

    with _errors():
        try:
            yield Job(load(region), Store(settings().data), settings(), _progress, pool)
        finally:
            for one in pools:
                one.shutdown(cancel_futures=True)


def _progress(text: str) -> None:
    log.print(f"[dim]{datetime.now(UTC).astimezone():%H:%M:%S}[/dim] {escape(text)}", highlight=False)


@contextmanager
def _errors() -> Iterator[None]:
    """Errors of this package as two lines and an exit code; anything else is a defect and keeps its trace."""
    try:
        yield
    except NowcastError as error:
        _tell(error.title, error.message, error.remedy)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 1) from error
    except OSError as error:
        if error.filename is None:
            raise
        _tell(
            "A file cannot be used",
            f"{error.filename}: {error.strerror}.",
            "Check the path; NOWCAST_DATA, NOWCAST_ARTIFACTS and NOWCAST_REPORTS say where files are written.",
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        log.print("Interrupted. Nothing is half done: the same command goes on.")
        raise typer.Exit(130) from error


def _exec(command: list[str], environment: dict[str, str]) -> None:
    if os.name == "nt":
        raise typer.Exit(subprocess.call(command, env=environment))
    os.execvpe(command[0], command, environment)  # noqa: S606 - the server takes this process's place and its signals


def main() -> None:
    """Entry point of the command."""
    app()


if __name__ == "__main__":
    main()
