"""What the pictures of the page show, in a real Chromium: moments, sample courses, one cursor, and grey."""

import base64
from typing import Any

import pytest

from tests.live.test_loop import BEGIN, HALF_HOUR
from tests.serve.test_page_browser import (  # noqa: F401 - fixtures
    MakeSite,
    chromium,
    open_page,
    site_of,
    until,
    wait_for_issue,
    wait_for_level,
)

pytestmark = pytest.mark.browser

COLOURED = """async (text) => {
  const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  let count = 0;
  for (let n = 0; n < data.length; n += 4) {
    const parts = [data[n], data[n + 1], data[n + 2]];
    count += Math.max(...parts) - Math.min(...parts) > 48;
  }
  return count / (data.length / 4);
}"""
"""The share of pixels whose strongest and weakest colours lie further apart than in the page's greys."""


PLACE = "(one) => (one.getBBox().x - 1) / one.ownerSVGElement.viewBox.baseVal.width"
RIGHT = "(one) => { const box = one.getBBox(); return box.x + box.width; }"


def coloured(page: Any) -> float:
    blank = page.context.new_page()
    share = float(blank.evaluate(COLOURED, base64.b64encode(page.screenshot()).decode()))
    blank.close()
    return share


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_grey_until_something_is_wrong(site_of: MakeSite, open_page: Any, scheme: str) -> None:  # noqa: F811
    site = site_of(speed=600)  # an interval takes three seconds
    site.publish()
    page = open_page(site.url, color_scheme=scheme)
    site.publish()
    wait_for_level(page, "normal")
    page.mouse.move(600, 400)
    assert coloured(page) == 0
    wait_for_level(page, "warning")
    assert coloured(page) > 0.02
    wait_for_level(page, "alarm")
    assert coloured(page) > 0.02


def test_every_moment_says_what_was_said_before_and_how_far_it_moved(
    site_of: MakeSite,  # noqa: F811
    open_page: Any,  # noqa: F811
) -> None:
    site = site_of()
    site.publish()
    for _ in range(3):
        site.publish(HALF_HOUR)
    page = open_page(site.url)
    wait_for_issue(page, f"{BEGIN + 3 * HALF_HOUR:%Y-%m-%dT%H:%M}")
    view = page.evaluate("fetch('v1/view/toy?hours=4').then((answer) => answer.json())")
    series, place = view["series"][0], len(view["times"]) - 3  # the newest measured value
    page.focus("#moment")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    told = dict(zip(*(page.locator(f"#readout {part}").all_inner_texts() for part in ("dt", "dd")), strict=True))
    digits = series["digits"]
    assert told["measured"].startswith(f"{series['measured'][place]:,.{digits}f}")
    for minutes, values in series["said"].items():
        moved = series["measured"][place] - values[place]
        words = f"{abs(moved):,.{digits}f} {'higher' if moved > 0 else 'lower'}"
        assert told[f"said {minutes} minutes before"] == f"{values[place]:,.{digits}f} (came {words})"
    assert len(series["said"]) == 2, "the toy region has two steps"


def test_sample_courses_are_drawn_on_demand(site_of: MakeSite, open_page: Any) -> None:  # noqa: F811
    site = site_of()
    site.publish()
    page = open_page(site.url)
    assert page.locator("#fan .course").count() == 0
    page.check("#courses")
    until(page, "document.querySelectorAll('#fan .course').length === 20")
    assert len({one.get_attribute("d") for one in page.locator("#fan .course").all()}) == 20
    page.uncheck("#courses")
    until(page, "document.querySelectorAll('#fan .course').length === 0")


def test_all_pictures_have_one_cursor(site_of: MakeSite, open_page: Any) -> None:  # noqa: F811
    site = site_of()
    site.publish()
    page = open_page(site.url)
    page.wait_for_selector("#multiples button:nth-child(3) .cursor", state="attached")
    page.focus("#moment")
    page.keyboard.press("Home")
    places = f"[...document.querySelectorAll('.cursor')].map({PLACE})"
    assert page.locator("#multiples button").count() == 3
    assert len(page.evaluate(places)) == 4
    assert max(page.evaluate(places)[1:]) < 0.01
    last = page.locator("#multiples svg").last
    last.scroll_into_view_if_needed()
    box = last.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    assert min(page.evaluate(places)[1:]) > 0.9
    assert page.evaluate(places)[0] > 0.8


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_without_scripts_holds_its_words(site_of: MakeSite, open_page: Any, scheme: str) -> None:  # noqa: F811
    site = site_of()
    site.publish()
    page = open_page(site.url, color_scheme=scheme)
    page.goto(f"{site.url}v1/nowcast/toy.svg")
    ends = page.evaluate(f"[...document.querySelectorAll('text')].map({RIGHT})")
    assert len(ends) > 10
    assert max(ends) <= 960
