"""What an administrator does on the page, in a real Chromium: sign in, attend to alarms, mark, adjust, promote."""

import sys
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from power_nowcast.live.changes import Changes
from power_nowcast.live.interventions import interventions
from power_nowcast.monitor.alarms import alarms
from power_nowcast.store.events import Event, Kind, note
from power_nowcast.store.keys import Scope, make, revoke
from tests.live.test_loop import BEGIN, HALF_HOUR
from tests.serve.page_site import Site
from tests.serve.test_page_browser import MakeSite, chromium, open_page, site_of, until  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser


class Desk:
    """A page that an administrator may open."""

    def __init__(self, site: Site, page: Any) -> None:
        self.site, self.page = site, page
        self.key = make(site.world.store, "ada", Scope.ADMIN, now=BEGIN)
        site.app.state.keys.refresh()  # the service looks for new keys every half second

    def tab_to(self, wanted: str) -> None:
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(f"document.activeElement.matches('{wanted}')"):
                return
        raise AssertionError(f"{wanted} is not reached by the tabulator")

    def sign_in(self, key: str) -> None:
        self.tab_to("#sign")
        self.page.keyboard.press("Enter")
        until(self.page, "document.activeElement.name === 'key'")
        self.page.keyboard.type(key)
        self.page.keyboard.press("Enter")

    def agree(self) -> None:
        until(self.page, "document.querySelector('#ask').open")
        self.tab_to("#ask-yes")
        self.page.keyboard.press("Enter")
        until(self.page, "!document.querySelector('#ask').open")

    def decided(self) -> list[str]:
        found = self.page.locator("#decided li").all_inner_texts()
        return [str(one) for one in found]


@pytest.fixture
def desk(site_of: MakeSite, open_page: Any) -> Desk:  # noqa: F811
    site = site_of()
    site.publish()
    return Desk(site, open_page(site.url, is_calm=False))


def test_marking_and_adjusting_by_keyboard_alone(desk: Desk) -> None:
    page = desk.page
    assert page.locator("#people").is_hidden()
    desk.sign_in("nowcast_wrong")
    until(page, "document.querySelector('#sign-trouble').textContent.startsWith('This key is not known')")
    page.keyboard.press("Escape")
    desk.sign_in(desk.key)
    until(page, "!document.querySelector('#acts').hidden")
    assert page.inner_text("#sign") == "Sign out (ada)"
    desk.tab_to("#acts details:first-of-type summary")
    page.keyboard.press("Enter")
    desk.tab_to("#mark select[name=series]")
    page.keyboard.press("ArrowDown")
    desk.tab_to("#mark input[name=reason]")
    page.keyboard.type("the meter drifts")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('#ask').open")
    words = page.inner_text("#ask-words")
    assert words.startswith("Take the telemetry of SOUTH 1 out until Wed 1 May 10:00 EDT?")
    page.keyboard.press("Escape")
    assert interventions(desk.site.world.store, "toy", known_at=desk.site.clock()) == [], "nothing happens unconfirmed"
    desk.tab_to("#mark button")
    page.keyboard.press("Enter")
    desk.agree()
    until(page, "document.querySelectorAll('#decided button').length === 1")
    (given,) = interventions(desk.site.world.store, "toy", known_at=desk.site.clock())
    assert (given.kind, given.series, given.person, given.reason) == ("mark", "SOUTH 1", "ada", "the meter drifts")
    assert f"{given.until:%H:%M:%S}" == "14:00:00"
    assert desk.decided()[0].startswith(
        "SOUTH 1: telemetry does not count until Wed 1 May 10:00 EDT, by ada: the meter drifts."
    )
    desk.site.publish(HALF_HOUR)
    until(page, "document.querySelectorAll('#multiples button.odd').length > 0")
    desk.tab_to("#decided button")
    page.keyboard.press("Enter")
    desk.agree()
    until(page, "document.querySelectorAll('#decided button').length === 0")


