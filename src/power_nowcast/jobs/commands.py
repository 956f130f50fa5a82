"""The command lines that do a step of a job again, for the records of runs."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs.job import Job, Plan

HORIZON = 60
"""Default of the option --horizon."""
PARAMS = "params.json"
"""Artifact of a run with the options of its model, for the option --params."""


def line(job: Job, name: str, options: Mapping[str, object]) -> str:
    """The command line of `nowcast NAME` on the job's region.

    An option that is None is left out, one with a list is repeated, and the numbers of a tuple are joined by commas.
    """
    words = ["nowcast", *name.split(), "--region", job.named or job.region.name]
    for option, value in options.items():
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            words += [f"--{option.replace('_', '-')}", _shown(one)]
    return shlex.join(words)


def features(job: Job, plan: Plan) -> str:
    """The command line that builds the feature tables of a plan."""
    default = FeatureSpec.for_interval(job.region.interval_minutes)
    horizon = plan.spec.knots[-2] if len(plan.spec.knots) > 1 else HORIZON
    return line(
        job,
        "features",
        {
            "days": plan.days,
            "horizon": horizon if horizon != HORIZON else None,
            "lags": plan.spec.lags if plan.spec.lags != default.lags else None,
            "rolling": plan.spec.rolling if plan.spec.rolling != default.rolling else None,
            "every": plan.every_minutes,
            "valid_days": plan.valid_days,
            "test_days": plan.test_days,
        },
    )


def train(job: Job, kind: str, options: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The command lines that build the features of a manifest and train a model on them.

    If the model has options of its own, they are in the artifact `PARAMS` of its run.
    """
    trained = line(job, "train", {"model": kind, "params": PARAMS if options else None})
    return f"{manifest['command']} && {trained}" if "command" in manifest else trained


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
