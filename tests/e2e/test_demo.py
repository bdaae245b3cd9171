"""The demo as a user meets it: a process of its own, spoken to over HTTP and WebSocket only."""

import asyncio
import json
import re
import socket
import sqlite3
import subprocess
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets

from hub.demo.servers import listen
from hub.errors import ConfigError
from tests.e2e.demo import HUB, Demo, demo
from tests.running import ROLES, hear, say, until

VENDORS = ("hubspot", "zendesk", "alertmanager", "slack", "news", "intranet")
FEED = """query ($role: String!) { feed(role: $role, first: 100) { edges {
  score reasons { name weight evidence } node { id kind title source { name } } } } }"""
TITLES = """query ($filter: SignalFilter) { signals(first: 100, filter: $filter) { edges { node {
  id kind title body account { name } attributes classification } } } }"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def running(folder: Path) -> Generator[Demo]:
    with demo(folder, "--fast") as started:
        yield started


def titles(running: Demo, role: str, **given: Any) -> list[dict[str, Any]]:
    edges = running.ask(TITLES, role, filter=given)["signals"]["edges"]
    return [edge["node"] for edge in edges]


def feed(running: Demo, role: str) -> list[dict[str, Any]]:
    edges: list[dict[str, Any]] = running.ask(FEED, role, role=role)["feed"]["edges"]
    return edges


def receiver(folder: Path) -> str:
    url: str = json.loads((folder / "ready.json").read_text())["receiver"]
    return url


def test_what_happened_at_every_vendor_is_there(running: Demo) -> None:
    found = running.ask("{ sources { name connector state signals lastError } }", "admin")
    sources = {one["name"]: one for one in found["sources"]}
    assert set(running.vendors) == set(VENDORS)
    assert sources.keys() == {*VENDORS, "hub"}
    assert all(one["state"] == "OK" and one["lastError"] is None for one in sources.values())
    assert all(one["signals"] >= 3 for one in sources.values()), sources
    kinds = {node["kind"] for name in sources for node in titles(running, "admin", sources=[name])}
    assert kinds >= {
        "sales.deal.won", "sales.deal.lost", "sales.deal.stage", "sales.lead.created",
        "ops.alert.firing", "ops.alert.resolved", "support.ticket.opened", "support.escalation",
        "support.issue.recurring", "support.csat", "chat.message", "chat.decision",
        "brand.coverage", "market.competitor", "product.release", "people.hire",
        "policy.compliance", "community.event", "team.need", "team.kudos",
    }  # fmt: skip


def test_a_deal_was_lost_on_price_to_a_competitor(running: Demo) -> None:
    [lost] = [
        node
        for node in titles(running, "sales", kinds=["sales.deal.lost"])
        if node["account"]["name"] == "Mercado Andino"
    ]
    assert lost["attributes"]["competitor"] == "YardPilot"
    assert lost["attributes"]["reason"].startswith("Price")


def test_one_customer_is_one_account_at_every_vendor(running: Demo) -> None:
    nodes = [
        node
        for source in ("hubspot", "zendesk")
        for node in titles(running, "sales", sources=[source])
        if (node["account"] or {}).get("name") == "Polska Paczka"
    ]
    kinds = {node["kind"].partition(".")[0] for node in nodes}
    assert kinds == {"sales", "support"}


def test_each_role_hears_something_else_and_why(running: Demo) -> None:
    feeds = {role: feed(running, role) for role in ROLES}
    heard = {role: {edge["node"]["id"] for edge in edges} for role, edges in feeds.items()}
    assert all(len(ids) >= 10 for ids in heard.values()), {r: len(i) for r, i in heard.items()}
    assert len(set(map(frozenset, heard.values()))) == len(ROLES)
    assert heard["sales"] - heard["support"]
    assert heard["support"] - heard["sales"]
    for edges in feeds.values():
        for edge in edges:
            assert 0 < edge["score"] <= 1
            total = sum(reason["weight"] for reason in edge["reasons"])
            assert edge["score"] == pytest.approx(min(1, total), abs=1e-3)
            assert all(reason["evidence"] for reason in edge["reasons"])
    # Most of what is said is noise to each of them.
    assert all(edge["node"]["kind"] != "chat.message" for edge in feeds["executive"])


async def test_a_deal_that_is_won_is_on_the_page_within_two_seconds_and_is_pushed(
    running: Demo, folder: Path
) -> None:
    async with websockets.connect(
        running.url.replace("http", "ws", 1) + "/graphql",
        subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
    ) as live:
        key = f"Bearer {running.keys['sales']}"
        await say(live, type="connection_init", payload={"authorization": key})
        assert (await hear(live))["type"] == "connection_ack"
        query = """subscription { feed(role: "sales") {
          ... on FeedCreated { score reasons { evidence } signal { id title kind } } } }"""
        await say(live, type="subscribe", id="1", payload={"query": query})
        await asyncio.sleep(0.3)  # the protocol does not say when a subscription has begun
        began = time.monotonic()
        await asyncio.to_thread(
            running.emit,
            "hubspot",
            dealname="All of Japan",
            dealstage="closedwon",
            company="Hinode Denki",
        )
        message = await hear(live, within=2)
        took = time.monotonic() - began
    event = message["payload"]["data"]["feed"]
    assert event["signal"]["title"] == "Deal won: All of Japan"
    assert event["reasons"]
    assert took < 2

    async with httpx2.AsyncClient() as client:

        async def pushed() -> Any:
            came = (await client.get(receiver(folder))).json()["deliveries"]
            return [one for one in came if one["event"]["id"].startswith(event["signal"]["id"])]

        [delivery] = await until(pushed)
        assert delivery["signature"] == "verified"
        assert delivery["event"]["type"] == "io.teamsignals.sales.deal.won.v1"
        forged = await client.post(receiver(folder), json=delivery["event"])
        assert forged.status_code == 401
        assert (await client.get(receiver(folder))).json()["refused"] == 1


def test_only_the_last_hour_is_pushed(running: Demo, folder: Path) -> None:
    came = httpx2.get(receiver(folder)).json()["deliveries"]
    said = [one["event"]["type"] for one in came]
    assert said.count("io.teamsignals.sales.deal.won.v1") <= 2  # one of the week, one of a test
    assert "io.teamsignals.sales.deal.lost.v1" not in said
    [lost, *_] = titles(running, "sales", kinds=["sales.deal.lost"])
    query = "query ($id: ID!) { decisions(signal: $id) { role relevance { outcome } } }"
    decided = running.ask(query, "sales", id=lost["id"])["decisions"]
    assert decided == [{"role": "sales", "relevance": {"outcome": "HISTORY"}}]


def test_what_a_private_channel_says_reaches_nobody(running: Demo, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "data" / "hub.db")) as database:
        query = "SELECT title FROM signals WHERE source = 'slack' AND classification = 3"
        kept = [row[0] for row in database.execute(query)]
    assert len(kept) == 4
    for role in running.keys:
        shown = {node["title"] for node in titles(running, role, sources=["slack"])}
        assert shown
        assert not shown & set(kept)
        assert not any("Lighthouse" in title for title in shown)


def test_a_record_that_nobody_can_read_is_shown_to_the_operator(running: Demo) -> None:
    query = '{ source(name: "zendesk") { quarantined quarantine { externalId reason raw } } }'
    source = running.ask(query, "admin")["source"]
    assert source["quarantined"] == 1
    [bad] = source["quarantine"]
    assert bad["externalId"] == "2099"
    assert "a week last Tuesday" in bad["reason"]
    assert "Ticket from the old system" in bad["raw"]
    with pytest.raises(AssertionError, match="FORBIDDEN"):
        running.ask(query, "sales")


def test_html_in_a_title_is_text(running: Demo) -> None:
    shown = [node["title"] for node in titles(running, "support", sources=["zendesk"])]
    assert sum("<script>alert(1)</script>" in title for title in shown) == 1


def test_only_names_of_this_machine_are_answered(running: Demo, folder: Path) -> None:
    for url in (running.url, running.vendors["hubspot"], receiver(folder)):
        foreign = httpx2.get(f"{url}/", headers={"Host": "evil.example"})
        assert foreign.status_code == 421
    page = {"Origin": "https://evil.example"}
    emit = f"{running.vendors['hubspot']}/_demo/emit"
    assert httpx2.post(emit, content=b"{}", headers=page).status_code == 403
    assert httpx2.post(emit, content=b"[]").status_code == 400
    assert httpx2.post(emit, json={"dealstage": "nowhere"}).status_code == 400


def test_the_page_offers_every_key(running: Demo) -> None:
    told = httpx2.get(f"{running.url}/session").json()
    assert told["keys"] == running.keys
    assert running.keys.keys() == {*ROLES, "admin"}


def test_what_the_guide_says_can_happen_does(running: Demo) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "demo.md").read_text()
    rows = re.findall(r"^\| (\w+) \| `(\{.*?\})`", guide, re.MULTILINE)
    assert [vendor for vendor, _ in rows] == list(VENDORS)
    before = _counts(running)
    for vendor, record in rows:
        running.emit(vendor, **json.loads(record))
    deadline = time.monotonic() + 10
    while any(_counts(running)[name] == before[name] for name in VENDORS):
        assert time.monotonic() < deadline, _counts(running)
        time.sleep(0.1)
    told = [node["title"] for node in titles(running, "executive", kinds=["chat.decision"])]
    assert "Decision: we go to Osaka" in told


@pytest.mark.processes
def test_it_ends_at_once_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with demo(tmp_path, "--fast") as first:
        first.emit("hubspot", dealname="Kept", dealstage="closedwon", company="Fyris Pharma")
        first.emit("alertmanager", labels={"alertname": "Kept"}, title="Still firing")
        deadline = time.monotonic() + 10
        counted = _counts(first)
        while len(_kept(first)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        kept, counted = _kept(first), _counts(first)
        stop = time.monotonic()
    assert time.monotonic() - stop < 5
    assert sorted(kept) == ["Deal won: Kept", "Still firing"]
    for name in ("keys.json", "demo.json"):
        assert (tmp_path / "data" / name).stat().st_mode & 0o777 == 0o600
    (tmp_path / "ready.json").unlink()
    with demo(tmp_path, "--fast") as second:
        assert second.keys == first.keys
        assert second.vendors == first.vendors
        assert _kept(second) == kept
        assert _counts(second) == counted
        # The vendor goes on counting, too: what is new there is new here.
        second.emit("hubspot", dealname="Later", dealstage="closedwon", company="Fyris Pharma")
        deadline = time.monotonic() + 10
        while _counts(second) == counted and time.monotonic() < deadline:
            time.sleep(0.1)
        assert _counts(second)["hubspot"] == counted["hubspot"] + 1


def _kept(running: Demo) -> list[str]:
    nodes = titles(running, "admin", sources=["hubspot", "alertmanager"])
    return [node["title"] for node in nodes if "Kept" in node["title"] or "Still" in node["title"]]


def _counts(running: Demo) -> dict[str, int]:
    found = running.ask("{ sources { name signals } }", "admin")["sources"]
    return {one["name"]: one["signals"] for one in found}


def _refused(*flags: str | Path) -> str:
    command = [HUB, "demo", *flags]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    return done.stderr.strip()


@pytest.mark.processes
def test_a_port_that_is_taken_is_said_in_two_lines() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        first, second = _refused("--port", port).splitlines()
    assert port in first
    assert "--port" in second


@pytest.mark.processes
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - to be refused
def test_it_is_served_on_this_machine_only(host: str) -> None:
    assert host in _refused("--host", host)
    with pytest.raises(ConfigError, match="this machine only"):
        listen(host, 0)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_text("somebody's")
    assert "something else" in _refused("--port", "0", "--data", tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["hub.db"]
    assert (tmp_path / "hub.db").read_text() == "somebody's"
