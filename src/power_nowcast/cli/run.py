"""The main job as one command."""

from typing import Any

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
    app,
    open_job,
)
from power_nowcast.cli.plan import plan as planned
from power_nowcast.cli.show import closing

RUN_MODELS: dict[str, dict[str, Any]] = {
    "lightgbm": {"n_estimators": 250, "learning_rate": 0.08, "num_leaves": 15, "colsample": 0.3, "early_stopping": 30},
    "xgboost": {"n_estimators": 150, "learning_rate": 0.12, "max_depth": 4, "colsample": 0.3, "early_stopping": 20},
    "lstm": {"epochs": 6, "batch_size": 256, "width": 64, "hidden": 16},
}
"""What `run` trains: sized so that the embedded sample takes minutes on two cores.
What lacks its packages is left out."""


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
    data: DataOption = None,
) -> None:
    """The main job: ingest, features, train, evaluate, promote. What is done already is not done again."""
    from power_nowcast.jobs import run as main_job

    with open_job(region, data) as job:
        plan = planned(job, days, horizon, lags, rolling, every, valid_days, test_days)
        outcome = main_job.run(job, plan, RUN_MODELS)
        closing(job, outcome)
