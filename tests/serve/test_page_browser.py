"""The page in a real Chromium, before a real server: it follows the stream, and cannot freeze unseen."""

import base64
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from power_nowcast.live.slot import ModelSlot
from power_nowcast.serve.page import ASSETS, HOME, read
from power_nowcast.store.events import Event, Kind, note
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION
from tests.serve.page_site import Gate, Site

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# The page paints the large picture first and makes the rest in a task after it; `#facts` belongs to that rest.
DRAWN = "Boolean(document.querySelector('#fan .measured')?.getAttribute('d') && document.querySelector('#facts time'))"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TWO_HOURS_OFF = """
  const Real = Date, now = () => Real.now() + 2 * 3600e3;
  window.Date = class extends Real { constructor(...all) { super(...(all.length ? all : [now()])); } };
  window.Date.now = now;
"""
PIXELS = """async ([one, other]) => {
  const pixels = async (text) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  };
  const [a, b] = [new Uint32Array((await pixels(one)).buffer), new Uint32Array((await pixels(other)).buffer)];
  return a.reduce((count, pixel, n) => count + (pixel !== b[n]), 0) / a.length;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator["sync_api.Browser"]:
    if PATH is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=ARGUMENTS)
        yield browser
        browser.close()


type MakeSite = Callable[..., Site]


@pytest.fixture
def site_of(slot: ModelSlot, tmp_path: Path) -> Iterator[MakeSite]:
    made: list[Site] = []

    def make(speed: float = 1.0) -> Site:
        made.append(Site(tmp_path / str(len(made)), slot, speed))
        return made[-1]

    yield make
    for site in made:
        site.end()


@pytest.fixture
def open_page(chromium: "sync_api.Browser") -> Iterator[Callable[..., "sync_api.Page"]]:
    """Opens an address and waits for the picture; every error that the page tells fails the test."""
    contexts, problems = [], list[str]()

    def go(
        url: str, *, script: str = "", is_calm: bool = True, routes: dict[str, Any] | None = None, **options: Any
    ) -> "sync_api.Page":
        context = chromium.new_context(**({"viewport": {"width": 1366, "height": 900}} | options))
        context.add_init_script(f"window.opened = {{}}; {script}")
        contexts.append(context)
        page = context.new_page()
        for address, answer in (routes or {}).items():
            page.route(address, answer)
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        if is_calm:
            page.on("console", lambda message: problems.append(message.text))
        page.goto(url)
        until(page, DRAWN)
        return page

    yield go
    for context in contexts:
        context.close()
    assert problems == []


def until(page: "sync_api.Page", script: str, seconds: float = 15) -> None:
    """Wait until a script gives true; Playwright's own way needs `eval`, which the page's policy forbids."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        try:
            if page.evaluate(script):
                return
        except sync_api.Error as error:
            if "context was destroyed" not in str(error):  # by a reload
                raise
        page.wait_for_timeout(20)
    raise AssertionError(f"{script} did not come true in {seconds} seconds")


def level(page: "sync_api.Page") -> str:
    return str(page.evaluate("document.body.dataset.level"))


def wait_for_level(page: "sync_api.Page", wanted: str, seconds: float = 15) -> None:
    until(page, f"document.body.dataset.level === '{wanted}'", seconds)


def wait_for_issue(page: "sync_api.Page", wanted: str, seconds: float = 15) -> None:
    until(page, f"document.querySelector('#facts dd:last-child time').dateTime.startsWith('{wanted}')", seconds)


def test_a_publication_is_shown_within_a_second_without_a_reload(site_of: MakeSite, open_page: Any) -> None:
    site = site_of()
    site.publish()
    page = open_page(site.url)
    assert level(page) == "normal"
    assert page.inner_text("#sentence").startswith("ALL ")
    assert page.inner_text("#sentence").endswith("data less than a minute old, all inputs good.")
    page.evaluate("window.opened.kept = true")
    seconds = []
    for n in range(1, 4):
        site.publish(HALF_HOUR)
        begun = time.monotonic()
        wait_for_issue(page, f"{BEGIN + n * HALF_HOUR:%Y-%m-%dT%H:%M}")
        seconds.append(time.monotonic() - begun)
    assert min(seconds) < 1, seconds  # one slow moment of a busy machine is no fault
    assert page.evaluate("window.opened.kept"), "the page was not reloaded"
    values = page.locator("#table tbody tr").count()
    assert values == 4 * 2 + 1 + 2


def test_the_first_picture_takes_one_look_at_the_data(site_of: MakeSite, open_page: Any) -> None:
    """The browser asks for the data before the scripts run, and the scripts take what it got."""
    site = site_of()
    site.publish()
    page = open_page(site.url)
    page.wait_for_selector("#table td", state="attached")
    asked = page.evaluate("performance.getEntriesByType('resource').map((one) => [one.name, one.startTime])")
    views = [at for name, at in asked if "/v1/view/" in name]
    (drawing,) = [at for name, at in asked if name.endswith("draw.js")]
    assert len(views) == 1
    assert views[0] <= drawing, "in the order of the first file"


