"""The page of a region with load and generation, in a real Chromium: one stands beside the other, on one cursor."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import Region
from tests.live import test_loop
from tests.live.test_loop import HALF_HOUR
from tests.serve import page_site
from tests.serve.page_site import Site
from tests.serve.test_page_browser import MakeSite, chromium, open_page, site_of, until  # noqa: F401 - fixtures
from tests.toy import toy_bundle, toy_region

pytestmark = pytest.mark.browser

WIND, LOAD = "SOUTH 1", "N.E."


def mixed() -> Region:
    """The toy region without a total; one of its zones is wind, and comes before the load."""
    told = toy_region().model_dump(exclude={"total"})
    load, wind = told["zones"]
    return Region.model_validate(told | {"zones": [wind | {"kind": "wind"}, load]})


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> ModelSlot:
    region, folder = mixed(), tmp_path_factory.mktemp("mixed")
    bundle = toy_bundle(region)
    bundle.save(folder / "bundle")
    slot = ModelSlot(region, lambda: Fetched(folder / "bundle", "7", bundle.digest), folder / "cache")
    slot.load()
    return slot


@pytest.fixture
def site(bundled: ModelSlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for module in (test_loop, page_site):
        monkeypatch.setattr(module, "REGION", mixed())
    made = Site(tmp_path, bundled)
    for n in range(3):
        made.publish(HALF_HOUR if n else 0 * HALF_HOUR)
    yield made
    made.end()


def pictures(page: Any) -> tuple[str, str]:
    """What the large picture and the one beside it show."""
    return page.inner_text("#series-title"), page.inner_text("#beside-title")


def test_generation_stands_beside_load(site: Site, open_page: Any) -> None:  # noqa: F811
    page = open_page(site.url)
    page.wait_for_selector("#multiples button:last-child svg path", state="attached")
    assert pictures(page) == (f"{WIND}, MW", f"{LOAD}, MW"), "the first series is large, and it is wind"
    assert page.locator("#multiples > *").all_inner_texts()[::2] == ["Load", "Generation"]
    page.click("#multiples button:nth-of-type(1)")
    assert pictures(page) == (f"{LOAD}, MW", f"{WIND}, MW")
    assert page.locator("#beside .band").count() == 3
    lines = page.locator("#fan .measured, #beside .measured")
    assert len({one.get_attribute("d") for one in lines.all()}) == 2


def test_both_tell_the_moment_of_one_cursor(site: Site, open_page: Any) -> None:  # noqa: F811
    page = open_page(site.url)
    page.click("#multiples button:nth-of-type(1)")
    view = page.evaluate("fetch('v1/view/toy?hours=4').then((answer) => answer.json())")
    assert [one["kind"] for one in view["series"]] == ["wind", "load"]
    box = page.locator("#beside").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    cursors = [page.get_attribute(f"{one} .cursor", "d").split("V")[0] for one in ("#fan", "#beside")]
    assert cursors[0].split()[0] == cursors[1].split()[0], "one above the other"
    place = int(page.input_value("#moment"))
    told = dict(zip(*(page.locator(f"#readout {part}").all_inner_texts() for part in ("dt", "dd")), strict=True))
    for name, label in ((LOAD, "measured"), (WIND, f"{WIND}: measured")):
        (series,) = [one for one in view["series"] if one["series"] == name]
        assert told[label] == f"{series['measured'][place]:,.{series['digits']}f} MW"
    page.focus("#moment")
    page.keyboard.press("End")
    assert f"{WIND}: 8 of 10 times within" in page.locator("#readout dt").all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1366])
def test_axe_finds_nothing(site: Site, open_page: Any, scheme: str, width: int) -> None:  # noqa: F811
    page = open_page(site.url, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    until(page, "Boolean(document.querySelector('#beside .measured')?.getAttribute('d'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found["violations"]] == []


def test_a_region_of_one_kind_has_nothing_beside(site_of: MakeSite, open_page: Any) -> None:  # noqa: F811
    whole = site_of()
    whole.publish()
    page = open_page(whole.url)
    page.wait_for_selector("#multiples button:nth-child(3) .cursor", state="attached")
    assert page.locator("#beside, #beside-title").evaluate_all(
        "(all) => all.map((one) => one.getClientRects().length)"
    ) == [0, 0]
    assert page.locator("#multiples h3").count() == 0
