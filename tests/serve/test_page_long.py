"""The page over a long time, in a real Chromium: its memory stays."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import test_loop
from tests.live.test_loop import BEGIN, HALF_HOUR
from tests.serve.test_page_browser import (  # noqa: F401 - fixtures
    ARGUMENTS,
    PATH,
    MakeSite,
    open_page,
    site_of,
    sync_api,
    wait_for_issue,
)
from tests.toy import toy_rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EARLY, LATE = 24, 144
"""Publications: as many as a region with one every five minutes has in 2 and in 12 hours."""
AN_HOUR = 12
SPREAD = 0.10
ONLY_DATA = "--js-flags=--no-sparkplug --no-maglev --no-turbofan"
"""The engine compiles what runs often, into the same heap, until all of it is compiled: that is no leak of the page."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if PATH is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=[*ARGUMENTS, ONLY_DATA])
        yield browser
        browser.close()


def test_twelve_hours_of_publications_leave_its_memory(
    site_of: MakeSite,  # noqa: F811
    open_page: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader who has the sample courses on looks at another series every hour."""
    monkeypatch.setattr(test_loop, "ROWS", test_loop.values(toy_rows(68)))
    site = site_of()
    site.publish()
    page = open_page(site.url)
    page.check("#courses")
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")
    series = page.locator("#multiples button")

    def held() -> dict[str, float]:
        series.first.click()
        page.wait_for_timeout(500)
        for _ in range(3):
            tools.send("HeapProfiler.collectGarbage")
        found = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
        return {name: found[name] for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners")}

    early: dict[str, float] = {}
    for n in range(1, LATE + 1):
        site.publish(HALF_HOUR)
        wait_for_issue(page, f"{BEGIN + n * HALF_HOUR:%Y-%m-%dT%H:%M}")
        if n % AN_HOUR == 0:
            series.nth(n // AN_HOUR % 3).click()
        if n == EARLY:
            early = held()
    late = held()
    assert site.loop.present is not None
    assert site.loop.present.nowcast.quality[0].value == "full", "the data have not ended"
    for name, value in early.items():
        assert late[name] <= value * (1 + SPREAD), (name, early, late)
