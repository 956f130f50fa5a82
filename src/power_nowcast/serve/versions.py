"""Versions of the registry for a running service: the one that answers, and the one in the shadow with its verdict."""

from datetime import timedelta
from pathlib import Path

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.evaluate.promotion import Decision, Outcome
from power_nowcast.live.asking import Ask, in_this_process
from power_nowcast.live.shadow import Judged, Role, Second, Shadow
from power_nowcast.live.slot import Fetched, ModelSlot, Opener
from power_nowcast.regions import Region
from power_nowcast.settings import Settings
from power_nowcast.store import Store
from power_nowcast.store.events import tell_promotion

PERSON = "the service"
"""Who decides, in the history of promotions, if a window in the shadow does."""


def production(region: Region, chosen: Settings, ask: Ask = in_this_process) -> ModelSlot:
    """A slot that loads the region's production version from the registry."""
    folder = chosen.artifacts / region.name / "versions"
    return ModelSlot(region, lambda: ask(fetched, region, mlflow_client.PRODUCTION, folder), folder, _opener(ask))


def _opener(ask: Ask) -> Opener:
    return lambda folder, digest: ask(Bundle.load, folder, digest)


def fetched(region: Region, alias_or_version: str, folder: Path) -> Fetched:
    """A version of the registry, in a folder of its own inside `folder`.

    Raises:
        RegistryError: there is none, or MLflow does not answer.
        ModelError: its files are damaged.
    """
    place, version = mlflow_client.download(region, alias_or_version, folder)
    return Fetched(place, version.version, version.digest)


def shadow(store: Store, region: Region, chosen: Settings, ask: Ask = in_this_process) -> Shadow:
    """The shadow of a region, with the window of the settings; without a window nothing is judged."""
    folder = chosen.artifacts / region.name
    length = timedelta(days=chosen.shadow_days) if chosen.shadow_days else None

    def second() -> Second | None:
        return ask(_second, region, folder / "versions", is_guarded=length is not None)

    def act(judged: Judged) -> None:
        settle(store, region, judged, ask)

    return Shadow(store, region, second, act, length, folder / "shadow", _opener(ask))


def _second(region: Region, folder: Path, *, is_guarded: bool) -> Second | None:
    found = in_shadow(region, is_guarded=is_guarded)
    return None if found is None else Second(fetched(region, found[0], folder), found[1])


def in_shadow(region: Region, *, is_guarded: bool) -> tuple[str, Role] | None:
    """The version that belongs in the shadow: the candidate, or else the one before the production version.

    A candidate that was found worse, or from which production was rolled back, does not belong there; nor does the
    version before, once a window has shown that the production version keeps its promise.

    Args:
        region: whose.
        is_guarded: whether the version before follows a promotion in the shadow.

    Raises:
        RegistryUnavailableError: MLflow does not answer.
    """
    current = mlflow_client.by_alias(region, mlflow_client.PRODUCTION)
    if current is None:
        return None
    steps = mlflow_client.history(region)
    last = steps[-1] if steps else None
    candidate = mlflow_client.by_alias(region, mlflow_client.CANDIDATE)
    if candidate is not None and candidate.digest != current.digest:
        is_rolled_back = last is not None and last.action == "rollback" and last.previous == candidate.version
        if not is_rolled_back and candidate.tags.get(Role.CANDIDATE) != Outcome.WORSE:
            return candidate.version, Role.CANDIDATE
    if not is_guarded or last is None or last.action != "promote" or last.previous is None:
        return None
    return None if Role.BEFORE in current.tags else (last.previous, Role.BEFORE)


def settle(store: Store, region: Region, judged: Judged, ask: Ask = in_this_process) -> None:
    """Put the verdict into the version's tags, and promote the version or go back to the one before, as it says.

    A second process that comes to the same verdict changes nothing more.

    Raises:
        RegistryError: MLflow does not answer, or refuses.
    """
    moved = ask(_moved, region, judged)
    if moved is not None:
        version, what = moved
        tell_promotion(store, region.name, version, what, person=PERSON, reason=_reason(judged))


def _moved(region: Region, judged: Judged) -> tuple[str, str] | None:
    """Act on the verdict in the registry; the version that went into production, and in which words that is told."""
    version, role, verdict = judged.version, judged.role, judged.verdict
    mlflow_client.tag_verdict(region, version, role, verdict, first=judged.first, last=judged.last)
    current = mlflow_client.by_alias(region, mlflow_client.PRODUCTION)
    is_in_production = current is not None and current.version == version
    if role is Role.CANDIDATE and verdict.outcome is Outcome.BETTER and not is_in_production:
        decision = Decision(True, verdict.reasons, verdict.figures)
        mlflow_client.promote(region, version, decision=decision, person=PERSON, reason=_reason(judged))
        return version, "is in production"
    if role is Role.BEFORE and verdict.outcome is Outcome.WORSE and is_in_production:
        return mlflow_client.rollback(region, person=PERSON, reason=_reason(judged)).version, "is in production again"
    return None


def _reason(judged: Judged) -> str:
    return " ".join(judged.verdict.reasons)
