"""Features of train, valid and test as versioned tables, with a manifest."""

from power_nowcast.cli.base import (
    DEFAULTS,
    DaysOption,
    EveryOption,
    HorizonOption,
    MinutesOption,
    RegionOption,
    TestOption,
    ValidOption,
    console,
    open_job,
)


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
    from power_nowcast.cli.plan import plan as planned
    from power_nowcast.jobs.features import make_features

    with open_job(region) as job:
        plan = planned(job, days, horizon, lags, rolling, every, valid_days, test_days)
        manifest = make_features(job, plan)
        for part, table in manifest["tables"].items():
            console.print(
                f"{part:5} {table['rows']:>9,} rows  {table['first']} .. {table['last']}  version {table['version']}"
            )
