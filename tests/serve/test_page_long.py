"""The page over a long time, in a real Chromium: its memory stays."""

from typing import Any

import pytest

from tests.live.test_loop import BEGIN, HALF_HOUR
from tests.serve.test_page_browser import (  # noqa: F401 - fixtures
    MakeSite,
    chromium,
    open_page,
    site_of,
    wait_for_issue,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]

INTERVALS = 119
"""Publications: half-hours of sixty hours, which are ten hours of a region that has one every five minutes."""
WARM_UP = 12
"""The first publications fill the view of four hours and the lists."""
SPREAD = 0.10


def test_sixty_hours_of_publications_leave_its_memory(site_of: MakeSite, open_page: Any) -> None:  # noqa: F811
    site = site_of()
    site.publish()
    page = open_page(site.url)
    page.check("#courses")
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")

    def used() -> dict[str, float]:
        for _ in range(3):
            tools.send("HeapProfiler.collectGarbage")
        found = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
        return {name: found[name] for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners")}

    before: dict[str, float] = {}
    for n in range(1, INTERVALS + 1):
        site.publish(HALF_HOUR)
        wait_for_issue(page, f"{BEGIN + n * HALF_HOUR:%Y-%m-%dT%H:%M}")
        if n % 8 == 0:
            page.locator("#multiples button").nth(n // 8 % 3).click()
        if n == WARM_UP:
            page.locator("#multiples button").first.click()
            before = used()
    page.locator("#multiples button").first.click()
    after = used()
    for name, value in before.items():
        assert after[name] <= value * (1 + SPREAD), (name, before, after)
