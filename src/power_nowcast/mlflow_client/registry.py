"""Registered versions of a region's model: aliases are the one source of truth about what is in production."""

import json
import logging
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from power_nowcast.bundle.files import verify
from power_nowcast.errors import NowcastError, PromotionRefusedError, RegistryError
from power_nowcast.evaluate.promotion import Decision, Verdict
from power_nowcast.mlflow_client.connection import connect, is_new, no_mlflow, place, translated
from power_nowcast.regions import Region

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

CANDIDATE, STAGING, PRODUCTION = "candidate", "staging", "production"
ALIASES = (CANDIDATE, STAGING, PRODUCTION)
METRICS = "metrics"
"""Tag with all figures of a version as JSON: MLflow's page of a model lists every tag of every version."""
METRIC_BEFORE = "metric."
"""Versions of before have a tag with this prefix for each figure."""
HISTORY = "promotion."
HEADING = "## In production, newest first"
"""Below it the description of a model tells its history; the text above it is a person's own."""
TOLD_STEPS = 20
"""So many promotions and rollbacks, the newest ones, are told there."""
BUNDLE_FOLDER = "artifacts/bundle"
"""Folder of the native files inside the registered model."""


@dataclass(frozen=True)
class Version:
    """One registered version; `digest` names its bundle, `created_at` is UTC."""

    name: str
    version: str
    aliases: tuple[str, ...]
    digest: str
    kind: str
    created_at: datetime
    run_id: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """Address for MLflow."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True)
class Step:
    """An entry of a region's history: who put what into production in place of what, and why."""

    at: str
    action: str  # promote or rollback
    version: str
    previous: str | None
    person: str
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)


def versions(region: Region) -> list[Version]:
    """All registered versions of the region's model, newest first.

    Raises:
        RegistryUnavailableError: MLflow does not answer.
    """
    if is_new():
        return []
    client = connect()
    with translated():
        aliases = _aliases(client, region)
        found = listed(client, region)
    made = [as_version(one, aliases) for one in found]
    return sorted(made, key=lambda one: int(one.version), reverse=True)


def listed(client: "MlflowClient", region: Region) -> list[Any]:
    """All versions of the region's model as MLflow's client gives them."""
    found: list[Any] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{region.model}'", max_results=100, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def by_alias(region: Region, alias: str) -> Version | None:
    """The version that carries the alias, None where none does."""
    if is_new():
        return None
    client = connect()
    with translated():
        aliases = _aliases(client, region)
        number = aliases.get(_check_alias(alias))
        return None if number is None else as_version(client.get_model_version(region.model, number), aliases)


def find(region: Region, alias_or_version: str) -> Version:
    """The version of this alias or number.

    Raises:
        RegistryError: there is none.
    """
    name = str(alias_or_version)
    wanted = [one for one in versions(region) if name == one.version or name in one.aliases]
    if not wanted:
        raise RegistryError(
            f"{region.model} has no version {name!r} in {place()}.",
            remedy="List them: nowcast models; make one: nowcast run; MLFLOW_TRACKING_URI says where to look.",
            model=region.model,
            version=name,
        )
    return wanted[0]


def set_alias(region: Region, version: str, alias: str) -> None:
    """Set the alias to this version.

    Raises:
        RegistryError: there is no such alias or version, or the alias is production, which moves with a reason only.
    """
    if alias == PRODUCTION:
        raise RegistryError(
            "The alias production is not set by hand.",
            remedy="Use nowcast promote, or nowcast promote --rollback: both say why.",
            alias=alias,
        )
    client = connect()
    with translated():
        client.set_registered_model_alias(region.model, _check_alias(alias), str(version))


