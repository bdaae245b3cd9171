"""Counts: what `totalCount` and `signalStats` say is what one who reads all signals counts."""

from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.config import read_config
from hub.connector import Page
from hub.ingest import Plan, Reading, ingest
from hub.route import Router
from hub.store import open_store
from tests.filled import draft, filled
from tests.running import Running

TIMES = [
    datetime(2026, 10, 25, 23, 59, 59, 999999, tzinfo=UTC),  # a Sunday
    datetime(2026, 10, 26, tzinfo=UTC),
    datetime(2026, 10, 31, 23, 30, tzinfo=UTC),
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 1, 1, 12, tzinfo=UTC),
    datetime(2025, 12, 31, 12, tzinfo=UTC),
]


@pytest.fixture
async def hub(database_url: str) -> AsyncGenerator[Running]:
    async with filled(database_url) as hub:
        async with open_store(database_url) as store:
            drafts = [
                draft(1000 + number, occurred_at=at, revised_at=at, kind="x.custom", account=None)
                for number, at in enumerate(TIMES)
            ]
            plan = Plan(Router(read_config("", {}).roles))
            await ingest(store, Reading("hub"), Page(drafts, {}), plan)
        yield hub


ALL = """query All($filter: SignalFilter) { signals(first: 100, filter: $filter) { totalCount
  edges { node { occurredAt department kind family severity status source { name }
                 account { id name } } } } }"""
STATS = """query Stats($by: [StatsDimension!]!, $every: Interval, $filter: SignalFilter) {
  signalStats(groupBy: $by, interval: $every, filter: $filter) {
    count time department kind family source severity status account { id name } } }"""


def began(text: str, every: str | None) -> str:
    at = datetime.fromisoformat(text)
    assert at.utcoffset() == timedelta(0)
    at = at.replace(minute=0, second=0, microsecond=0)
    if every != "HOUR":
        at = at.replace(hour=0)
    if every == "WEEK":
        at -= timedelta(days=at.weekday())
    if every == "MONTH":
        at = at.replace(day=1)
    return at.isoformat()


def sort_of(node: dict[str, Any], by: list[str], every: str | None) -> tuple[Any, ...]:
    values = {
        **{name.upper(): value for name, value in node.items()},
        "TIME": began(node["occurredAt"], every),
        "SOURCE": node["source"]["name"],
        "ACCOUNT": node["account"] and tuple(node["account"].values()),
    }
    return tuple(values[one] for one in by)


ASKED: list[tuple[list[str], str | None]] = [
    (["TIME"], None),
    *((["TIME"], every) for every in ("HOUR", "DAY", "WEEK", "MONTH")),
    *(([one], None) for one in ("DEPARTMENT", "KIND", "FAMILY", "SOURCE", "ACCOUNT")),
    (["SEVERITY"], None),
    (["STATUS"], None),
    (["FAMILY", "TIME", "ACCOUNT", "SEVERITY"], "WEEK"),
]


@pytest.mark.parametrize("role", ["sales", "community", "admin"])
async def test_counts_are_those_of_who_reads_all(hub: Running, role: str) -> None:
    filters: list[dict[str, Any]] = [{}, {"not": {"labels": ["even"]}}, {"kinds": []}]
    for given in filters:
        whole = (await hub.ask(ALL, role=role, filter=given))["signals"]
        nodes = [edge["node"] for edge in whole["edges"]]
        assert whole["totalCount"] == len(nodes)
        for by, every in ASKED:
            answer = await hub.ask(STATS, role=role, by=by, every=every, filter=given)
            buckets = answer["signalStats"]
            counted = {
                tuple(
                    tuple(value.values()) if isinstance(value, dict) else value
                    for value in (bucket[one.lower()] for one in by)
                ): bucket["count"]
                for bucket in buckets
            }
            assert counted == Counter(sort_of(node, by, every) for node in nodes)
            assert len(counted) == len(buckets)
            if by == ["TIME"]:
                assert [one["time"] for one in buckets] == sorted(one["time"] for one in buckets)


async def test_total_count_is_of_all_pages_and_of_a_search(hub: Running) -> None:
    query = """query Q($search: String, $by: SignalOrder!) {
        signals(first: 2, search: $search, orderBy: $by) { totalCount edges { cursor } } }"""
    for by in ("NEWEST", "RELEVANCE"):
        found = (await hub.ask(query, search="signal", by=by))["signals"]
        assert found["totalCount"] == 66, "the 60 and the six; what is secret is named otherwise"
        assert len(found["edges"]) == 2


async def test_what_cannot_be_counted_is_said(
    hub: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.graphql.stats.MOST_BUCKETS", 3)
    for by, every, words in (
        ([], None, "groupBy names nothing"),
        (["KIND"], "DAY", "interval says"),
        (["TIME"], "HOUR", "more than 3 sorts"),
    ):
        [error] = (await hub.reply(STATS, by=by, every=every))["errors"]
        assert error["extensions"]["code"] == "INVALID"
        assert words in error["message"]
