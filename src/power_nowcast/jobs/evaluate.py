"""Backtest a version on the test period beside the baselines."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Manifest
from power_nowcast.evaluate import backtest as backtests
from power_nowcast.evaluate import operator_forecast
from power_nowcast.evaluate.scorecard import Scorecard, figures, scorecard
from power_nowcast.jobs.features import read_examples, read_manifest
from power_nowcast.jobs.held_out import PART, issues_and_panel
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.train import baselines, registered
from power_nowcast.mlflow_client import Version
from power_nowcast.report.explanation import explanation
from power_nowcast.report.pages import Provenance, write_evaluation
from power_nowcast.report.words import headline, shown_horizons

FIRST_PICTURE = "pred_vs_actual"
"""The plot at the top of the report."""


@dataclass(frozen=True)
class Evaluation:
    """A model on the test period: the scorecard, its backtest, and the path of the report."""

    card: Scorecard
    backtest: backtests.Backtest
    report: Path


def evaluate(job: Job, version: Version) -> Evaluation:
    """Backtest a version on the test period beside the baselines; write report, plots and predictions."""
    manifest = read_manifest(job)
    bundle, _ = registered(job, version.version)
    kind = version.kind
    job.progress(f"evaluate: {kind}, version {version.version}")
    result = _backtest(job, bundle, manifest)
    card = scorecard(result)
    folder = job.reports / kind
    explained = explanation(bundle, read_examples(job, manifest, "test")[0])
    provenance = Provenance(
        identity={
            "Model": f"{version.name} version {version.version} ({kind})",
            "Digest": bundle.digest[:16],
            "Trained": f"{bundle.info.train_start} to {bundle.info.train_end}",
            "Calibration": bundle.calibration.id,
            "Git": bundle.info.git_sha,
        },
        manifests=[Manifest(**one) for one in manifest["inputs"]],
    )
    report = write_evaluation(folder, result, card, now=datetime.now(UTC), explanation=explained, provenance=provenance)
    with mlflow_client.run(job.region, f"evaluate {kind}", run_id=version.run_id) as run:
        run.metrics(figures(card.by_series, shown_horizons(card.steps_minutes)), part=PART)
        run.table(f"{PART}/by_series.csv", card.by_series)
        run.folder(folder, "evaluation")
        run.note(_note(card, version, run))
    return Evaluation(card, result, report)


def _note(card: Scorecard, version: Version, run: mlflow_client.Run) -> str:
    """The description of the model's run: the headline, the report, and its first picture."""
    period = f"Test part, {card.first:%d %b} to {card.last:%d %b %Y}; no training saw it."
    report = f"[Report]({run.link('evaluation/report.html')})"
    picture = f"![Forecast and outcome]({run.link(f'evaluation/{FIRST_PICTURE}.png')})"
    return f"**{version.kind}, version {version.version}.** {headline(card)}\n\n{period} {report}.\n\n{picture}"


def _backtest(job: Job, bundle: Bundle, manifest: dict[str, Any]) -> backtests.Backtest:
    issues, panel = issues_and_panel(job.store, job.region, manifest)
    others: dict[str, backtests.Forecaster] = dict(baselines(job, manifest))
    if np.isfinite(panel.forecast.values).any():
        others[operator_forecast.NAME] = operator_forecast.OperatorForecast(job.region)
    return backtests.run(bundle, others, panel, job.region, issues)
