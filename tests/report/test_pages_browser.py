"""The report in a real Chromium without a network: no error, no request, no overflow on a phone, hover and zoom."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
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
    assert len(images) == 1
    assert min(images) > 300
    drawn = "[...document.querySelectorAll('details[open] .plot svg')].map(e => e.getBoundingClientRect().width)"
    widths = page.evaluate(drawn)
    assert len(widths) == 16
    assert 200 < min(widths) <= max(widths) < width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(17, 22, 28)") == (scheme == "dark")
    context.close()


def test_wide_tables_can_be_reached_by_keyboard(browser: "sync_api.Browser", report: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(report.as_uri())

    wider = "[...document.querySelectorAll('.scroll, figure:not(.chart)')].filter(e => e.scrollWidth > e.clientWidth)"
    scrolling = page.evaluate(f"{wider}.map(e => e.tabIndex)")

    assert scrolling
    assert set(scrolling) == {0}
    page.close()


def test_the_printed_report_has_every_section(browser: "sync_api.Browser", report: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    page.emulate_media(media="print")

    shown = "document.querySelectorAll('details[open] :is(section, table, svg), main > section, main > section img')"
    hidden = page.evaluate(f"[...{shown}].filter(e => !e.getClientRects().length).length")
    data = page.pdf(path=tmp_path / "report.pdf", format="A4")

    assert hidden == 0
    assert data.startswith(b"%PDF")
    assert not page.locator("nav").is_visible()
    page.close()


@pytest.fixture
def page(browser: "sync_api.Browser", report: Path) -> Iterator["sync_api.Page"]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.goto(report.as_uri())
    yield opened
    opened.close()


def _point(page: "sync_api.Page", chart: "sync_api.Locator", share: float) -> None:
    """Move the pointer over a chart, to a share of its width."""
    chart.scroll_into_view_if_needed()
    chart.locator(".tip").wait_for(state="attached")
    box = chart.locator("svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=3)


def test_hover_tells_the_figures_of_the_table(page: "sync_api.Page", card: Scorecard) -> None:
    _point(page, chart := page.locator("#where figure.chart").first, 7.5 / 24)

    chosen = (pl.col("series") == "NYCA") & (pl.col("by") == "hour") & (pl.col("place") == 7)
    row = card.slices.filter(chosen & (pl.col("horizon_min") == 60)).row(0, named=True)
    share, low, high = (f"{100 * row[f'coverage_80{end}']:.1f} %" for end in ("", "_low", "_high"))
    told = chart.locator(".tip").inner_text().split("\n")
    assert told[0] == "07:00 to 07:59"
    assert told[2] == f"60 min: {share} ({low} to {high})"


def test_drawing_zooms_and_a_button_shows_all_again(page: "sync_api.Page", backtest: Backtest) -> None:
    _point(page, chart := page.locator("#look figure.chart").first, 0.25)
    whole = chart.locator("svg").get_attribute("viewBox")
    page.mouse.down()
    _point(page, chart, 0.5)
    page.mouse.up()

    left, _, width, _ = (float(part) for part in (chart.locator("svg").get_attribute("viewBox") or "").split())
    minutes = float((whole or "").split()[2])
    assert (left, width) == (pytest.approx(minutes / 4, rel=0.02), pytest.approx(minutes / 4, rel=0.02))
    _point(page, chart, 0.5)
    assert "nowcast: " in chart.locator(".tip").inner_text()

    chart.locator("button").click()
    assert chart.locator("svg").get_attribute("viewBox") == whole


def test_the_keyboard_moves_over_a_chart(page: "sync_api.Page") -> None:
    chart = page.locator("#accuracy figure.chart").first
    chart.scroll_into_view_if_needed()
    chart.locator(".tip").wait_for(state="attached")
    chart.locator(".plot").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")

    assert chart.locator(".tip").inner_text().startswith("30 min")


def test_a_choice_shows_one_series_with_its_links(page: "sync_api.Page") -> None:
    assert page.locator("details.series:visible").count() == 1

    page.get_by_role("combobox", name="Series").select_option("NORTH")

    assert page.locator("details.series:visible .lead").inner_text().startswith("On average the nowcast of NORTH")
    page.get_by_role("link", name="Where the bands hold").click()
    assert page.url.endswith("#where-2")


def test_without_scripts_every_series_can_be_opened(browser: "sync_api.Browser", report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())

    assert page.locator("details.series summary:visible").all_inner_texts() == ["NYCA", "NORTH"]
    assert not page.get_by_role("combobox", name="Series").is_visible()
    page.locator("summary").last.click()
    assert page.locator("#where-2 svg").first.is_visible()
    context.close()
