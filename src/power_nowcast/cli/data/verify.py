"""Check bytes, digests, schema, times, totals and ranges; exit code 1 if something is wrong."""

from dataclasses import asdict

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, JsonOption, RegionOption, open_job


def verify(region: RegionOption = DEFAULTS.region, as_json: JsonOption = False) -> None:
    from power_nowcast import collect
    from power_nowcast.collect.findings import failed

    with open_job(region, must_exist=True) as job:
        findings = collect.verify(job.store, job.region)
        show.rows([asdict(one) for one in findings], f"Tables of {job.region.title}", as_json=as_json)
        if failed(findings):
            raise typer.Exit(1)
