"""nowcast canary: two live services behind a weighted proxy, as the manifests of Kubernetes share the requests."""

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from power_nowcast.errors import SourceUnavailableError, UnknownRegionError
from power_nowcast.jobs.canary import Judgement, Plan, judge
from tests.live.test_loop import REGION
from tests.serve.test_live_process import free_port
from tests.toy import toy_bundle

REPO = Path(__file__).parents[2]
OVERLAY = REPO / "deploy/kubernetes/overlays/canary"
PLAN = Plan("http://stable", "http://canary", "toy", seconds=300, every_seconds=5, patience_seconds=60)


@dataclass
class Two:
    """Two made-up services, in a time that passes by sleeping."""

    now: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    begins: dict[str, float] = field(default_factory=lambda: {"stable": 0.0, "canary": 20.0})
    """When each becomes ready."""
    fails: str = ""
    status: int = 200

    def judge(self) -> Judgement:
        transport = httpx.MockTransport(self.answer)
        with httpx.Client(transport=transport) as client:
            return judge(PLAN, client, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def answer(self, request: httpx.Request) -> httpx.Response:
        host, path = request.url.host, request.url.path
        if self.now < self.begins[host]:
            raise httpx.ConnectError("refused")
        if path == "/v1/nowcast/toy":
            self.requests[host] += 1
            return httpx.Response(self.status)
        if path == "/v1/skill/toy":
            row = {"n": 4, "mae_mw": 3.0 if host == "stable" else 3.02, "persistence_mae_mw": 6.0}
            return httpx.Response(200, json=[row, row])
        if path == "/metrics":
            return httpx.Response(200, text=self.metrics(host))
        return httpx.Response(200)

    def metrics(self, host: str) -> str:
        count, status = self.requests[host], 500 if host == self.fails else 200
        return (
            f'power_nowcast_requests_total{{method="GET",route="/v1/nowcast/{{region}}",status="{status}"}} {count}\n'
            'power_nowcast_requests_total{method="GET",route="/healthz",status="503"} 1000\n'
            f'power_nowcast_request_seconds_bucket{{route="/v1/nowcast/{{region}}",le="0.1"}} {count}\n'
            f'power_nowcast_request_seconds_bucket{{route="/v1/nowcast/{{region}}",le="5.0"}} {count}\n'
            f'power_nowcast_expires_seconds{{region="toy"}} {60 - self.now}\n'
            f"process_start_time_seconds {self.begins[host]}\n"
            'power_nowcast_model_info{region="toy",model="m",version="3",digest="0123456789abcdef"} 1\n'
        )


def test_it_waits_for_both_and_then_looks_for_the_time_of_the_plan() -> None:
    two = Two()
    found = two.judge()
    assert two.now == 320
    assert found.is_good
    assert (found.canary.requests, found.canary.ready, found.canary.fast, found.canary.failed) == (60, 1.0, 1.0, 0.0)
    assert (found.stable.skill, found.canary.skill) == (0.5, pytest.approx(0.4966, abs=1e-4))
    assert found.canary.late == pytest.approx(52 / 61)  # it expires at 60 s and is late from the next look on
    assert found.canary.model == "3 (0123456789ab)"
    assert found.canary.memory_mib is None


def test_errors_of_the_new_one_alone_are_a_reason() -> None:
    found = Two(fails="canary").judge()
    assert [one.what for one in found.findings if not one.is_kept] == ["failed answers"]


def test_a_new_one_that_never_comes_is_refused() -> None:
    found = Two(begins={"stable": 0.0, "canary": 1e9}).judge()
    assert {one.what for one in found.findings if not one.is_kept} == {"requests", "ready"}


def test_without_the_old_one_nothing_is_judged() -> None:
    with pytest.raises(SourceUnavailableError, match="http://stable is not ready"):
        Two(begins={"stable": 1e9, "canary": 0.0}).judge()


def test_another_region_is_no_verdict() -> None:
    with pytest.raises(UnknownRegionError, match="no region 'toy'"):
        Two(status=404).judge()


def weights() -> dict[str, int]:
    """The weights of the overlay: those of the last rule, which all requests but streams follow."""
    found = re.findall(r"name: ([\w-]+), port: 8000, weight: (\d+)", (OVERLAY / "weights.yaml").read_text())
    return {name: int(weight) for name, weight in found[-2:]}


@contextmanager
def service(folder: Path, *, is_damaged: bool = False, **options: object) -> Iterator[str]:
    """The address of a live service of the toy region in a process of its own."""
    bundle, port = toy_bundle(REGION, **options), free_port()  # type: ignore[arg-type]
    bundle.save(folder / "bundle")
    (folder / "digest").write_text("0" * 64 if is_damaged else bundle.digest)
    command = [sys.executable, "-m", "tests.serve.live_process", str(folder), str(port), "30", "0", "600"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=REPO, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def proxy(services: dict[str, str], counts: Counter[str]) -> Iterator[str]:
    """The address of a proxy that shares requests by the overlay's weights."""
    order = cycle([name for turn in range(100) for name, weight in weights().items() if turn * weight % 100 < weight])
    choose = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with choose:
                name = next(order)
                counts[name] += 1
            try:
                answer = httpx.get(f"{services[name]}{self.path}", timeout=10)
                status, body = answer.status_code, answer.content
            except httpx.TransportError:
                status, body = 502, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def readers(url: str, stopped: threading.Event) -> None:
    while not stopped.wait(0.02):
        httpx.get(f"{url}/v1/nowcast/toy", timeout=20)


@contextmanager
def read(url: str) -> Iterator[None]:
    """Somebody asks for the present, again and again."""
    stopped = threading.Event()
    reading = threading.Thread(target=readers, args=[url, stopped])
    reading.start()
    try:
        yield
    finally:
        stopped.set()
        reading.join()


def analysis(services: dict[str, str], *, minutes: float) -> subprocess.CompletedProcess[str]:
    """What the job of the overlay runs, with the addresses of this test and fewer minutes."""
    args = re.search(r"args: \[(.*)\]", (OVERLAY / "analysis.yaml").read_text())
    assert args is not None
    words = [word.strip().strip('"') for word in args[1].split(",")]
    words = [services.get(word.removeprefix("http://").removesuffix(":8000"), word) for word in words]
    words[words.index("--region") + 1] = "toy"
    words[words.index("--minutes") + 1] = str(minutes)
    command = [sys.executable, "-m", "power_nowcast.cli", *words, "--every", "0.3", "--patience", "0.5"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "120"}, timeout=240
    )


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., tuple[subprocess.CompletedProcess[str], Counter[str]]]:
    def run(**options: object) -> tuple[subprocess.CompletedProcess[str], Counter[str]]:
        counts: Counter[str] = Counter()
        with ExitStack() as stack:
            services = {}
            for name, own in (("power-nowcast", {}), ("power-nowcast-canary", options)):
                folder = tmp_path / name
                folder.mkdir()
                services[name] = stack.enter_context(service(folder, **own))  # type: ignore[arg-type]
            stack.enter_context(read(stack.enter_context(proxy(services, counts))))
            return analysis(services, minutes=0.3), counts

    return run


@pytest.mark.integration
def test_an_equal_version_behind_the_weights_of_the_overlay_passes(
    judged: Callable[..., tuple[subprocess.CompletedProcess[str], Counter[str]]],
) -> None:
    done, counts = judged()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The canary may replace it." in done.stdout
    assert weights() == {"power-nowcast": 90, "power-nowcast-canary": 10}
    assert counts["power-nowcast-canary"] / counts.total() == pytest.approx(0.1, abs=0.03)
    assert re.search(r"requests \W+\d[\d,]+ \W+\d+ \W+ok", done.stdout), done.stdout


@pytest.mark.integration
def test_a_version_whose_model_cannot_be_opened_is_refused(
    judged: Callable[..., tuple[subprocess.CompletedProcess[str], Counter[str]]],
) -> None:
    done, _ = judged(is_damaged=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "must not replace" in done.stdout
    for figure in ("ready", "failed answers"):
        assert re.search(rf"{figure} .* fail", done.stdout), done.stdout
