"""The main job: ingest, features, train, evaluate, promote. It does not repeat a step whose result exists."""

from typing import Annotated

import typer

from power_nowcast.cli.base import (
    DEFAULTS,
    DataOption,
    DaysOption,
    EveryOption,
    HorizonOption,
    MinutesOption,
    RegionOption,
    TestOption,
    ValidOption,
    open_job,
)
from power_nowcast.cli.show import closing, closing_blocks
from power_nowcast.errors import ConfigurationError


def run(
    region: RegionOption = DEFAULTS.region,
    days: DaysOption = None,
    horizon: HorizonOption = 60,
    lags: MinutesOption = None,
    rolling: MinutesOption = None,
    every: EveryOption = None,
    valid_days: ValidOption = 30,
    test_days: TestOption = 30,
    data: DataOption = None,
    candidate: Annotated[
        bool, typer.Option("--candidate", help="End with the alias candidate; nowcast promote decides.")
    ] = False,
    by_skill: Annotated[
        bool, typer.Option("--by-skill", help="Only if an alarm stands that asks for a new training.")
    ] = False,
) -> None:
    from power_nowcast.cli.plan import plan as planned
    from power_nowcast.jobs import run as main_job
    from power_nowcast.jobs.blocks import run as by_blocks

    with open_job(region, data) as job:
        plan = planned(job, days, horizon, lags, rolling, every, valid_days, test_days)
        if job.region.is_many:
            if candidate or by_skill:
                raise ConfigurationError(
                    f"{job.region.name} has many zones; its versions have no alias candidate, and no alarms.",
                    remedy="Leave --candidate and --by-skill out.",
                    region=job.region.name,
                )
            closing_blocks(by_blocks.run(job, plan))
            return
        outcome = main_job.run(job, plan, main_job.RUN_MODELS, is_candidate=candidate, by_skill=by_skill)
        closing(job, outcome)
