"""Documents that Apollo's, urql's and The Guild's clients name instead of sending."""

from pathlib import Path
from typing import Any

import pytest

from hub.signals import now
from hub.store import open_store
from hub.store.audit import operator
from hub.store.documents import register
from tests.conformance.packages import told
from tests.running import Running, running

pytestmark = pytest.mark.conformance

# As graphql's `print` writes it, with what Apollo's cache adds.
TEXT = "query Who {\n  viewer {\n    name\n    __typename\n  }\n}"
MINE = {"viewer": {"name": "sales", "__typename": "Viewer"}}


async def clients(hub: Running, text: str, name: str) -> dict[str, tuple[list[Any], list[str]]]:
    key = f"Bearer {hub.keys['sales']}"
    found = await told("persisted.mjs", f"{hub.url}/graphql", key, text, name)
    return {one["client"]: (one["answers"], one["sent"]) for one in found}


async def add(url: str) -> None:
    async with open_store(url) as store, store.write() as connection:
        await register(connection, {"who": TEXT}, now(), operator("a test"))


async def test_a_text_is_sent_once_and_a_registered_one_never(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    async with running(url) as hub:
        found = await clients(hub, TEXT.replace("Who", "Own"), "nothing")
        for name, method, again in (
            ("apollo", "POST", "POST"),
            ("apollo, GET", "GET", "POST"),
            ("urql", "GET", "GET"),
        ):
            sent = [f"{method} hash", f"{again} text hash", f"{method} hash"]
            assert found[name] == ([MINE, MINE], sent), name
        missing = {"codes": ["PERSISTED_QUERY_NOT_FOUND"]}
        assert found["graphql-ws, hash"] == ([missing, missing], ["SUBSCRIBE hash"] * 2)
        unknown = {"codes": ["DOCUMENT_NOT_REGISTERED"]}
        assert found["urql, id"] == ([unknown, unknown], ["POST id"] * 2)
        assert found["graphql-ws, id"] == ([unknown, unknown], ["SUBSCRIBE id"] * 2)

        await add(url)
        found = await clients(hub, TEXT, "who")
        for name, (answers, _) in found.items():
            assert answers == [MINE, MINE], name
        assert not [one for _, sent in found.values() for one in sent if "text" in one]


async def test_only_registered_documents_are_executed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    async with running(url, documents="registered") as hub:
        await add(url)
        found = await clients(hub, TEXT, "who")
        for name, (answers, _) in found.items():
            assert answers == [MINE, MINE], name
        refused = [{"codes": ["DOCUMENT_NOT_REGISTERED"]}] * 2
        for name, (answers, sent) in (await clients(hub, TEXT.replace("Who", "X"), "x")).items():
            if name != "graphql-sse, id":  # which tells no more than the status
                assert answers == refused, name
            assert len(sent) == 2, name  # and no text is sent in vain