def test_events_tell_the_times_of_the_region_and_utc_on_hover(site_of: MakeSite, open_page: Any) -> None:
    site = site_of()
    site.publish()
    what = "ALL: 97 MW for 2024-05-01T12:30 UTC, outside of 80 to 90 MW."
    note(site.world.store, [Event("toy", site.clock(), Kind.JUMP, what, "ALL")])
    page = open_page(site.url)
    page.wait_for_selector("#events b")
    told = page.inner_text("#events li").replace("\N{NO-BREAK SPACE}", " ")
    assert told == "Wed 1 May 08:00 EDT jump ALL: 97 MW for Wed 1 May 08:30 EDT, outside of 80 to 90 MW."
    assert page.locator("#events time").nth(1).get_attribute("title") == "2024-05-01 12:30 UTC"


def test_two_missing_intervals_turn_the_top_by_the_service_clock(site_of: MakeSite, open_page: Any) -> None:
    site = site_of(speed=600)  # an interval takes three seconds
    site.publish()
    page = open_page(site.url)
    site.publish()
    assert site.loop.present is not None
    issue = site.loop.present.issue_time
    wait_for_issue(page, f"{issue:%Y-%m-%dT%H:%M}")
    wait_for_level(page, "normal")
    before = page.screenshot()
    wait_for_level(page, "warning")
    assert "is late" in page.inner_text("#sentence")
    wait_for_level(page, "alarm")
    turned = (site.clock() - site.loop.present.expires_at - HALF_HOUR).total_seconds() / site.clock.speed
    assert -0.2 < turned < 1
    told = page.inner_text("#sentence")
    assert told.startswith(f"No nowcast for two intervals: the newest is of {issue.astimezone(REGION.tz):%H:%M}")
    assert "Alarm" in page.inner_text("#word")
    assert "Alarm" in page.title()
    assert share_that_differs(page, before, page.screenshot()) >= 0.2
    time.sleep(1)
    assert level(page) == "alarm", "it stays"
    site.publish()
    wait_for_level(page, "normal")


def share_that_differs(page: "sync_api.Page", *pictures: bytes) -> float:
    """The share of pixels that differ between two screenshots; the browser counts them."""
    blank = page.context.new_page()
    found = blank.evaluate(PIXELS, [base64.b64encode(one).decode() for one in pictures])
    blank.close()
    return float(found)


def test_it_recovers_from_the_error_page_of_a_proxy(site_of: MakeSite, open_page: Any) -> None:
    site = site_of()
    site.publish()
    gate = Gate(site.port)
    page = open_page(f"http://127.0.0.1:{gate.server_port}/", is_calm=False)
    gate.down = True
    page.wait_for_selector("#connection:not([hidden])")
    assert page.inner_text("#connection").startswith("No connection to the service")
    assert level(page) == "warning"
    site.publish(HALF_HOUR)
    gate.down = False
    wait_for_issue(page, "2024-05-01T12:30")
    wait_for_level(page, "normal")
    assert page.locator("#connection").is_hidden()
    site.publish(HALF_HOUR)
    wait_for_issue(page, "2024-05-01T13:00", 2)
    gate.shutdown()
    gate.server_close()


