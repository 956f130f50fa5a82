"""The page about what was published: its figures are those of the tables, and it stands alone."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from typer.testing import CliRunner

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.cli import app
from power_nowcast.errors import MissingDataError
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.report import report
from power_nowcast.live.records import _rows
from power_nowcast.live.scores import scores, skill
from power_nowcast.report.words import power
from power_nowcast.settings import settings
from power_nowcast.store.events import Event, Kind, note
from power_nowcast.store.tables import NOWCASTS
from tests.jobs.test_readout import rows_of
from tests.live.test_loop import BEGIN, REGION, World
from tests.monitor.conftest import followed, publications
from tests.small_job import REGION as REGION_FILE
from tests.toy import toy_bundle

HOURS = 30


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return toy_bundle(REGION)


@pytest.fixture(scope="module")
def world(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> World:
    made = followed(bundle, tmp_path_factory.mktemp("report"), hours=HOURS)
    soon = BEGIN + timedelta(hours=2)
    note(
        made.store,
        [
            Event("toy", soon, Kind.RAISED, "It is 11 <here>. Do this.", "loss of a day"),
            Event("toy", soon, Kind.RAISED, "It was 3.", "slow loop"),
            Event("toy", soon + timedelta(hours=1), Kind.CLEARED, "It is 1.", "slow loop"),
            Event("toy", soon, Kind.MARKED, "SOUTH 1 is taken out.", "SOUTH 1", "ann"),
            Event("toy", BEGIN - timedelta(hours=5), Kind.MISSED, "Of before."),
        ],
    )
    return made


@pytest.fixture(scope="module")
def job(world: World, work_in, tmp_path_factory: pytest.TempPathFactory) -> Job:
    work_in(tmp_path_factory.mktemp("work"))
    return Job(REGION, world.store, settings())


@pytest.fixture(scope="module")
def page(job: Job, world: World) -> str:
    path = report(job, BEGIN, world.now)
    assert path == job.reports / "published.html"
    return path.read_text()


def test_its_figures_are_those_of_the_scores(page: str, world: World) -> None:
    told = skill(scores(world.store, REGION, BEGIN, world.now)).filter(pl.col("series") == "ALL")
    rows = {row[0]: row[1:] for row in rows_of(page, "mean absolute error in MW")}
    for column, own in enumerate(told.iter_rows(named=True)):
        assert rows["model"][column] == power(own["mae_mw"], "MW")
        assert rows["persistence"][column] == power(own["persistence_mae_mw"], "MW") != rows["model"][column]
        assert rows["nowcasts scored"][column] == f"{own['n']:,}"
    assert len(told) == 2
    assert rows_of(page, "Every series")[0][0] == "ALL"


def test_it_tells_rungs_versions_alarms_and_events(page: str) -> None:
    assert rows_of(page, "Answers by rung") == [["all inputs", f"{2 * HOURS * 3}", "100.0 %"]]
    assert rows_of(page, "Scored publications by version") == [["1", f"{2 * HOURS}", "100.0 %"]]
    standing = rows_of(page, "Alarms that stand at")
    assert [row[0] for row in standing] == ["loss of a day"]
    assert standing[0][2] == "It is 11 &lt;here&gt;. Do this."
    raised = rows_of(page, "Alarms of the period")
    assert [(row[1], row[2]) for row in raised] == [
        ("alarm cleared", "slow loop"),
        ("alarm raised", "slow loop"),
        ("alarm raised", "loss of a day"),
    ], "the newest first"
    events = rows_of(page, "Events, the newest")
    assert [(row[1], row[3]) for row in events] == [("marked", "ann")], "an event of before is left out"
    assert "Alarms stand: loss of a day." in page
    assert "<b>60</b><span>publications</span>" in page
    assert "<b>2</b><span>alarms raised</span><small>1 stand at the end</small>" in page


def test_it_needs_no_network_and_its_links_arrive(page: str) -> None:
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    ids = set(re.findall(r'id="([\w-]+)"', page))
    assert set(re.findall(r'href="#([\w-]+)"', page)) <= ids
    assert page.count('<figure class="chart"') == 3


def test_what_was_caught_up_or_missed_is_told_and_not_scored(bundle: Bundle, tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    rows = [replace(one, is_live=n > 1) for n, one in enumerate(publications(bundle, world, 6)) if n not in (4, 5)]
    world.store.records[NOWCASTS].add(pl.concat([_rows(one) for one in rows]), now=rows[-1].published_at)
    world.now += timedelta(hours=6)
    world.fill()
    page = report(Job(REGION, world.store, settings()), BEGIN, world.now, out=tmp_path / "page.html").read_text()
    assert "<b>10</b><span>publications</span><small>2 of them caught up</small>" in page
    assert "<b>66.7 %</b><span>of intervals published in time</span><small>2 intervals without any</small>" in page
    assert rows_of(page, "Scored publications by version") == [["1", "8", "100.0 %"]]


def test_nowcasts_without_a_value_yet_have_a_page(bundle: Bundle, tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    first = publications(bundle, world, 0.5)
    world.store.records[NOWCASTS].add(_rows(first[0]), now=first[0].published_at)
    page = report(Job(REGION, world.store, settings()), BEGIN, world.now, out=tmp_path / "page.html").read_text()
    assert "No nowcast has its value yet. No alarm stands." in page
    assert "<figure" not in page


def test_a_time_without_publications_is_refused(job: Job, world: World) -> None:
    with pytest.raises(MissingDataError, match="no nowcast that was published since") as caught:
        report(job, world.now + timedelta(hours=1), world.now + timedelta(hours=2))
    assert "--since" in caught.value.remedy


def test_a_tracked_page_is_a_run_of_mlflow_with_its_figures(job: Job, world: World) -> None:
    path = report(job, BEGIN, world.now, is_tracked=True)
    run = mlflow_client.newest(job.region, "report")
    assert run is not None
    assert run.metrics["live/published"] == 2 * HOURS
    assert run.metrics["live/alarms_raised"] == 2
    own = skill(scores(world.store, REGION, BEGIN, world.now)).filter(pl.col("series") == "ALL")
    assert run.metrics["live/MAE_60min"] == pytest.approx(own.filter(pl.col("horizon_min") == 60)["mae_mw"].item())
    with TemporaryDirectory() as folder:
        kept = run.fetch("report", Path(folder))
        assert kept is not None
        assert (kept / path.name).read_text() == path.read_text()
    assert "nowcast report --region" in run.tags[mlflow_client.RUN_AGAIN]


def test_the_command_writes_the_page(world: World, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A region file of the toy region; its tables are those of the world, whose clock is years ago."""
    monkeypatch.setenv("NOWCAST_DATA", str(world.store.root))
    settings.cache_clear()
    (tmp_path / "toy.toml").write_text(REGION_FILE.format(name="toy", folder=tmp_path))
    try:
        done = CliRunner().invoke(
            app,
            [
                "report",
                "--region",
                str(tmp_path / "toy.toml"),
                "--since",
                "2024-05-01T12:00Z",
                "--out",
                str(tmp_path / "p.html"),
            ],
        )
    finally:
        settings.cache_clear()
    assert done.exit_code == 0, done.output
    assert "What was published" in (tmp_path / "p.html").read_text()
