#!/usr/bin/env python3
"""The page of the live service of New York in Chromium: its first picture, its cost at rest, its memory over 12 hours.

It ingests the embedded sample, trains a small LightGBM (or takes `--bundle FOLDER`), and runs the service in a process
of its own. Figures, by `--part`:

- first: `first_picture_s`: from the start of the navigation until the fan is painted, with an empty cache, while the
  service is idle; the median of five. `first_answer_s` is when the page's data have come, `first_words_s` when the
  first text is painted.
- rest: `rest_share`: share of a core that the page's process takes in a minute without a publication.
- memory: `memory_ratio`: the page's memory (JavaScript's heap, after a garbage collection) at hour 12 of a replay, as a
  ratio to that at hour 2. `nodes_ratio` and `listeners_ratio` count what belongs to the document in the same way.
  A reader looks at another series every hour, and has the sample courses on. The list of events is full from the begin,
  as on any other day, and the engine compiles nothing: compiled code is no data of the page.
"""

import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
from bars import of_the_service
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from served import HOST, Sample, running
from serving import PRESENT, Following, processor_seconds, sample, serving, train

from power_nowcast.store.events import Event, Kind, note

AT_MOST = {
    "first": {"first_picture_s": 1.0},
    "rest": {"rest_share": 0.02},
    "memory": {"memory_ratio": 1.1, "nodes_ratio": 1.1, "listeners_ratio": 1.1},
}
OPENINGS, REST_SECONDS = 5, 60.0
AN_HOUR, EARLY, LATE = 12, 2 * 12, 12 * 12
"""Publications: of an hour, of the two hours that fill the view, of the whole replay."""
ONLY_DATA = "--js-flags=--no-sparkplug --no-maglev --no-turbofan"
"""The engine compiles what runs often, into the same heap, until all of it is compiled."""
EVENTS = 60
"""The page lists so many events of the last 24 hours."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
MARK_PAINTED = """
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (one.identifier === 'fan') window.painted = one.renderTime;
  }).observe({ type: 'element', buffered: true });
  new MutationObserver((_, observer) => {
    if (!document.querySelector('#fan .measured')?.getAttribute('d')) return;
    observer.disconnect();
    // This word is painted in the same frame as the fan; the browser tells when that was.
    const word = Object.assign(document.createElement('p'), { textContent: 'fan' });
    word.setAttribute('elementtiming', 'fan');
    word.style.cssText = 'position: fixed; left: 0; top: 0; margin: 0';
    document.body.append(word);
  }).observe(document, { childList: true, subtree: true });
