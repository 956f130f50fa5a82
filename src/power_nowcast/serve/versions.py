"""Versions of the registry for a running service: the one that answers, and the one in the shadow with its verdict."""

import logging
from datetime import timedelta

from power_nowcast import mlflow_client
from power_nowcast.evaluate.promotion import Decision, Outcome
from power_nowcast.live.shadow import Judged, Role, Second, Shadow
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import Region
from power_nowcast.settings import Settings
from power_nowcast.store import Store
from power_nowcast.store.events import tell_promotion

logger = logging.getLogger("power_nowcast.live")

PERSON = "the service"
"""Who decides, in the history of promotions, if a window in the shadow does."""


def production(region: Region, chosen: Settings) -> ModelSlot:
    """A slot that loads the region's production version from the registry."""
    cache = chosen.artifacts / region.name / "versions"

    def loader() -> Fetched:
        folder, version = mlflow_client.download(region, mlflow_client.PRODUCTION, cache)
        return Fetched(folder, version.version, version.digest)

    return ModelSlot(region, loader, cache)


def shadow(store: Store, region: Region, chosen: Settings) -> Shadow:
    """The shadow of a region, with the window of the settings; without a window nothing is judged."""
    folder = chosen.artifacts / region.name
    length = timedelta(days=chosen.shadow_days) if chosen.shadow_days else None

    def second() -> Second | None:
        found = in_shadow(region, is_guarded=length is not None)
        if found is None:
            return None
        version, role = found
        place, fetched = mlflow_client.download(region, version, folder / "versions")
        return Second(Fetched(place, fetched.version, fetched.digest), role)

    return Shadow(store, region, second, lambda judged: settle(store, region, judged), length, folder / "shadow")


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


def settle(store: Store, region: Region, judged: Judged) -> None:
    """Put the verdict into the version's tags, and promote the version or go back to the one before, as it says.

    A second process that comes to the same verdict changes nothing more.

    Raises:
        RegistryError: MLflow does not answer, or refuses.
    """
    version, role, verdict = judged.version, judged.role, judged.verdict
    mlflow_client.tag_verdict(region, version, role, verdict, first=judged.first, last=judged.last)
    reason, current = " ".join(verdict.reasons), mlflow_client.by_alias(region, mlflow_client.PRODUCTION)
    is_in_production = current is not None and current.version == version
    if role is Role.CANDIDATE and verdict.outcome is Outcome.BETTER and not is_in_production:
        decision = Decision(True, verdict.reasons, verdict.figures)
        mlflow_client.promote(region, version, decision=decision, person=PERSON, reason=reason)
        tell_promotion(store, region.name, version, "is in production", person=PERSON, reason=reason)
    elif role is Role.BEFORE and verdict.outcome is Outcome.WORSE and is_in_production:
        back = mlflow_client.rollback(region, person=PERSON, reason=reason)
        tell_promotion(store, region.name, back.version, "is in production again", person=PERSON, reason=reason)
