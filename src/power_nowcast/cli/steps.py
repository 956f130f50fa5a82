"""The steps of the main job, each alone."""

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid

from power_nowcast.cli.base import (
    DEFAULTS,
    DataOption,
    DaysOption,
    EveryOption,
    HorizonOption,
    MinutesOption,
    ModelOption,
    ReasonOption,
    RegionOption,
    TestOption,
    ValidOption,
    app,
    console,
    files_bar,
    open_job,
)
from power_nowcast.cli.plan import plan as planned
from power_nowcast.cli.show import scorecard

if TYPE_CHECKING:
    from power_nowcast.contracts import Batch
    from power_nowcast.store.changes import AppendReport


@app.command()
def ingest(
    region: RegionOption = DEFAULTS.region,
    days: DaysOption = None,
    start: Annotated[datetime | None, typer.Option(help="Earliest time, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Latest time, UTC.")] = None,
    source: Annotated[
        str | None, typer.Option(help="In place of the region's own: sample, nyiso, files or replay.")
    ] = None,
    data: DataOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on: every interval what has come since, through outages.")
    ] = False,
    replay: Annotated[
        datetime | None,
        typer.Option(
            help="Play what there is from this time (UTC) on as if it were live; --data FOLDER: of its tables."
        ),
    ] = None,
    speed: Annotated[float, typer.Option(help="Of --replay: replayed seconds in a real one.")] = 1.0,
) -> None:
    """Load, weather and forecasts into the tables; bad rows into quarantine. Safe to repeat."""
    from power_nowcast.ingest import ReplayClock, replayed, with_source
    from power_nowcast.ingest.fetch import reads_files
    from power_nowcast.ingest.replay import REPLAY
    from power_nowcast.store.ingest import write_all

    with open_job(region, data) as job:
        chosen, place = job.region, job.data
        if source not in (None, REPLAY):
            chosen = with_source(chosen, source)
        if source == REPLAY or replay is not None:
            # A folder is the publisher's where the region's own source reads one, else that of the tables to play.
            folder = place if source == REPLAY or not reads_files(chosen) else None
            chosen, place = replayed(chosen, folder), None if folder else place
        if follow or replay is not None:
            from power_nowcast.follow import Follower

            # As Ctrl-C: what is being written ends whole, or is found again.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            follower = Follower(job.store, chosen, place, progress=job.progress)
            if replay is not None:
                clock = ReplayClock(replay.replace(tzinfo=UTC), speed)
                follower = Follower(
                    job.store,
                    chosen,
                    place,
                    clock=clock,
                    sleep=clock.sleep,
                    progress=lambda text: job.progress(f"{clock():%Y-%m-%dT%H:%MZ} {text}"),
                )
            follower.run(end and end.replace(tzinfo=UTC))
            return
        with files_bar("ingest") as advance:

            def told(batch: "Batch", rows: "AppendReport") -> None:
                job.progress(f"ingest: {batch.origin}: {rows.stored:,} new rows")
                advance(rows.stored)

            report = write_all(
                job.store,
                chosen,
                start=start and start.replace(tzinfo=UTC),
                end=end and end.replace(tzinfo=UTC),
                days=days,
                place=place,
                progress=told,
            )
        console.print(str(report))


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

    with open_job(region) as job:
        plan = planned(job, days, horizon, lags, rolling, every, valid_days, test_days)
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
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-4, max=1, help="Shrinkage of each tree; a network's highest.")
    ] = None,
    early_stopping: Annotated[
        int | None, typer.Option(min=1, help="Rounds or epochs without gain on valid to stop after.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="A network's passes over the data at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness.")] = None,
    params: Annotated[
        Path | None,
        typer.Option(help="JSON file of options, as nowcast tune writes it; options given here come first."),
    ] = None,
) -> None:
    """Train a model on the feature tables, calibrate it, and register it."""
    from power_nowcast import pipeline
    from power_nowcast.cli.tuning import read_params
    from power_nowcast.models.training import VALID_LOSS

    with open_job(region) as job:
        own = {
            "n_estimators": n_estimators,
            "max_depth": max_depth,
            "num_leaves": num_leaves,
            "learning_rate": learning_rate,
            "early_stopping": early_stopping,
            "epochs": epochs,
            "seed": seed,
        }
        given = {name: value for name, value in own.items() if value is not None}
        _, version = pipeline.train(job, model, **((read_params(params, model) if params else {}) | given))
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

    with open_job(region) as job:
        chosen = mlflow_client.find(job.region, version) if version else pipeline.best(job)
        scorecard(job, pipeline.evaluate(job, chosen))


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

    with open_job(region) as job:
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
def models(region: RegionOption = DEFAULTS.region) -> None:
    """List the registered versions with their aliases and figures."""
    from power_nowcast import mlflow_client
    from power_nowcast.models.training import VALID_LOSS

    with open_job(region) as job:
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
