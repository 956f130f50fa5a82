"""List the registered versions with their aliases and figures, and who promoted which of them."""

from datetime import datetime

from rich.table import Table as Grid

from power_nowcast.cli.base import DEFAULTS, RegionOption, console, open_job, show_table


def models(region: RegionOption = DEFAULTS.region) -> None:
    from power_nowcast import mlflow_client
    from power_nowcast.bundle.train import VALID_LOSS

    with open_job(region) as job:
        table = Grid(title=f"{job.region.model} ({job.region.title})", title_justify="left")
        for heading in ("version", "model", "aliases", "made", "validation loss", "digest"):
            is_number = heading in ("version", "validation loss")
            table.add_column(heading, justify="right" if is_number else "left", no_wrap=heading in ("made", "digest"))
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
        nothing = f"No version of {job.region.model} is registered in {mlflow_client.place()}: nowcast train."
        if table.row_count:
            show_table(table)
        else:
            console.print(nothing, soft_wrap=True)
        steps = mlflow_client.history(job.region)
        if not steps:
            return
        told = Grid(title="In production, newest first", title_justify="left")
        for heading in ("when", "what", "version", "in place of", "by", "why"):
            is_number = heading in ("version", "in place of")
            told.add_column(heading, justify="right" if is_number else "left", no_wrap=heading == "when")
        for step in reversed(steps):
            when = f"{datetime.fromisoformat(step.at):%Y-%m-%d %H:%M}"
            told.add_row(when, step.action, step.version, step.previous or "", step.person, step.reason)
        show_table(told)
