"""Promotion and rollback by HTTP, with the real command and a real registry."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from power_nowcast import mlflow_client
from power_nowcast.collect.load import write_all
from power_nowcast.jobs.evaluate import evaluate
from power_nowcast.jobs.features import make_features
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.train import best, train
from power_nowcast.live.changes import Changes
from power_nowcast.live.slot import ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.serve.versions import production
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.store.events import promoted
from power_nowcast.store.keys import Scope, make
from tests.live.test_loop import BEGIN, REGION, World
from tests.serve.conftest import Client, problem_of
from tests.serve.test_guard import bearer
from tests.small_job import PLAN, TINY, job_of, write_region

WHY = {"reason": "a test"}


def of_toy(slot: ModelSlot, store: Store, code: str) -> tuple[Client, dict[str, str]]:
    """A service whose command is a Python program, and the headers of an administrator."""
    changes = Changes(command=(sys.executable, "-c", code))
    app = create_app({"toy": Served(REGION, slot)}, store, default_region="toy", changes=changes)
    return Client(app), bearer(make(store, "ada", Scope.ADMIN, now=BEGIN))


def ended(client: Client, region: str, seconds: float = 20) -> dict[str, Any]:
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        newest: dict[str, Any] = client.get(f"/v1/models/{region}/changes").json()[0]
        if newest["state"] != "running":
            return newest
        time.sleep(0.05)
    raise AssertionError("it did not end")


def test_a_change_needs_a_key_and_the_version_that_answers(slot: ModelSlot, tmp_path: Path) -> None:
    client, admin = of_toy(slot, World(tmp_path / "data").store, "import time; time.sleep(1); print('- Yes.')")
    for path in ("promote", "rollback"):
        problem_of(client.post(f"/v1/models/toy/{path}", json=WHY), 401, "Key needed")
        assert client.post(f"/v1/models/atlantis/{path}", json=WHY | {"from_version": "7"}, headers=admin).is_error
        problem_of(client.post(f"/v1/models/toy/{path}", json={}, headers=admin), 422, "Invalid request")
    asked = client.post("/v1/models/toy/rollback", json=WHY | {"from_version": "6"}, headers=admin)
    assert "Version 7 of toy answers" in problem_of(asked, 409, "Conflict")["detail"]
    for version in ("--rollback", "", "a b"):
        asked = client.post("/v1/models/toy/promote", json=WHY | {"version": version}, headers=admin)
        problem_of(asked, 422, "Invalid request")
    assert client.get("/v1/models/toy/changes").json() == []
    begun = client.post("/v1/models/toy/rollback", json=WHY | {"from_version": "7"}, headers=admin)
    assert (begun.status_code, begun.json()["state"], begun.json()["person"]) == (202, "running", "ada")
    again = client.post("/v1/models/toy/rollback", json=WHY | {"from_version": "7"}, headers=admin)
    assert (again.status_code, again.json()) == (202, begun.json())
    other = client.post("/v1/models/toy/promote", json=WHY, headers=admin)
    assert "which ada asked for" in problem_of(other, 409, "Conflict")["detail"]
    done = ended(client, "toy")
    assert (done["state"], done["told"], done["version"]) == ("done", ["Yes."], None)
    assert len(client.get("/v1/models/toy/changes").json()) == 1


@pytest.fixture
def job(tmp_path: Path, work_in) -> Job:
    """A small region with two trained versions."""
    folder = work_in(tmp_path)
    file = write_region(folder, "changeland")
    made = job_of(file)
    write_all(made.store, made.region)
    make_features(made, PLAN)
    train(made, "persistence_ramp")
    train(made, "lgbm", **TINY)
    evaluate(made, best(made))
    return made


@pytest.mark.integration
def test_the_real_command_promotes_and_rolls_back_beside_the_service(job: Job) -> None:
    region, store = job.region, Store(settings().data)
    slot = production(region, settings())
    changes = Changes({region.name: str(Path("changeland.toml"))})
    client = Client(create_app({region.name: Served(region, slot)}, store, default_region=region.name, changes=changes))
    admin = bearer(make(store, "ada", Scope.ADMIN, now=BEGIN))
    told = []
    for version in ("1", "2"):
        asked = {"version": version, "reason": f"number {version}"}
        assert client.post("/v1/models/changeland/promote", json=asked, headers=admin).status_code == 202
        told.append(ended(client, "changeland", 120))
    assert [one["state"] for one in told] == ["failed", "done"], told
    assert told[0]["told"][0].startswith("Promotion refused: "), "persistence is no better than itself"
    assert told[1]["told"][-1] == "changeland-nowcast version 2 (lightgbm) is in production."
    (step,) = mlflow_client.history(region)
    assert (step.version, step.person, step.reason) == ("2", "ada", "number 2")
    assert promoted(store, "changeland") is not None, "services are told"
    slot.load()
    asked = {"from_version": "2", "reason": "back"}
    assert client.post("/v1/models/changeland/rollback", json=asked, headers=admin).status_code == 202
    last = ended(client, "changeland", 120)
    assert last["state"] == "failed"
    assert "no earlier production version" in last["told"][0], "there is no version before the first one"


@pytest.mark.integration
def test_what_answers_imports_no_mlflow_for_a_change() -> None:
    code = (
        "import sys\n"
        "from power_nowcast.live.changes import Changes\n"
        "from power_nowcast.serve import decisions, fastapi_app\n"
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