def promote(region: Region, version: str, *, decision: Decision, person: str, reason: str) -> Version:
    """Put a version into production, with person, reason and figures in tags.

    The alias moves in the last call, after everything is written. If this is interrupted, nothing has changed.

    Raises:
        PromotionRefusedError: the decision is against it.
        RegistryError: there is no such version.
    """
    if not decision.promoted:
        raise PromotionRefusedError(
            f"Version {version} of {region.model} is not promoted. {' '.join(decision.reasons)}",
            remedy="Train on more or newer data, or keep the version in production; the rule: nowcast promote --help.",
            model=region.model,
            version=str(version),
            reasons=decision.reasons,
        )
    chosen = find(region, str(version))
    told = reason or " ".join(decision.reasons)
    return _to_production(region, chosen, "promote", person, told, decision.figures)


def rollback(region: Region, *, person: str, reason: str) -> Version:
    """Put the previous production version back into production.

    Raises:
        RegistryError: there is no previous one.
    """
    current = by_alias(region, PRODUCTION)
    if current is None:
        raise RegistryError(
            f"No version of {region.model} is in production in {place()}: there is nothing to go back to.",
            remedy="Promote one first: nowcast promote.",
            model=region.model,
        )
    before = _before(history(region), current.version)
    if before is None:
        raise RegistryError(
            f"{region.model} has no earlier production version than {current.version} to go back to.",
            remedy="Promote another: nowcast promote --version N.",
            model=region.model,
        )
    return _to_production(region, find(region, before), "rollback", person, reason, {})


def tag_verdict(region: Region, version: str, role: str, verdict: Verdict, *, first: datetime, last: datetime) -> None:
    """Put the outcome of a window of live nowcasts into a version's tags: the tag `role` has the outcome, and
    `verdict.TIME` the window with its figures.

    Raises:
        RegistryError: there is no such version. RegistryUnavailableError: MLflow does not answer.
    """
    told = {"outcome": verdict.outcome, "role": role, "first": first.isoformat(), "last": last.isoformat()}
    text = json.dumps(told | {"reasons": verdict.reasons, "figures": dict(verdict.figures)})
    client = connect()
    with translated():
        client.set_model_version_tag(region.model, version, f"verdict.{last:%Y%m%dT%H%M}", text)
        client.set_model_version_tag(region.model, version, role, verdict.outcome)


def history(region: Region) -> list[Step]:
    """Promotions and rollbacks, oldest first; an entry that was interrupted before the alias moved is left out."""
    if is_new():
        return []
    client = connect()
    with translated():
        model = registered_model(client, region)
    if model is None:
        return []
    return _steps(model)


def tell_history(client: "MlflowClient", region: Region) -> None:
    """Write the newest promotions and rollbacks into the model's description, as a table that MLflow's page shows."""
    model = registered_model(client, region)
    if model is None or not (steps := _steps(model)):
        return
    lines = ["| when, UTC | what | version | before | by | reason |", "|---|---|---|---|---|---|"]
    for step in steps[: -TOLD_STEPS - 1 : -1]:
        cells = [
            step.at[:16].replace("T", " "),
            step.action,
            step.version,
            step.previous or "",
            step.person,
            step.reason,
        ]
        lines.append("| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |")
    own = (model.description or "").partition(HEADING)[0].rstrip()
    client.update_registered_model(region.model, "\n\n".join([own, HEADING, "\n".join(lines)]).lstrip())


def _steps(model: Any) -> list[Step]:
    steps = [Step(**json.loads(value)) for key, value in sorted(model.tags.items()) if key.startswith(HISTORY)]
    if not steps:
        return []
    current = model.aliases.get(PRODUCTION)
    # The next entry, or the alias, shows what really was in production after each.
    after = [step.previous for step in steps[1:]] + [None if current is None else str(current)]
    return [step for step, there in zip(steps, after, strict=True) if step.version == there]


def download(region: Region, alias_or_version: str, cache: Path) -> tuple[Path, Version]:
    """The version's bundle folder inside the cache, fetched unless a whole copy is there.

    Raises:
        RegistryError: there is no such version. RegistryUnavailableError: MLflow does not answer.
        ArtifactDigestError: what came differs from what was registered.
    """
    chosen = find(region, alias_or_version)
    return fetch(chosen, cache), chosen


