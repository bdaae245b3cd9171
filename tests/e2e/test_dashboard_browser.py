"""The page in a real browser, on the real demo: the door, what it shows, to whom."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.demo import Demo
from tests.e2e.visit import DESKTOP, PHONE, Visits

pytestmark = pytest.mark.browser

FEED = """query ($role: String!) { feed(role: $role, first: 30) { edges {
  score reasons { name weight evidence } node { id title } } } }"""
HOSTILE = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"""
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnung" * 3
RTL = "شركة النخيل للشحن"


def test_a_pasted_key_becomes_a_cookie_that_the_page_cannot_read(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.sign_in(hub.keys["sales"])

    expect(page.page.get_by_role("heading", level=1)).to_have_text("Sales")
    (cookie,) = page.page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert page.page.evaluate("document.cookie") == ""
    kept = page.page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert hub.keys["sales"] not in kept

    page.page.reload()
    page.await_live()
    page.page.get_by_role("button", name="Sign out").click()
    expect(page.page.get_by_label("API key")).to_be_visible()
    page.page.reload()
    expect(page.page.get_by_label("API key")).to_be_visible()


def test_a_wrong_key_is_refused_in_words(visit: Visits) -> None:
    page = visit()
    page.expected.append("401")  # chromium notes the refusal itself
    page.open()
    page.page.get_by_label("API key").fill("hub_wrong")
    page.page.keyboard.press("Enter")
    expect(page.page.get_by_role("alert")).to_contain_text("unknown")
    expect(page.page.get_by_label("API key")).to_be_focused()
    assert page.inaccessible() == []


def test_the_demo_opens_each_role_with_one_click(hub: Demo, visit: Visits) -> None:
    for role in hub.keys:
        page = visit()
        page.open()
        page.page.get_by_role("button", name=role.capitalize(), exact=True).click()
        page.page.locator(".connection[data-state=live]").wait_for()
        expected = "Sales" if role == "admin" else role.capitalize()
        expect(page.page.get_by_role("heading", level=1)).to_have_text(expected)


def test_the_feed_is_what_the_api_says_with_its_reasons(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.sign_in(hub.keys["support"])
    edges = hub.ask(FEED, "support", role="support")["feed"]["edges"]
    shown = page.signals()
    known = [edge for edge in edges if edge["node"]["id"] in shown]
    assert len(known) > 3

    for edge in known[:3]:
        card = page.page.locator(f"[data-signal='{edge['node']['id']}']")
        expect(card.locator(".title")).to_have_text(edge["node"]["title"])
        expect(card.locator(".score")).to_contain_text(str(int(edge["score"] * 100 + 0.5)))
        expect(card.locator(".reasons")).to_have_count(0)
        card.get_by_role("button", name="Why").click()
        for reason in edge["reasons"]:
            row = card.locator(".reasons dl > div", has_text=reason["evidence"])
            expect(row.first).to_contain_text(reason["name"].capitalize())
        expect(card.locator(".reasons dl > div")).to_have_count(len(edge["reasons"]))


def test_what_may_not_be_read_is_marked(hub: Demo, visit: Visits) -> None:
    page = visit()
    withheld: list[str] = []

    def outlined(route: Route) -> None:
        """Say of the first signal of a page that it is an outline: no role of the demo has any."""
        answer = route.fetch()
        told = answer.json()
        for edge in ((told.get("data") or {}).get("feed") or {"edges": []})["edges"][:1]:
            edge["node"] |= {"outline": True, "summary": "", "labels": []}
            withheld.append(edge["node"]["id"])
        route.fulfill(response=answer, json=told)

    page.page.route("**/graphql", outlined)
    page.sign_in(hub.keys["support"])
    card = page.page.locator(f"[data-signal='{withheld[0]}']")
    expect(card.locator(".withheld")).to_contain_text("for other roles")
    expect(page.page.locator(".withheld")).to_have_count(1)
    assert page.inaccessible() == []


def test_another_role_hears_other_things(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.sign_in(hub.keys["admin"], "sales")
    sales = page.signals()

    page.page.get_by_role("link", name="Support").click()
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Support")
    page.await_live()
    assert page.page.url.endswith("?role=support")
    edges = hub.ask(FEED, "admin", role="support")["feed"]["edges"]
    assert {edge["node"]["id"] for edge in edges} & set(page.signals())
    assert set(page.signals()) != set(sales)

    page.page.go_back()
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Sales")


def test_the_sources_are_those_of_the_hub(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.sign_in(hub.keys["sales"])
    sources = hub.ask("{ sources { name } }", "sales")["sources"]
    assert len(sources) > 1
    shown = page.page.locator(".source .name")
    expect(shown).to_have_count(len(sources))
    assert set(shown.all_text_contents()) == {source["name"] for source in sources}


def test_hostile_and_long_and_right_to_left_names_are_text(hub: Demo, visit: Visits) -> None:
    page = visit(PHONE)
    page.sign_in(hub.keys["sales"])
    for name in (HOSTILE, LONG, RTL):
        hub.emit("hubspot", dealname=name, company=f"{name[:60]} Ltd")

    for name in (HOSTILE, LONG, RTL):
        expect(page.card(name).locator(".title")).to_contain_text(name)
    assert page.page.locator(".card img, .card script").count() == 0
    assert "owned" not in page.page.title()
    assert page.overflow() == 0
    rtl = page.card(RTL).locator(".title")
    assert rtl.evaluate("element => getComputedStyle(element).direction") == "rtl"


def test_the_keyboard_is_enough(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.sign_in(hub.keys["admin"], "sales")
    keyboard = page.page.keyboard
    keyboard.press("j")
    keyboard.press("j")
    focused = page.page.locator(".card:focus")
    expect(focused).to_have_attribute("data-signal", page.signals()[1])
    outline = focused.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid"
    keyboard.press("w")
    expect(focused.locator(".reasons")).to_be_visible()

    keyboard.press("?")
    dialog = page.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert page.inaccessible() == []
    dialog.get_by_label("Use these keys").uncheck()
    keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(focused).to_have_count(1)
    keyboard.press("2")
    expect(page.page.get_by_role("heading", level=1)).to_have_text("Sales")


@pytest.mark.parametrize("size", [DESKTOP, (1000, 800), PHONE], ids=["desktop", "tablet", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_theme_and_width_is_accessible(
    hub: Demo, visit: Visits, theme: str, size: tuple[int, int]
) -> None:
    page = visit(size, color_scheme=theme)
    page.open()
    page.page.get_by_role("button", name="Sales", exact=True).wait_for()
    assert page.inaccessible() == []
    page.sign_in(hub.keys["admin"], "everyone" if theme == "dark" else "sales")
    page.page.get_by_role("button", name="Why").first.click()
    if size == PHONE:
        page.page.get_by_role("button", name="Show sources").click()
    assert page.inaccessible() == []
    assert page.overflow() == 0
    background = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 128) == (theme == "dark")


def test_the_page_stays_small(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.sign_in(hub.keys["sales"])
    page.page.evaluate("document.fonts.ready.then(() => true)")
    # Letters beyond western Europe's come only where some are on the page, soon or late.
    further = {url: size for url, size in page.received.items() if "latin-ext" in url}
    always = {url: size for url, size in page.received.items() if url not in further}
    assert len(always) > 15
    assert sum(size for url, size in always.items() if url.endswith(".js")) < 40_000
    assert sum(always.values()) < 100_000
    assert sum(further.values()) < 90_000
