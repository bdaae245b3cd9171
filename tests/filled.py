"""A hub that is full of signals, some of them secret."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.config import read_config
from hub.connector import AccountRef, Draft, Page, PersonRef
from hub.ingest import Plan, Reading, ingest
from hub.kinds import Severity
from hub.route import Router
from hub.signals import Classification
from hub.store import open_store
from tests.prepared import prepare
from tests.running import Running, running

T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
KINDS = ("sales.deal.won", "support.ticket.opened", "product.release", "people.hire")
CANARY = "Canary-7c1f"


def draft(number: int, **changes: Any) -> Draft:
    at = T0 + timedelta(minutes=number // 2)  # pairs share a time: ties are part of the test
    given: dict[str, Any] = {
        "kind": KINDS[number % len(KINDS)],
        "external_id": str(number),
        "revision": "1",
        "revised_at": at,
        "occurred_at": at,
        "title": f"Signal {number:03}",
        "severity": Severity(number % 5),
        "labels": ("even",) if number % 2 == 0 else ("odd", "x"),
        "account": AccountRef(name=f"Account {number % 3}"),
        "author": PersonRef(name="Jane Doe", email="jane@us.example"),
    }
    return Draft(**(given | changes))


SECRETS = [
    draft(900, kind="sales.deal.won", classification=Classification.CONFIDENTIAL),
    draft(901, kind="people.hire", classification=Classification.RESTRICTED),
    draft(902, kind="people.departure"),
]


@asynccontextmanager
async def filled(database_url: str, **settings: Any) -> AsyncGenerator[Running]:
    plan = Plan(Router(read_config("", {}).roles))
    await prepare(database_url)
    async with open_store(database_url) as store:
        for start in range(0, 60, 20):
            drafts = [draft(number) for number in range(start, start + 20)]
            await ingest(store, Reading("hub"), Page(drafts, {}), plan)
        secret = [
            one.model_copy(
                update={
                    "title": f"{CANARY} {one.external_id}",
                    "account": AccountRef(name=f"{CANARY} Account"),
                    "author": PersonRef(name=f"{CANARY} Person"),
                    "labels": (f"{CANARY} label",),
                }
            )
            for one in SECRETS
        ]
        await ingest(store, Reading("hub"), Page(secret, {}), plan)
    async with running(database_url, **settings) as hub:
        yield hub


EVERYTHING = """
query Everything($of: String!) {
  viewer { name roles }
  signals(first: 100) { edges { node { id title labels account { id name } author { id name } } } }
  feed(role: $of, first: 100, minScore: 0) { edges { node { id title } reasons { evidence } } }
  changes(first: 100) { edges { node { signalId title signal { title } } } }
  sources { name signals }
}
"""
