"""Tuning: trials of a model's options on folds in time order. The study is stored, so an interrupted one continues."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from power_nowcast import mlflow_client
from power_nowcast.bundle.train import VALID_LOSS, fit_and_judge
from power_nowcast.errors import ModelError, WriterBusyError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs import commands
from power_nowcast.jobs.features import read_examples, read_manifest
from power_nowcast.jobs.job import Job
from power_nowcast.models.examples import Examples, expanding_folds
from power_nowcast.models.kinds import create
from power_nowcast.models.search_spaces import Choice, Parameter, Space, Whole, check_options, space_of, with_defaults
from power_nowcast.report.plots import Plot, study_plot
from power_nowcast.store.lease import FileLease

STARTUP_TRIALS = 8
"""Random trials, including the defaults, before the sampler uses the results."""
UNPRUNED_TRIALS = 4
"""Complete trials before pruning: a trial is then pruned if it is worse than their median after the same fold."""
TRIES = 2
"""Maximum number of times that an interrupted trial is resumed."""
STUDIES = "studies.db"
DEFAULT, RUN, TRIED = "default", "mlflow_run", "tried"


@dataclass(frozen=True)
class Plan:
    """The options of a study: `trials` in all, including earlier calls; `fixed` options are not tuned.

    No trial begins later than `timeout_seconds` after the call.
    """

    trials: int = 40
    timeout_seconds: float | None = None
    folds: int = 3
    seed: int = 1
    fixed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tuned:
    """The result of a study: `params` are all options to train with, `loss` and `default_loss` are means over folds."""

    kind: str
    params: dict[str, Any]
    loss: float
    default_loss: float
    trials: int
    pruned: int
    study: str
    file: Path

    @property
    def gain(self) -> float:
        """Relative improvement over the defaults on the folds; optimistic, as the same folds chose the best trial."""
        return 1 - self.loss / self.default_loss


def tune(job: Job, kind: str, plan: Plan | None = None, *, clock: Callable[[], float] = time.monotonic) -> Tuned:
    """Search for better options of a kind by its validation loss on folds of train and valid; test is never read.

    Trial 0 has the defaults. Each trial is an MLflow run below the study's run. Every fold is stored when it is done:
    after a kill, the same call continues and resumes the interrupted trial.

    Raises:
        ConfigurationError: the kind has no options to tune, or does not have a given option.
        MissingDataError: there are no features.
        WriterBusyError: another process works on this study.
        ModelError: no trial was completed.
    """
    plan = plan or Plan()
    manifest = read_manifest(job)
    spec = FeatureSpec.from_json(manifest["spec"])
    defaults = create(kind, job.region.series, spec.knots, **with_defaults(kind, {}))
    space = {name: one for name, one in space_of(kind).items() if name not in plan.fixed}
    check_options(defaults.kind, defaults.configuration, plan.fixed)
    parts = read_examples(job, manifest, "train", "valid")
    folds = list(expanding_folds(parts[0], parts[1], plan.folds, max(spec.knots)))
    folder = job.artifacts / "tune" / defaults.kind
    with _study(job, folder, _key(manifest, defaults.kind, defaults.configuration, space, plan)) as study:
        if not study.trials:
            study.enqueue_trial({name: defaults.configuration[name] for name in space}, user_attrs={DEFAULT: True})
        _take_up(study)
        known = study.user_attrs.get(RUN)
        known = known if known and mlflow_client.has_run(known) else None
        again = {mlflow_client.RUN_AGAIN: _again(job, defaults.kind, plan)}
        with mlflow_client.run(job.region, f"tune {defaults.kind}", tags=again, run_id=known) as parent:
            study.set_user_attr(RUN, parent.id)
            parent.params(
                {"model": defaults.kind, "study": study.study_name, "folds": plan.folds, "spec": spec.to_json()}
                | {f"fixed/{name}": value for name, value in plan.fixed.items()}
            )
            parent.json("features.json", manifest)
            asked = _Asked(job, defaults.kind, spec.knots, space, plan, folds)
            deadline = clock() + (math.inf if plan.timeout_seconds is None else plan.timeout_seconds)
            while len(_finished(study)) < plan.trials and clock() < deadline:
                _try(asked, study, parent.id, clock)
                _keep(job, folder)
            return _conclude(asked, study, folder, parent)


def _again(job: Job, kind: str, plan: Plan) -> str:
    """The command line that makes the study again."""
    asked = {"model": kind, "trials": plan.trials, "timeout": plan.timeout_seconds, "folds": plan.folds}
    fixed = [f"{name}={value}" for name, value in plan.fixed.items()]
    return commands.line(job, "tune", asked | {"seed": plan.seed, "set": fixed})


def _key(
    manifest: Mapping[str, Any], kind: str, defaults: Mapping[str, Any], space: Mapping[str, Parameter], plan: Plan
) -> str:
    """Name of the study of exactly this question: other data, features, folds or bounds give another name."""
    told = {
        "region": manifest["region"],
        "spec": manifest["spec"],
        "data": [manifest["tables"][part]["sha256"] for part in ("train", "valid")],
        "defaults": dict(defaults) | dict(plan.fixed),
        "space": {name: [type(one).__name__, asdict(one)] for name, one in space.items()},
        "folds": plan.folds,
        "seed": plan.seed,
    }
    return f"{kind}-{hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]}"


@contextmanager
def _study(job: Job, folder: Path, name: str) -> Iterator[Study]:
    """The study of this name in the folder's database, for one process at a time.

    A folder without a database gets the one that `_keep` stored with the tables.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lease = FileLease(folder, wait_seconds=0)
    try:
        with lease():
            file = folder / STUDIES
            if not file.exists() and (kept := job.store.documents.read_bytes(_kept(job, folder))) is not None:
                file.write_bytes(kept)
            storage = optuna.storages.RDBStorage(f"sqlite:///{file.absolute()}")
            try:
                yield optuna.create_study(
                    storage=storage,
                    study_name=name,
                    load_if_exists=True,
                    pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS),
                )
            finally:
                storage.remove_session()
                storage.engine.dispose()
    except WriterBusyError as error:
        raise WriterBusyError(
            f"{folder.name} is being tuned by {error.fields['owner']}.",
            remedy="Wait until that process has ended, or end it: the same command then continues its study.",
            **error.fields,
        ) from error


