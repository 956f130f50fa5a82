"""Rows, times, freshness, gaps, quarantine of each table; exit code 1 if a live one is late or any is empty."""

from dataclasses import asdict
from datetime import UTC, datetime

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, JsonOption, RegionOption, open_job


def status(region: RegionOption = DEFAULTS.region, as_json: JsonOption = False) -> None:
    from power_nowcast import collect
    from power_nowcast.collect.freshness import Freshness

    with open_job(region) as job:
        tables = collect.status(job.store, job.region, now=datetime.now(UTC))
        title = f"Tables of {job.region.title} in {job.store.place}, times in UTC"
        show.rows([asdict(one) for one in tables], title, as_json=as_json)
        if any(one.freshness in (Freshness.LATE, Freshness.EMPTY) for one in tables):
            raise typer.Exit(1)
