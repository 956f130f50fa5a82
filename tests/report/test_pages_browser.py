"""The report in a real Chromium without a network: no error, no request, every image loaded, no overflow on a phone."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.report.pages import Provenance, write_report
from power_nowcast.report.plots import Explanation

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def report(backtest: Backtest, card: Scorecard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    origin = Provenance({"Model": "power-nowcast", "Digest": "9f" * 32})
    path = tmp_path_factory.mktemp("a folder with spaces") / "report.html"
    now = datetime(2026, 1, 2, tzinfo=UTC)
    explanation = Explanation({"ramp_h60": 2.0, "level": 1.0})
    return write_report(path, backtest, card, now=now, explanation=explanation, provenance=origin)


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    if PATH is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=PATH, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_stands_alone(browser: "sync_api.Browser", report: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    page = context.new_page()
    problems: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))

    page.goto(report.as_uri())

    assert problems == []
    assert [url for url in requests if not url.startswith("data:image/png")] == [report.as_uri()]
    images = page.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    assert len(images) >= 11
    assert min(images) > 300
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(17, 22, 28)") == (scheme == "dark")
    context.close()


def test_wide_tables_can_be_reached_by_keyboard(browser: "sync_api.Browser", report: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(report.as_uri())

    wider = "[...document.querySelectorAll('.scroll, figure')].filter(e => e.scrollWidth > e.clientWidth)"
    scrolling = page.evaluate(f"{wider}.map(e => e.tabIndex)")

    assert scrolling
    assert set(scrolling) == {0}
    page.close()


def test_the_printed_report_has_every_section(browser: "sync_api.Browser", report: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    page.emulate_media(media="print")

    script = "[...document.querySelectorAll('section, table, img')].filter(e => !e.getClientRects().length).length"
    hidden = page.evaluate(script)
    data = page.pdf(path=tmp_path / "report.pdf", format="A4")

    assert hidden == 0
    assert data.startswith(b"%PDF")
    assert not page.locator("nav").is_visible()
    page.close()
