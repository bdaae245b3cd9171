"""GraphQL over HTTP, by the audits of those who specify it and by the clients people have."""

import json
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.conformance.dialogue import DIALOGUE, answers_to
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


async def test_clients_read_write_and_tell_errors(hub: Running) -> None:
    asks = [{"document": document, "variables": given} for document, given, _ in DIALOGUE]
    found = await told(
        "clients.mjs", f"{hub.url}/graphql", f"Bearer {hub.keys['sales']}", json.dumps(asks)
    )
    names = ["apollo", "urql", "urql-get", "graphql-request"]
    assert [one["client"] for one in found] == names
    for one in found:
        assert one["answers"] == answers_to(one["client"]), one["client"]
