"""GraphQL over HTTP, by the audits of those who specify it and by the clients people have."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.packages import told
from tests.running import Running, running

pytestmark = [pytest.mark.conformance, pytest.mark.asyncio(loop_scope="module")]

AUDITS = 61  # as many as graphql-http has in the version of package.json


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    async with running(f"sqlite:///{tmp_path_factory.mktemp('http')}/hub.db") as hub:
        yield hub


async def failed(hub: Running, key: str) -> dict[str, str]:
    """Let all audits ask by a key, and tell what each that failed found, by its id."""
    audits = await told("audit.mjs", f"{hub.url}/graphql", f"Bearer {key}")
    assert len({one["id"] for one in audits}) == AUDITS
    return {
        one["id"]: f"{one['name']}: {one['status']}, {one.get('reason')}"
        for one in audits
        if one["status"] != "ok"
    }


async def test_every_audit_of_graphql_over_http_holds(hub: Running) -> None:
    # Some read __type, which is for keys with the admin scope unless set otherwise.
    found = await failed(hub, hub.keys["admin"])
    assert not found, "\n".join(f"{name} {why}" for name, why in found.items())


async def test_audits_find_a_hub_that_does_not_answer(hub: Running) -> None:
    found = await failed(hub, "hub_of_nobody")
    assert found["4655"].startswith(
        "MUST accept application/json and match the content-type: error"
    )


MINE = {
    "__typename": "Signal",
    "kind": "team.idea",
    "title": "By CLIENT: Zürich 🎈",
    "labels": ["CLIENT"],
}
PUBLISH = """mutation Publish($input: PublishSignalInput!) {
  publishSignal(input: $input) {
    __typename
    ... on PublishSignalSuccess { signal { __typename kind title labels } }
    ... on InvalidInput { code field }
  }
}"""
FIND = """query Find($first: Int!, $after: String, $filter: SignalFilter) {
  signals(first: $first, after: $after, filter: $filter) {
    __typename edges { __typename node { __typename kind title labels } }
  }
}"""
GIVEN = {name: MINE[name] for name in ("kind", "title", "labels")}
ONE = {"first": 2, "filter": {"labels": ["CLIENT"]}}
EDGE = {"__typename": "SignalEdge", "node": MINE}
# What each client asks, and what it has to give to who wrote the program around it.
DIALOGUE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        PUBLISH,
        {"input": GIVEN},
        {"publishSignal": {"__typename": "PublishSignalSuccess", "signal": MINE}},
    ),
    (FIND, ONE, {"signals": {"__typename": "SignalConnection", "edges": [EDGE]}}),
    (
        PUBLISH,
        {"input": GIVEN | {"title": " "}},
        {"publishSignal": {"__typename": "InvalidInput", "code": "INVALID", "field": "title"}},
    ),
    (FIND, ONE | {"after": "elsewhere"}, {"codes": ["BAD_CURSOR"]}),
    (FIND, {"first": "two"}, {"codes": ["VALIDATION"]}),
    ("query Wrong { nothing }", {}, {"codes": ["VALIDATION"]}),
]


async def test_clients_read_write_and_tell_errors(hub: Running) -> None:
    asks = [{"document": document, "variables": given} for document, given, _ in DIALOGUE]
    answers = [answer for _, _, answer in DIALOGUE]
    found = await told(
        "clients.mjs", f"{hub.url}/graphql", f"Bearer {hub.keys['sales']}", json.dumps(asks)
    )
    names = ["apollo", "urql", "urql-get", "graphql-request"]
    assert [one["client"] for one in found] == names
    for one in found:
        expected = json.dumps(answers).replace("CLIENT", one["client"])
        assert one["answers"] == json.loads(expected), one["client"]
