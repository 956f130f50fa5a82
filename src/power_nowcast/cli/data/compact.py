"""Merge small files of all tables; every version stays readable."""

from power_nowcast.cli.base import DEFAULTS, RegionOption, console, open_job


def compact(region: RegionOption = DEFAULTS.region) -> None:
    with open_job(region, must_exist=True) as job:
        console.print(f"{job.store.compact():,} small files merged.")