def test_alarms_are_acknowledged_and_shelved_by_keyboard_alone(desk: Desk) -> None:
    page, store, now = desk.page, desk.site.world.store, desk.site.clock()
    assert page.locator("#alarms").is_hidden()
    note(store, [Event("toy", now, Kind.RAISED, "It is 11. Do this.", "loss of a day")])
    note(store, [Event("toy", now, Kind.RAISED, "None at all. Do that.", "no nowcast")])
    desk.site.publish(HALF_HOUR)
    until(page, "document.querySelectorAll('#standing li.open').length === 2")
    first, second = page.locator("#standing li").all_inner_texts()
    assert first.startswith("\N{HEAVY MULTIPLICATION X} no nowcast None at all. Do that. Since Wed 1 May 08:00 EDT.")
    assert second.startswith("\N{WARNING SIGN} loss of a day It is 11. Do this.")
    assert page.locator("#standing button").count() == 0, "who only reads does nothing about them"
    desk.sign_in(desk.key)
    until(page, "document.querySelectorAll('#standing button').length === 4")
    desk.tab_to("#standing button")
    page.keyboard.press("Enter")
    assert page.inner_text("#ask-words").startswith("Acknowledge the alarm")
    desk.agree()
    until(page, "document.querySelectorAll('#standing li.open').length === 1")
    desk.tab_to("#standing select")
    page.keyboard.press("ArrowDown")
    desk.tab_to("#standing li.open button:last-child")
    page.keyboard.press("Enter")
    desk.agree()
    until(page, "document.querySelectorAll('#standing li.open').length === 0")
    told = " ".join(page.locator("#standing li").all_inner_texts())
    assert "Acknowledged by ada, Wed 1 May 08:30 EDT." in told
    stand = alarms(store, "toy", desk.site.clock())
    assert stand["no nowcast"].acknowledged_by == stand["loss of a day"].shelved_by == "ada"
    hours = (stand["loss of a day"].shelved_until - desk.site.clock()).total_seconds() / 3600
    assert 3.9 < hours < 4.1


def test_a_late_answer_of_before_the_sign_in_does_not_sign_out(desk: Desk) -> None:
    page, held = desk.page, list[Any]()

    def hold(route: Any) -> None:
        if route.request.method == "GET":
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/session", hold)
    page.reload()
    until(page, "document.querySelectorAll('#multiples button').length > 0")
    desk.sign_in(desk.key)
    until(page, "!document.querySelector('#acts').hidden")
    assert len(held) == 1
    with page.expect_response("**/v1/session"):
        held[0].fulfill(json={"name": None, "scope": None, "proof": None})
    page.wait_for_timeout(300)
    assert page.inner_text("#sign") == "Sign out (ada)"
    assert page.locator("#acts").is_visible()


def test_an_adjusted_series_is_drawn_and_told(desk: Desk) -> None:
    page = desk.page
    desk.sign_in(desk.key)
    until(page, "!document.querySelector('#acts').hidden")
    page.evaluate("for (const one of document.querySelectorAll('#acts details')) one.open = true")
    page.select_option("#adjust select[name=series]", "ALL")
    page.fill("#adjust input[name=mw]", "-20")
    page.fill("#adjust input[name=reason]", "a factory stops")
    page.click("#adjust > button")
    assert "adjusted by \N{MINUS SIGN}20 MW" in page.inner_text("#ask-words")
    desk.agree()
    until(page, "document.querySelectorAll('#decided button').length === 1")
    assert page.locator("#legend-adjusted").is_hidden(), "the present nowcast was published before"
    desk.site.publish(HALF_HOUR)
    until(page, "!document.querySelector('#legend-adjusted').hidden")
    assert page.locator("#fan .adjusted").count() == 1
    assert page.locator("#table thead th", has_text="Adjusted").count() == 1