def _keep(job: Job, folder: Path) -> None:
    """Store the database with the tables: a machine without its own disk continues after the last complete trial."""
    job.store.documents.write_bytes(_kept(job, folder), (folder / STUDIES).read_bytes())


def _kept(job: Job, folder: Path) -> str:
    return job.document(f"tune/{folder.name}/{STUDIES}")


def _take_up(study: Study) -> None:
    """Fail the trials whose process ended early, and queue them once more, in their earlier runs."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        tried = int(trial.user_attrs.get(TRIED, 1))
        if tried < TRIES or trial.user_attrs.get(DEFAULT):
            study.enqueue_trial(_given(trial), user_attrs=dict(trial.user_attrs) | {TRIED: tried + 1})


def _abandoned(study: Study) -> list[FrozenTrial]:
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    return [one for one in failed if int(one.user_attrs.get(TRIED, 1)) >= TRIES]


def _given(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's parameters, or its queued parameters if it was interrupted before it got them."""
    return trial.params or dict(trial.system_attrs.get("fixed_params", {}))


def _finished(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


@dataclass(frozen=True)
class _Asked:
    """The common input of all trials of a study."""

    job: Job
    kind: str
    knots: tuple[int, ...]
    space: Space
    plan: Plan
    folds: list[tuple[Examples, Examples]]


def _try(asked: _Asked, study: Study, parent: str, clock: Callable[[], float]) -> None:
    """Run one trial, fold after fold. After an error the trial stays open: the next call resumes it."""
    job, kind, plan, begun = asked.job, asked.kind, asked.plan, clock()
    done = len(_finished(study))
    # Each trial has its own sampler: an interrupted study continues with the same trials as an uninterrupted one.
    seed = int(np.random.SeedSequence([plan.seed, done, len(_abandoned(study))]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True)
    trial = study.ask({name: _distribution(one) for name, one in asked.space.items()})
    options = with_defaults(kind, {**trial.params, **plan.fixed, "refit": False})
    known = trial.user_attrs.get(RUN)
    known = known if known and mlflow_client.has_run(known) else None
    losses: list[float] = []
    with mlflow_client.run(job.region, f"trial {done}", run_id=known, parent=parent) as run:
        trial.set_user_attr(RUN, run.id)
        run.params({"model": kind, **plan.fixed, **trial.params})
        for n, (train, valid) in enumerate(asked.folds):
            model = create(kind, job.region.series, asked.knots, **options)
            report = fit_and_judge(job.region, model, train, valid, executor=job.executor()).report
            losses.append(report.metrics[VALID_LOSS])
            run.metrics({"fold_loss": losses[-1], VALID_LOSS: float(np.mean(losses))}, step=n)
            if not math.isfinite(losses[-1]):
                break
            trial.report(float(np.mean(losses)), n)
            if trial.should_prune():
                break
        whole = len(losses) == len(asked.folds) and math.isfinite(losses[-1])
        run.tags({"state": "complete" if whole else "pruned", "trial": str(trial.number)})
    mean = float(np.mean(losses))
    study.tell(trial, mean if whole else None, TrialState.COMPLETE if whole else TrialState.PRUNED)
    told = f"{mean:.4f}" if whole else f"{mean:.4f}, stopped early after fold {len(losses)} of {len(asked.folds)}"
    best = _best(study)
    so_far = f"; best {best.value:.4f}" if best else ""
    job.progress(f"tune: {kind}: trial {done + 1} of {plan.trials}: {told}, {clock() - begun:.0f} s{so_far}")


def _distribution(one: Parameter) -> BaseDistribution:
    if isinstance(one, Choice):
        return CategoricalDistribution(one.values)
    if isinstance(one, Whole):
        return IntDistribution(one.low, one.high, log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


def _best(study: Study) -> FrozenTrial | None:
    whole = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return min(whole, key=lambda one: (one.value, one.number), default=None)


def _conclude(asked: _Asked, study: Study, folder: Path, parent: mlflow_client.Run) -> Tuned:
    """Write and log the best options, their gain, and the importance of each option."""
    kind = asked.kind
    best = _best(study)
    finished = _finished(study)
    default = next((one for one in finished if one.user_attrs.get(DEFAULT)), None)
    if best is None or best.value is None or default is None or default.value is None:
        raise ModelError(
            f"No trial of {kind} was completed.", remedy="Give it more time: --timeout, or fewer --folds.", kind=kind
        )
    pruned = sum(one.state == TrialState.PRUNED for one in finished)
    params = {**best.params, **asked.plan.fixed}
    file = folder / "best.json"
    tuned = Tuned(kind, params, best.value, default.value, len(finished), pruned, study.study_name, file)
    found = asdict(tuned) | {"file": file.name}
    file.write_text(json.dumps(found, indent=1))
    asked.job.store.documents.write(asked.job.document(f"tune/{kind}/best"), found)
    parent.metrics({"best_loss": tuned.loss, "default_loss": tuned.default_loss, "gain": tuned.gain})
    parent.file(file)
    parent.json("trials.json", [_row(one) for one in finished])
    importance = _importance(study)
    parent.json("importance.json", importance)
    losses = [one.value if one.value is not None else math.nan for one in finished]
    plot = Plot("study", study_plot(losses, importance, title=f"Tuning {kind}"), f"Losses of the trials of {kind}.")
    (folder / "study.png").write_bytes(plot.png())
    parent.file(folder / "study.png")
    return tuned


def _row(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "loss": trial.value,
        "folds": [trial.intermediate_values[n] for n in sorted(trial.intermediate_values)],
        "default": bool(trial.user_attrs.get(DEFAULT)),
        **trial.params,
    }


def _importance(study: Study) -> dict[str, float]:
    """Importance of each option for the loss, as a share; empty while there are few trials."""
    whole = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(whole) < UNPRUNED_TRIALS or len({one.value for one in whole}) == 1:
        return {}
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {name: float(share) for name, share in found.items() if math.isfinite(share)}
