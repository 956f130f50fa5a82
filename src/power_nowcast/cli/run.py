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
from power_nowcast.cli.show import closing


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

    with open_job(region, data) as job:
        plan = planned(job, days, horizon, lags, rolling, every, valid_days, test_days)
        outcome = main_job.run(job, plan, main_job.RUN_MODELS, is_candidate=candidate, by_skill=by_skill)
        closing(job, outcome)