def test_a_restart_with_a_newer_page_opens_it(
    site_of: MakeSite, open_page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of()
    site.publish()
    page = open_page(site.url, is_calm=False)
    page.evaluate("window.opened.before = true")
    newer = shutil.copytree(HOME, tmp_path / "newer")
    (newer / "page.css").write_text((HOME / "page.css").read_text() + "h1 { letter-spacing: 3px; }")
    files, version = read(newer)
    for name, asset in files.items():
        monkeypatch.setitem(ASSETS, name, asset)
    monkeypatch.setattr("power_nowcast.serve.service.VERSION", version)
    site.again()
    until(page, "getComputedStyle(document.querySelector('h1')).letterSpacing === '3px'")
    until(page, DRAWN)
    assert not page.evaluate("window.opened.before ?? false")
    assert page.get_attribute("meta[name=page-version]", "content") == version
    page.evaluate("window.opened.after = true")
    site.publish(HALF_HOUR)
    wait_for_issue(page, "2024-05-01T12:30")
    assert page.evaluate("window.opened.after"), "it opens itself once"


def test_the_browser_clock_changes_no_age(site_of: MakeSite, open_page: Any) -> None:
    site = site_of()
    site.publish()
    site.clock.start += timedelta(minutes=7)
    pages = [open_page(site.url), open_page(site.url, script=TWO_HOURS_OFF)]
    off = [page.evaluate("Date.now()") for page in pages]
    assert off[1] - off[0] > 7_000_000, "the clock is off"
    told = [(page.inner_text("#sentence"), page.inner_text("#facts"), page.inner_text("#clock")) for page in pages]
    assert told[0] == told[1]
    assert "data 7 minutes old" in told[0][0]


def test_what_wakes_from_sleep_asks_for_the_present(site_of: MakeSite, open_page: Any) -> None:
    site = site_of()
    site.publish()
    page = open_page(site.url)
    with page.expect_request("**/v1/view/toy*"), page.expect_request("**/v1/stream/toy"):
        page.evaluate("document.dispatchEvent(new Event('resume'))")
    wait_for_level(page, "normal")


def test_every_value_is_reached_by_keyboard_alone(site_of: MakeSite, open_page: Any) -> None:
    site = site_of()
    site.publish()
    page = open_page(site.url)
    times = page.evaluate("fetch('v1/view/toy?hours=4').then((r) => r.json()).then((v) => v.times)")

    def tab_to(wanted: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches('{wanted}')"):
                return
        raise AssertionError(f"{wanted} is not reached by the tabulator")

    tab_to("#moment")
    page.keyboard.press("Home")
    moments = []
    for _ in times:
        moments.append(page.inner_text("#readout h3"))
        page.keyboard.press("ArrowRight")
    assert len(set(moments)) == len(times)
    tab_to("#multiples button:nth-child(2)")
    page.keyboard.press("Enter")
    assert page.inner_text("#series-title") == "N.E., MW"
    assert page.inner_text("#values-note").startswith("N.E., MW")
    tab_to("#events")
    tab_to("#table")
    filled = page.locator("#table tbody td").all_inner_texts()
    assert len([text for text in filled if re.search(r"\d", text)]) == len(times) - 2 + 2 * 7, (
        "measured values, and seven levels for each of two steps"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1366, 3840])
def test_axe_finds_nothing(site_of: MakeSite, open_page: Any, scheme: str, width: int) -> None:
    site = site_of()
    for n in range(3):
        site.publish(HALF_HOUR if n else timedelta(0))
    page = open_page(site.url, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page.wait_for_selector("#skill td")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for told in ("normal", "warning", "alarm"):
        # The page sets the level twice a second; a name of its own keeps this one.
        page.evaluate(f"document.body.setAttribute('data-level', '{told}')")
        found = Axe().run(page).response
        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        assert len(found["passes"]) > 20


@pytest.mark.parametrize(
    ("night", "clock", "ticks", "rows"),
    [
        (
            datetime(2024, 11, 3, 6, 30, tzinfo=BEGIN.tzinfo),
            "Sun 3 Nov 01:30 EST",
            ("01:00 EDT", "01:00 EST"),
            ["02:30 EST", "02:00 EST", "01:30 EST", "01:00 EST", "01:30 EDT", "01:00 EDT"],
        ),
        (
            datetime(2024, 3, 10, 6, 30, tzinfo=BEGIN.tzinfo),
            "Sun 10 Mar 01:30 EST",
            ("01:00 EST", "03:00 EDT"),
            ["03:30 EDT", "03:00 EDT", "01:30 EST", "01:00 EST", "00:30 EST", "00:00 EST"],
        ),
    ],
    ids=["back", "forward"],
)
def test_a_night_on_which_the_clock_changes(
    site_of: MakeSite, open_page: Any, night: datetime, clock: str, ticks: tuple[str, str], rows: list[str]
) -> None:
    site = site_of()
    site.publish()
    shift = night - BEGIN

    def moved(text: str) -> str:
        times = re.compile(r"2024-0\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
        return times.sub(lambda one: f"{datetime.fromisoformat(one[0]) + shift:%Y-%m-%dT%H:%M:%SZ}", text)

    def answer(route: Any) -> None:
        route.fulfill(status=200, content_type="application/json", body=moved(route.fetch().text()))

    page = open_page(site.url, routes={"**/v1/view/toy*": answer})
    assert clock in page.inner_text("#clock")
    told = page.locator("#fan text").all_text_contents()
    assert told.index(ticks[0]) + 1 == told.index(ticks[1])
    found = page.locator("#table tbody th").all_inner_texts()
    assert len(set(found)) == len(found)
    assert found[:6] == rows
    assert (
        page.locator("#table tbody time").first.get_attribute("title") == f"{night + HALF_HOUR * 2:%Y-%m-%d %H:%M} UTC"
    )
    page.focus("#moment")
    page.keyboard.press("Home")
    moments = []
    for _ in found:
        moments.append(page.inner_text("#readout h3"))
        page.keyboard.press("ArrowRight")
    assert [one.rpartition(" Nov " if night.month > 6 else " Mar ")[2] for one in moments] == found[::-1]
