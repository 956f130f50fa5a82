"""The main job: every step in order; it skips steps whose results exist."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from power_nowcast import mlflow_client
from power_nowcast.errors import PromotionRefusedError, StoreError, install_remedy
from power_nowcast.jobs.evaluate import Evaluation, evaluate
from power_nowcast.jobs.features import make_features
from power_nowcast.jobs.ingest import feed_of, ingest
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.jobs.promote import promote
from power_nowcast.jobs.recipe import recipe
from power_nowcast.jobs.train import best, train
from power_nowcast.mlflow_client import Version
from power_nowcast.models.kinds import model_class
from power_nowcast.monitor.alarms import alarms
from power_nowcast.monitor.rules import TRAIN_ANEW

RUN_MODELS: dict[str, dict[str, Any]] = {"lightgbm": {}, "xgboost": {}, "lstm": {}}
"""The models that `run` trains, with options in place of `models.search_spaces.DEFAULTS`.
`run` skips a model whose packages are not installed."""
DONE = "main_job"
"""The document with the recipe of the last run's results."""


@dataclass(frozen=True)
class Outcome:
    """The result of the main job: the version in production and, if this run made them, the evaluation of the best
    model and all `trained` versions.
    """

    production: Version
    evaluation: Evaluation | None
    refused: str = ""
    trained: tuple[Version, ...] = ()


def run(
    job: Job,
    plan: Plan,
    models: dict[str, dict[str, Any]],
    *,
    is_candidate: bool = False,
    by_skill: bool = False,
) -> Outcome:
    """Ingest, build features, train, evaluate and promote.

    Args:
        job: region, tables and folders.
        plan: the options of the features.
        models: the options of each kind to train; a kind whose packages are not installed is skipped.
        is_candidate: end with the alias `candidate`, where a version is in production already.
        by_skill: do nothing unless an alarm stands that asks for a new training.
    """
    production = mlflow_client.by_alias(job.region, mlflow_client.PRODUCTION)
    if by_skill and production is not None:
        names = [name for name in alarms(job.store, job.region.name, datetime.now(UTC)) if name in TRAIN_ANEW]
        if not names:
            job.progress("Nothing to do: no alarm that stands asks for a new training.")
            return Outcome(production, None)
        job.progress(f"Trained anew because of: {', '.join(names)}")
    job.progress(f"ingest: {ingest(job, feed_of(job))}")
    models = _trainable(job, models)
    wanted = _recipe(job, plan, models)
    if production is not None and _done(job) == wanted:
        job.progress("Nothing to do: the data, the code and the configuration are the same as in the last run.")
        return Outcome(production, None)
    make_features(job, plan)
    trained = tuple(train(job, kind, **options)[1] for kind, options in models.items())
    candidate = best(job)
    evaluation = evaluate(job, candidate)
    refused = ""
    if is_candidate and production is not None:
        refused = f"version {candidate.version} is the candidate, on request: nowcast promote --version candidate"
    else:
        try:
            production = promote(
                job, candidate.version, person=job.settings.owner, reason="main job: best model on validation data"
            ).production
        except PromotionRefusedError as error:
            if production is None:
                raise
            refused = error.message
    job.store.documents.write(job.document(DONE), {"recipe": wanted, "finished_at": datetime.now(UTC).isoformat()})
    return Outcome(production, evaluation, refused, trained)


def _trainable(job: Job, models: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The models whose packages are installed; progress names the others."""
    lacking = {kind: missing for kind in models if (missing := model_class(kind).missing())}
    for kind, missing in lacking.items():
        job.progress(f"train: {kind} is left out: {', '.join(missing)} not installed. {install_remedy('neural')}")
    return {kind: options for kind, options in models.items() if kind not in lacking}


def _recipe(job: Job, plan: Plan, models: dict[str, dict[str, Any]]) -> str:
    return recipe(job.manifests(), job.region, [asdict(plan), models])


def _done(job: Job) -> str | None:
    try:
        note = job.store.documents.read(job.document(DONE))
    except StoreError:  # the job runs again and writes the document again
        return None
    return str(note["recipe"]) if isinstance(note, dict) and "recipe" in note else None