def fetch(chosen: Version, cache: Path) -> Path:
    """The bundle folder of a version, as `download` gives it."""
    safe = re.sub(r"[^\w.-]", "_", chosen.name)
    target = cache / f"{safe}-v{chosen.version}-{chosen.digest[:12]}"
    if target.is_dir():
        try:
            verify(target, chosen.digest)
        except NowcastError:
            shutil.rmtree(target)
        else:
            return target
    import mlflow.artifacts  # noqa: PLC0415

    client = connect()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as beside:
        with translated():
            source = client.get_model_version_download_uri(chosen.name, chosen.version)
            address = f"{source.rstrip('/')}/{BUNDLE_FOLDER}"
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=beside))
        verify(folder, chosen.digest)
        try:
            folder.replace(target)
        except OSError:
            if not target.is_dir():  # otherwise another process was faster
                raise
    return target


def _to_production(
    region: Region, chosen: Version, action: str, person: str, reason: str, figures: Mapping[str, float]
) -> Version:
    client = connect()
    with translated():
        previous = _aliases(client, region).get(PRODUCTION)
        step = Step(
            datetime.now(UTC).isoformat(timespec="microseconds"),
            action,
            chosen.version,
            previous,
            person,
            reason,
            dict(figures),
        )
        text = json.dumps(step.__dict__)
        stamp = re.sub(r"[^0-9T]", "", step.at.partition("+")[0])
        client.set_registered_model_tag(region.model, f"{HISTORY}{stamp}", text)
        client.set_model_version_tag(chosen.name, chosen.version, f"{HISTORY}{stamp}", text)
        client.set_registered_model_alias(region.model, PRODUCTION, chosen.version)
    try:
        with translated():
            tell_history(client, region)
    except NowcastError as error:  # the version is in production all the same
        logger.warning("The description of %s does not tell the newest promotion: %s", region.model, error)
    return find(region, chosen.version)


def _before(steps: list[Step], current: str) -> str | None:
    """The version in production before the current one: promotions stack, rollbacks take from the stack."""
    stack: list[str] = []
    for step in steps:
        if step.action == "rollback":
            while stack and stack[-1] != step.version:
                stack.pop()
            if not stack:
                stack.append(step.version)
            continue
        if not stack and step.previous is not None:
            stack.append(step.previous)
        stack.append(step.version)
    while stack and stack[-1] == current:
        stack.pop()
    return stack[-1] if stack else None


def registered_model(client: "MlflowClient", region: Region) -> Any:
    """The registered model, None where there is none."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        model = client.get_registered_model(region.model)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    if model.name != region.model:  # MLflow's client takes an empty answer for a model without a name
        raise no_mlflow(None, f"asked for the model {region.model}, it answers with {model.name!r}")
    return model


def _aliases(client: "MlflowClient", region: Region) -> dict[str, str]:
    """Version by alias."""
    model = registered_model(client, region)
    return {} if model is None else {alias: str(number) for alias, number in model.aliases.items()}


def as_version(found: Any, aliases: Mapping[str, str] | None = None) -> Version:
    """A version as MLflow's client gives it, with those of the aliases that name it."""
    tags = dict(found.tags)
    number = str(found.version)
    return Version(
        name=found.name,
        version=number,
        aliases=tuple(alias for alias in ALIASES if (aliases or {}).get(alias) == number),
        digest=tags.get("digest", ""),
        kind=tags.get("kind", ""),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        run_id=found.run_id or "",
        metrics=_metrics(tags),
        tags={key: value for key, value in tags.items() if key != METRICS and not key.startswith(METRIC_BEFORE)},
    )


def _metrics(tags: Mapping[str, str]) -> dict[str, float]:
    before = {key.removeprefix(METRIC_BEFORE): value for key, value in tags.items() if key.startswith(METRIC_BEFORE)}
    return {name: float(value) for name, value in (before | json.loads(tags.get(METRICS, "{}"))).items()}


def _check_alias(alias: str) -> str:
    if alias not in ALIASES:
        raise RegistryError(f"There is no alias {alias!r}.", remedy=f"Use one of: {', '.join(ALIASES)}.", alias=alias)
    return alias
