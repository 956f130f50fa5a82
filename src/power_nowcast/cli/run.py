"""The main job: ingest, features, train, evaluate, promote. It does not repeat a step whose result exists."""

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
) -> None:
    from power_nowcast.cli.plan import plan as planned
    from power_nowcast.jobs import run as main_job
    from power_nowcast.jobs.blocks import run as by_blocks
    from power_nowcast.jobs.blocks.plan import is_many

    with open_job(region, data) as job:
        plan = planned(job, days, horizon, lags, rolling, every, valid_days, test_days)
        if is_many(job.region):
            closing_blocks(by_blocks.run(job, plan))
            return
        outcome = main_job.run(job, plan, main_job.RUN_MODELS)
        closing(job, outcome)