"""
TOLD = """() => {
  const came = (part) => performance.getEntriesByType('resource').find((one) => one.name.includes(part))?.responseEnd;
  return {
    first_words_s: performance.getEntriesByName('first-contentful-paint')[0]?.startTime / 1000,
    first_answer_s: came('v1/view') / 1000,
    first_picture_s: window.painted / 1000,
  };
}"""
ASKED = "performance.getEntriesByType('resource').some((one) => one.name.includes('v1/events'))"
"""The history of the model is the last thing that the page asks for."""
COUNTED = {"memory": "JSHeapUsedSize", "nodes": "Nodes", "listeners": "JSEventListeners"}


def main() -> int:
    return of_the_service(__doc__, measure, AT_MOST)


def measure(folder: Path, bundle: Path | None, parts: list[str]) -> dict[str, float]:
    """The figures, with everything in an empty folder."""
    given, figures = sample(folder, LATE + 8), dict[str, float]()
    if bundle is None:
        bundle = folder / "bundle"
        train(given)[0].save(bundle)
    with serving(running, folder, bundle, given.begin, path="/healthz") as (_, port):
        following = Following(folder)
        following.step()
        _published(port)
        url = f"http://{HOST}:{port}/"
        with _browser() as browser:
            if "first" in parts:
                rounds = [_first(browser, url) for _ in range(OPENINGS + 1)][1:]
                figures |= {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
                figures["first_picture_max_s"] = max(one["first_picture_s"] for one in rounds)
            if "rest" in parts:
                figures |= _rest(browser, url)
        if "memory" in parts:
            note(given.started, _happened(given))
            with _browser(ONLY_DATA) as browser:
                figures |= _memory(browser, url, following)
    return figures


def _happened(given: Sample) -> list[Event]:
    """As many events as the page lists, in the twelve hours before the begin: at the end none is older than a day."""
    names, apart = given.region.series, timedelta(hours=12) / EVENTS
    return [
        Event(
            given.region.name,
            given.begin - n * apart,
            Kind.JUMP,
            f"{names[n % len(names)]}: a value lies outside of what was said for it.",
            names[n % len(names)],
        )
        for n in range(1, EVENTS + 1)
    ]


def _published(port: int, seconds: float = 120.0) -> None:
    """Wait for the first publication.

    Raises:
        TimeoutError: none comes.
    """
    last = time.monotonic() + seconds
    while httpx.get(f"http://{HOST}:{port}{PRESENT}").status_code != HTTPStatus.OK:
        if time.monotonic() > last:
            raise TimeoutError(PRESENT)
        time.sleep(0.1)


@contextmanager
def _browser(*more: str) -> Iterator[Browser]:
    """A browser; `more` are further arguments of its command."""
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        raise SystemExit(f"This benchmark needs a browser: one of {', '.join(CHROMIUM)}.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *more])
        yield browser
        browser.close()


@contextmanager
def _opened(browser: Browser, url: str) -> Iterator[Page]:
    """The page in a context of its own, with nothing in its cache, once all that it asks for at first has come."""
    context = browser.new_context(viewport={"width": 1920, "height": 1080})
    context.add_init_script(MARK_PAINTED)
    page = context.new_page()
    page.goto(url)
    _until(page, f"window.painted > 0 && {ASKED}")
    page.wait_for_timeout(2000)
    yield page
    context.close()


def _until(page: Page, script: str, seconds: float = 60.0) -> None:
    """Wait until a script gives true; Playwright's own way needs `eval`, which the page's policy forbids."""
    last = time.monotonic() + seconds
    while not page.evaluate(script):
        if time.monotonic() > last:
            raise TimeoutError(script)
        page.wait_for_timeout(50)


def _first(browser: Browser, url: str) -> dict[str, float]:
    """Seconds since the start of the navigation."""
    with _opened(browser, url) as page:
        return dict(page.evaluate(TOLD))


def _rest(browser: Browser, url: str) -> dict[str, float]:
    """Shares of a core of the page's process, and of the whole browser."""
    tools = browser.new_browser_cdp_session()
    others = {one["id"] for one in _processes(tools) if one["type"] == "renderer"}
    with _opened(browser, url):
        processes = _processes(tools)
        pids = [one["id"] for one in processes if one["type"] == "renderer" and one["id"] not in others]
        before = [sum(map(processor_seconds, pids)), sum(processor_seconds(one["id"]) for one in processes)]
        begun = time.monotonic()
        time.sleep(REST_SECONDS)
        seconds = time.monotonic() - begun
        after = [sum(map(processor_seconds, pids)), sum(processor_seconds(one["id"]) for one in processes)]
    if not pids:
        raise RuntimeError("The browser has no process for the page.")
    page, whole = ((end - start) / seconds for start, end in zip(before, after, strict=True))
    return {"rest_share": page, "rest_browser_share": whole}


def _processes(tools: CDPSession) -> list[dict[str, int | str]]:
    return list(tools.send("SystemInfo.getProcessInfo")["processInfo"])


def _memory(browser: Browser, url: str, following: Following) -> dict[str, float]:
    """What the page holds at hour 12, beside what it held at hour 2."""
    found = dict[int, dict[str, float]]()
    with _opened(browser, url) as page:
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable")
        page.check("#courses")
        series = page.locator("#multiples button")
        issued = "document.querySelector('#facts dd:last-child time').dateTime"
        for n in range(1, LATE + 1):
            before = page.evaluate(issued)
            following.step()
            _until(page, f"{issued} !== '{before}'")
            if n % AN_HOUR == 0:
                series.nth(n // AN_HOUR % series.count()).click()
            if n in (EARLY, LATE):
                series.first.click()
                page.wait_for_timeout(1000)
                found[n] = _counted(tools)
    early, late = found[EARLY], found[LATE]
    figures = {f"{name}_ratio": late[name] / early[name] for name in COUNTED}
    return figures | {"memory_early_mib": early["memory"] / 2**20, "memory_late_mib": late["memory"] / 2**20}


def _counted(tools: CDPSession) -> dict[str, float]:
    for _ in range(3):
        tools.send("HeapProfiler.collectGarbage")
    told = {one["name"]: float(one["value"]) for one in tools.send("Performance.getMetrics")["metrics"]}
    return {name: told[metric] for name, metric in COUNTED.items()}


if __name__ == "__main__":
    sys.exit(main())