def test_a_version_is_promoted_and_rolled_back_after_a_confirmation(desk: Desk) -> None:
    page = desk.page
    shows = "import sys; print('- ' + ' '.join(sys.argv[1:]))"
    desk.site.app.state.changes = Changes(command=(sys.executable, "-c", shows))
    desk.sign_in(desk.key)
    until(page, "!document.querySelector('#acts').hidden")
    page.evaluate("for (const one of document.querySelectorAll('#acts details')) one.open = true")
    page.fill("#promote input[name=reason]", "a week in the shadow")
    page.click("#promote > button")
    assert "Compare candidate with version 7" in page.inner_text("#ask-words")
    desk.agree()
    until(page, "document.querySelector('#change').textContent.startsWith('The promotion of candidate is done.')")
    assert "--version=candidate --person=ada" in page.inner_text("#change")
    page.fill("#rollback input[name=reason]", "too high")
    page.click("#rollback > button")
    desk.agree()
    until(page, "document.querySelector('#change').textContent.startsWith('The rollback is done.')")


def test_the_key_is_nowhere_and_its_end_is_told(desk: Desk) -> None:
    page, asked = desk.page, list[str]()
    page.on("request", lambda request: asked.append(request.url))
    desk.sign_in(desk.key)
    until(page, "!document.querySelector('#acts').hidden")
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["name"]) == (True, "Strict", "nowcast_session")
    kept = page.evaluate("JSON.stringify([document.cookie, localStorage, sessionStorage, location.href])")
    assert "nowcast_" not in kept
    assert not any(desk.key in url for url in asked)
    assert desk.key not in page.content()
    page.reload()
    until(page, "!document.querySelector('#acts').hidden")
    revoke(desk.site.world.store, "ada", now=desk.site.clock())
    desk.site.app.state.keys.refresh()
    page.evaluate("for (const one of document.querySelectorAll('#acts details')) one.open = true")
    page.fill("#mark input[name=reason]", "x")
    page.click("#mark > button")
    page.click("#ask-yes")
    until(page, "/is revoked/.test(document.querySelector('#ask-trouble').textContent)")
    until(page, "document.querySelector('#acts').hidden && document.querySelector('#sign').textContent === 'Sign in'")


def test_another_origin_on_this_machine_cannot_decide(desk: Desk, site_of: MakeSite) -> None:  # noqa: F811
    """A cookie goes to every port of a host: a page of another server there must not act by it."""
    desk.sign_in(desk.key)
    until(desk.page, "!document.querySelector('#acts').hidden")
    other = site_of()
    other.publish()
    page = desk.page.context.new_page()
    page.goto(other.url)
    body = '{"kind": "mark", "series": "N.E.", "until": "2024-05-01T20:00:00Z", "reason": "x"}'
    url = f"{desk.site.url}v1/interventions/toy"
    for more in ("mode: 'no-cors'", "headers: {'content-type': 'application/json'}", "headers: {'x-csrf-token': 'x'}"):
        asked = f"{{ method: 'POST', credentials: 'include', body: '{body}', {more} }}"
        page.evaluate(f"fetch('{url}', {asked}).catch(() => null).then(() => null)")
    read = page.evaluate(
        f"fetch('{desk.site.url}v1/session', {{ credentials: 'include' }}).then((r) => r.text(), () => '')"
    )
    assert read == "", "the proof cannot be read"
    assert interventions(desk.site.world.store, "toy", known_at=desk.site.clock()) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1366])
def test_axe_finds_nothing_in_what_an_administrator_sees(
    site_of: MakeSite,  # noqa: F811
    open_page: Any,  # noqa: F811
    scheme: str,
    width: int,
) -> None:
    site = site_of()
    site.publish()
    raised = [Event("toy", BEGIN, Kind.RAISED, "It is 11. Do this.", name) for name in ("loss of a day", "no nowcast")]
    note(site.world.store, raised)
    page = open_page(site.url, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    desk = Desk(site, page)

    def check() -> None:
        found = Axe().run(page).response
        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.click("#sign")
    check()
    page.keyboard.press("Escape")
    desk.sign_in(desk.key)
    until(page, "!document.querySelector('#acts').hidden")
    until(page, "document.querySelectorAll('#standing button').length === 4")
    page.evaluate("for (const one of document.querySelectorAll('#acts details')) one.open = true")
    check()
    page.fill("#mark input[name=reason]", "it drifts")
    page.click("#mark > button")
    check()
