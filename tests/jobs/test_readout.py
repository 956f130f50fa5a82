"""The readout of a version from tracked runs alone."""

import re
from pathlib import Path

import pytest

from power_nowcast import mlflow_client
from power_nowcast.collect import write_all
from power_nowcast.errors import RegistryError
from power_nowcast.evaluate.promotion import Decision
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.jobs.evaluate import evaluate
from power_nowcast.jobs.features import make_features
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.readout import SWAP, SWAP_FILE, readout
from power_nowcast.jobs.train import train
from power_nowcast.report.words import power
from tests.small_job import PLAN, job_of, write_region

pytestmark = pytest.mark.slow

STEP = {"clock": "12:00", "version": "1", "digest": "d" * 12, "nowcast": "ALL 3,500 MW at 13:00", "what": "answers"}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, work_in) -> Job:
    folder = work_in(tmp_path_factory.mktemp("readout"))
    made = job_of(write_region(folder, "readland"))
    write_all(made.store, made.region)
    make_features(made, PLAN)
    return made


@pytest.fixture(scope="module")
def card(job: Job) -> Scorecard:
    """A version in production with its evaluation, a second training of the same model, another kind, and a swap."""
    _, version = train(job, "persistence_ramp")
    found = evaluate(job, version)
    mlflow_client.promote(
        job.region, version.version, decision=Decision(True, ("Yes.",)), person="ada", reason="the first <one>"
    )
    train(job, "persistence_ramp")
    train(job, "persistence")
    with mlflow_client.run(job.region, SWAP) as run:
        run.json(SWAP_FILE, [STEP, STEP | {"version": "2", "what": "promoted", "seconds": 0.417}])
    return found.card


@pytest.fixture(scope="module")
def page(job: Job, card: Scorecard) -> str:
    path = readout(job)
    assert path == job.reports / "readout.html"
    return path.read_text()


def rows_of(page: str, caption: str) -> list[list[str]]:
    """The cells of the table below a caption."""
    table = page.partition(caption)[2].partition("</table>")[0].partition("<tbody>")[2]
    cells = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in cells]


def test_the_figures_are_those_of_the_evaluation(page: str, card: Scorecard) -> None:
    rows = {row[0]: row[1:] for row in rows_of(page, "mean absolute error in MW")}
    assert {"model", "persistence", "seasonal naive", "persistence ramp"} <= set(rows)
    far = card.row("ALL", 60)
    assert rows["model"][-1] == power(far["MAE"], "MW")
    assert rows["persistence"][-1] == power(far["MAE_persistence"], "MW") != rows["model"][-1]
    assert rows["nowcasts scored"][-1] == f"{far['n']:,}"


def test_it_tells_the_swap_the_decisions_and_the_trainings(page: str) -> None:
    swap = rows_of(page, "The same process answers with one version")
    assert [(row[1], row[5]) for row in swap] == [("1", ""), ("2", "0.42")]
    assert rows_of(page, "Promotions and rollbacks")[0][1:] == ["promote", "1", "none", "ada", "the first &lt;one&gt;"]
    trained = rows_of(page, "Every tracked training of this kind")
    assert [row[7] for row in trained] == ["yes", "yes"], "the other kind is left out"
    assert len({row[0] for row in trained}) == 2


def test_it_needs_no_network_and_its_links_arrive(page: str) -> None:
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    ids = set(re.findall(r'id="([\w-]+)"', page))
    assert set(re.findall(r'href="#([\w-]+)"', page)) <= ids
    assert page.count('<figure class="chart"') == 6


def test_a_version_without_an_evaluation_is_told(job: Job, card: Scorecard, tmp_path: Path) -> None:
    other = next(one for one in mlflow_client.versions(job.region) if one.kind == "persistence")
    with pytest.raises(RegistryError, match="no tracked evaluation") as caught:
        readout(job, other.version, tmp_path / "page.html")
    assert f"--version {other.version}" in caught.value.remedy
