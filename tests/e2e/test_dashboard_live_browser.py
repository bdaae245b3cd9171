"""The live page in a real browser: what arrives, what changes, and what breaks meanwhile."""

import re

import pytest
from playwright.sync_api import WebSocketRoute, expect

from tests.e2e.demo import Demo
from tests.e2e.visit import Visits

pytestmark = pytest.mark.browser


def test_a_new_deal_appears_by_itself(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.sign_in(hub.keys["sales"])
    page.page.evaluate("window.notReloaded = true")

    hub.emit("hubspot", dealname="Kestrel Air takes three years")

    card = page.card("Kestrel Air takes three years")
    expect(card).to_be_visible()
    expect(card).to_have_class(re.compile("flash"))
    just_in = page.page.locator("section", has=page.page.get_by_role("heading", name="Just in"))
    expect(just_in.locator(card)).to_be_visible()
    assert page.page.evaluate("window.notReloaded")

    page.page.get_by_role("button", name="Rank them").click()
    expect(just_in.locator(card)).to_have_count(0)
    expect(card).to_have_count(1)


def test_a_change_at_the_source_changes_the_card(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.sign_in(hub.keys["sales"])
    deal = hub.emit("hubspot", dealname="Tidewater pilot", dealstage="contractsent")
    hub.emit("hubspot", id=deal["id"], dealname="Tidewater pilot", dealstage="closedwon")

    card = page.card("Tidewater pilot")
    expect(card.locator(".kind")).to_have_text("Deal won")
    expect(card).to_have_count(1)


def test_what_arrives_while_one_reads_waits_above(hub: Demo, visit: Visits) -> None:
    page = visit((1000, 500))
    page.sign_in(hub.keys["sales"])
    page.page.mouse.move(400, 300)
    page.page.mouse.wheel(0, 600)
    page.page.wait_for_timeout(300)
    before = page.page.evaluate("scrollY")
    assert before > 300

    for number in range(2):
        hub.emit("hubspot", dealname=f"While reading {number}")
    pill = page.page.locator(".pill button")
    expect(pill).to_be_visible()
    expect(page.page).to_have_title(re.compile(r"^\(\d+\) Sales"))
    assert page.page.evaluate("scrollY") == before

    # The demo's own company goes on as well, so the pill may count more than these two.
    expect(pill).to_have_text(re.compile(r"^([2-9]|\d\d+) new$"))
    pill.click()
    for number in range(2):
        expect(page.card(f"While reading {number}")).to_be_visible()
    expect(pill).to_have_count(0)
    assert page.page.evaluate("scrollY") == 0


def test_a_broken_connection_resumes_without_a_gap(hub: Demo, visit: Visits) -> None:
    page = visit()
    sockets: list[WebSocketRoute] = []
    cut = False

    def between(socket: WebSocketRoute) -> None:
        if cut:
            socket.close(code=1013, reason="the line is cut")
            return
        sockets.append(socket)
        socket.connect_to_server()

    page.page.route_web_socket("**/graphql", between)
    page.sign_in(hub.keys["sales"])

    cut = True
    sockets[-1].close(code=1012, reason="the line is cut")
    expect(page.page.locator(".connection")).to_have_text("Reconnecting")
    for number in range(3):
        hub.emit("hubspot", dealname=f"Missed {number}")
    page.page.wait_for_timeout(2500)
    assert page.card("Missed").count() == 0

    cut = False
    expect(page.page.locator(".connection")).to_have_text(re.compile(r"^Live, caught up \d+$"))
    for number in range(3):
        expect(page.card(f"Missed {number}")).to_have_count(1)


def test_a_session_that_ends_leads_back_to_the_door(hub: Demo, visit: Visits) -> None:
    page = visit()
    page.expected.append("401")
    page.sign_in(hub.keys["sales"])
    page.page.context.clear_cookies()
    page.page.get_by_role("button", name="Keyboard").click()
    page.page.keyboard.press("Escape")
    page.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # asks anew
    expect(page.page.get_by_text("Your session has ended")).to_be_visible()


def test_reduced_motion_moves_nothing(hub: Demo, visit: Visits) -> None:
    page = visit(reduced_motion="reduce")
    page.sign_in(hub.keys["sales"])
    hub.emit("hubspot", dealname="Without a flash")
    expect(page.card("Without a flash")).to_be_visible()
    assert page.page.evaluate("document.getAnimations().length") == 0
