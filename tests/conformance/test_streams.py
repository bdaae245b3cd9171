"""Streams, by the clients people have: what was missed first, then what happens, each once."""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from gql import Client, GraphQLRequest
from gql.transport.websockets import WebsocketsTransport

from tests.conformance.packages import HERE, installed
from tests.running import Running, running

pytestmark = [pytest.mark.conformance, pytest.mark.asyncio(loop_scope="module")]

FOLLOW = """subscription Follow($after: String) {
  signals(after: $after) { __typename ... on SignalCreated { cursor signal { title } } }
}"""
PUBLISH = """mutation ($input: PublishSignalInput!) {
  publishSignal(input: $input) { ... on PublishSignalSuccess { signal { id } } }
}"""
HEAD = "{ signals(first: 1) { resumeFrom } }"
MISSED, LIVE = ["one", "two", "three"], ["four", "five"]
CLIENTS = {
    "graphql-ws", "graphql-ws, again", "graphql-sse", "EventSource, again", "urql, events",
    "urql, graphql-ws", "apollo, parts", "apollo, graphql-ws",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    async with running(f"sqlite:///{tmp_path_factory.mktemp('streams')}/hub.db") as hub:
        yield hub


async def publish(hub: Running, titles: list[str]) -> None:
    for title in titles:
        await hub.ask(PUBLISH, input={"kind": "team.idea", "title": title})


async def test_clients_go_on_from_a_cursor_and_follow(hub: Running) -> None:
    after = (await hub.ask(HEAD))["signals"]["resumeFrom"]
    await publish(hub, MISSED)
    count = str(len(MISSED + LIVE))
    heard: dict[str, list[str]] = defaultdict(list)
    process = await asyncio.create_subprocess_exec(
        "node", HERE / "streams.mjs",
        f"{hub.url}/graphql", f"Bearer {hub.keys['sales']}", FOLLOW, after, count,
        env=os.environ | {"NODE_PATH": str(installed()), "NODE_ENV": "production"},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(90):
            is_live = False
            async for line in process.stdout:
                told = json.loads(line)
                heard[told["client"]].append(told["title"])
                if not is_live and all(len(heard[one]) >= len(MISSED) for one in CLIENTS):
                    is_live = True
                    await publish(hub, LIVE)
            assert await process.wait() == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        pytest.fail(f"not in time; heard so far: {dict(heard)}")
    assert heard == dict.fromkeys(CLIENTS, MISSED + LIVE)


async def test_pythons_gql_goes_on_from_a_cursor_and_follows(hub: Running) -> None:
    after = (await hub.ask(HEAD))["signals"]["resumeFrom"]
    await publish(hub, MISSED)
    transport = WebsocketsTransport(
        url=f"{hub.url.replace('http', 'ws', 1)}/graphql",
        init_payload={"authorization": f"Bearer {hub.keys['sales']}"},
        subprotocols=["graphql-transport-ws"],
        ping_interval=0.2,
        pong_timeout=5,
    )
    heard: list[str] = []
    async with asyncio.timeout(60), Client(transport=transport) as session:
        assert await session.execute(GraphQLRequest("{ viewer { name } }")) == {
            "viewer": {"name": "sales"}
        }
        follow = GraphQLRequest(FOLLOW, variable_values={"after": after})
        async for event in session.subscribe(follow):
            heard.append(event["signals"]["signal"]["title"])
            if len(heard) == len(MISSED):
                await publish(hub, LIVE)
            if len(heard) == len(MISSED + LIVE):
                break
    assert heard == MISSED + LIVE
