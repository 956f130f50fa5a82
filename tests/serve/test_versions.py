"""A version in the shadow, in a real registry: tags, promotion, the way back, and services that hear of it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from power_nowcast import mlflow_client
from power_nowcast.evaluate.promotion import Decision, Outcome, Verdict
from power_nowcast.live.shadow import Judged, Role
from power_nowcast.regions import Region
from power_nowcast.serve.versions import PERSON, in_shadow, settle, shadow
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.store.events import promoted
from tests.toy import toy_bundle, toy_region

FIRST = datetime(2024, 5, 1, tzinfo=UTC)
ALONE = """
import sys
from pathlib import Path
from power_nowcast.live.asking import OwnProcess
from power_nowcast.serve.versions import production, shadow
from power_nowcast.settings import settings
from power_nowcast.store import Store
from tests.toy import toy_region
if __name__ == "__main__":
    region = toy_region("alone", "alone-nowcast")
    with OwnProcess({"version": 1}) as ask:
        slot = production(region, settings(), ask)
        second = shadow(Store(Path(sys.argv[1])), region, settings(), ask)._second()
        print(slot.load().version, second.fetched.version, "mlflow" in sys.modules)
"""
FIGURES = {"difference": -0.02, "p": 0.001}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, work_in) -> Callable[[str], Region]:
    """Makes a region with version 1 in production, and version 2 as the candidate."""
    folder = work_in(tmp_path_factory.mktemp("versions"))
    bundles = [toy_bundle(toy_region(), seed=seed) for seed in (1, 2)]

    def made(name: str) -> Region:
        region = toy_region(name, f"{name}-nowcast")
        for number, bundle in enumerate(bundles):
            own = replace(bundle, region=region)
            own.save(folder / f"{name} {number}")
            with mlflow_client.run(region, "train") as run:
                mlflow_client.register(own, folder / f"{name} {number}", run_id=run.id, metrics={}, tags={})
        mlflow_client.promote(region, "1", decision=Decision(True, ("Yes.",)), person="ada", reason="the first")
        mlflow_client.set_alias(region, "2", mlflow_client.CANDIDATE)
        return region

    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def judged(outcome: Outcome, role: Role = Role.CANDIDATE, version: str = "2") -> Judged:
    verdict = Verdict(outcome, ("Its pinball loss differs by -2.00%.",), FIGURES)
    return Judged(version, role, verdict, FIRST, FIRST + timedelta(days=7))


def production(region: Region) -> str:
    found = mlflow_client.by_alias(region, mlflow_client.PRODUCTION)
    assert found is not None
    return found.version


def test_a_candidate_is_promoted_guarded_and_rolled_back(make: Callable[[str], Region], store: Store) -> None:
    region = make("story")
    assert in_shadow(region, is_guarded=True) == ("2", Role.CANDIDATE)
    settle(store, region, judged(Outcome.UNDECIDED))
    assert in_shadow(region, is_guarded=True) == ("2", Role.CANDIDATE), "the next window begins"
    assert (production(region), promoted(store, "story")) == ("1", None)

    for _ in range(2):  # a second process comes to the same verdict
        settle(store, region, judged(Outcome.BETTER))
    assert production(region) == "2"
    first, second = mlflow_client.history(region)
    assert (second.action, second.person, second.previous, second.figures) == (
        "promote",
        PERSON,
        first.version,
        FIGURES,
    )
    told = promoted(store, "story")
    assert told is not None
    tags = mlflow_client.find(region, "2").tags
    assert tags["candidate"] == "better"
    assert json.loads(tags["verdict.20240508T0000"])["figures"] == FIGURES

    assert in_shadow(region, is_guarded=True) == ("1", Role.BEFORE)
    assert in_shadow(region, is_guarded=False) is None
    settle(store, region, judged(Outcome.WORSE, Role.BEFORE))
    assert production(region) == "1"
    assert mlflow_client.history(region)[-1].action == "rollback"
    later = promoted(store, "story")
    assert later is not None
    assert later > told
    assert in_shadow(region, is_guarded=True) is None, "production was rolled back from the candidate"


def test_a_worse_candidate_is_rejected_and_a_promise_that_is_kept_ends_the_guard(
    make: Callable[[str], Region], store: Store
) -> None:
    region = make("rejected")
    settle(store, region, judged(Outcome.WORSE))
    assert (production(region), in_shadow(region, is_guarded=True)) == ("1", None)
    mlflow_client.promote(region, "2", decision=Decision(True, ("Yes.",)), person="ada", reason="by hand")
    assert in_shadow(region, is_guarded=True) == ("1", Role.BEFORE)
    settle(store, region, judged(Outcome.UNDECIDED, Role.BEFORE))
    assert (production(region), in_shadow(region, is_guarded=True)) == ("2", None)
    assert promoted(store, "rejected") is None


def test_the_shadow_of_a_service_fetches_the_candidate(
    make: Callable[[str], Region], store: Store, tmp_path: Path
) -> None:
    region, chosen = make("fetched"), replace(settings(), artifacts=tmp_path / "artifacts", shadow_days=3)
    made = shadow(store, region, chosen)
    second = made._second()
    assert second is not None
    assert second.role is Role.CANDIDATE
    assert second.fetched.folder.is_dir()
    assert second.fetched.digest == mlflow_client.find(region, "2").digest
    assert made._length == timedelta(days=3)
    assert shadow(store, region, replace(chosen, shadow_days=0))._length is None
    assert in_shadow(toy_region("nothing", "nothing"), is_guarded=True) is None


def test_a_service_loads_versions_without_mlflow_in_its_process(make: Callable[[str], Region], tmp_path: Path) -> None:
    make("alone")
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    command = [sys.executable, str(script), str(tmp_path / "data")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.split() == ["1", "2", "False"], done.stderr
