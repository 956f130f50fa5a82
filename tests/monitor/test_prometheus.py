"""Alert rules and dashboard as code: tested by promtool, and asked of a real Prometheus that reads a real service."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from power_nowcast.monitor.numbers import Number
from tests.live.test_loop import REGION
from tests.toy import toy_bundle

REPO = Path(__file__).parents[2]
MONITORING = REPO / "deploy" / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
QUERIES = [(panel["title"], one["expr"]) for panel in DASHBOARD["panels"] for one in panel["targets"]]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip("Prometheus is not installed: apt-get install prometheus")
    return found


def test_the_alert_rules_hold_their_own_tests() -> None:
    done = subprocess.run(
        [program("promtool"), "test", "rules", MONITORING / "alerts_test.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_every_alert_rule_is_tested() -> None:
    rules, tests = ((MONITORING / name).read_text() for name in ("alerts.yml", "alerts_test.yml"))
    named = set(re.findall(r"- alert: (\w+)", rules))
    assert len(named) >= 6
    assert named == set(re.findall(r"alertname: (\w+)", tests))


def test_the_configuration_is_whole() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "config", MONITORING / "prometheus.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_shows_each_of_the_nine_numbers() -> None:
    asked = {name for _, query in QUERIES for name in re.findall(r'number="(\w+)"', query)}
    others = {"age"}  # the newest age of each source is a metric of its own, told at every moment
    assert asked | others == {number.value for number in Number}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["source", "region"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: list[str], log: Path, is_up: Callable[[], bool], seconds: float) -> Iterator[None]:
    """A process until the block ends, from when it is up."""
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=REPO, stdout=file, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + seconds
            while not is_up():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
            yield
        finally:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that reads a live service every second, with the rules of this project."""
    command, folder = program("prometheus"), tmp_path_factory.mktemp("watched")
    bundle, own, port = toy_bundle(REGION), free_port(), free_port()
    bundle.save(folder / "bundle")
    (folder / "digest").write_text(bundle.digest)
    shutil.copy(MONITORING / "alerts.yml", folder)
    config = (MONITORING / "prometheus.yml").read_text()
    config = config.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("15s", "1s")
    (folder / "prometheus.yml").write_text(config)
    service = [sys.executable, "-m", "tests.monitor.watched_process", str(folder), str(port)]
    collected = [
        command,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{own}",
    ]
    with (
        running(service, folder / "service.log", lambda: answers(f"http://127.0.0.1:{port}/v1/nowcast/toy"), 240),
        running(collected, folder / "prometheus.log", lambda: answers(f"http://127.0.0.1:{own}/-/ready"), 60),
    ):
        yield f"http://127.0.0.1:{own}"


def ask(prometheus: str, query: str) -> list[dict[str, object]]:
    told = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=10).json()
    assert told["status"] == "success", (query, told)
    found: list[dict[str, object]] = told["data"]["result"]
    return found


@pytest.mark.integration
def test_prometheus_answers_every_query_of_the_dashboard(prometheus: str) -> None:
    """Rates need a second scrape, and the watch its first look: all within a minute."""
    missing, until = [query.replace("$region", "toy") for _, query in QUERIES], time.monotonic() + 60
    while missing and time.monotonic() < until:
        missing = [query for query in missing if not ask(prometheus, query)]
        time.sleep(0.5)
    assert missing == []
    week = ask(prometheus, 'power_nowcast_watch{number="coverage",minutes="10080"}')
    assert {one["metric"]["about"] for one in week} == set(REGION.series)  # type: ignore[index]


@pytest.mark.integration
def test_prometheus_runs_every_rule_on_the_real_service(prometheus: str) -> None:
    until = time.monotonic() + 30
    while True:
        told = httpx.get(f"{prometheus}/api/v1/rules", timeout=10).json()["data"]["groups"]
        rules = [one for group in told for one in group["rules"]]
        if rules and all(one["health"] == "ok" for one in rules):
            break
        assert time.monotonic() < until, rules
        time.sleep(0.5)
    assert {one["name"] for one in rules} == set(re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text()))
    firing = {one["name"] for one in rules if one["state"] == "firing"}
    assert not firing & {"NowcastServiceDown", "NowcastLate", "NowcastCriticalAlarm", "NowcastErrors"}
