"""Python's gql asks the hub by each of its HTTP transports."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from gql import Client, GraphQLRequest
from gql.dsl import DSLQuery, DSLSchema, dsl_gql
from gql.transport import AsyncTransport
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport, HTTPXTransport

from tests.conformance.dialogue import answers_to, asked_by
from tests.running import Running, running

pytestmark = [pytest.mark.conformance, pytest.mark.asyncio(loop_scope="module")]

ASYNC = (AIOHTTPTransport, HTTPXAsyncTransport)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    async with running(f"sqlite:///{tmp_path_factory.mktemp('gql')}/hub.db", max_batch=5) as hub:
        yield hub


def at(hub: Running, key: str) -> dict[str, Any]:
    return {"url": f"{hub.url}/graphql", "headers": {"authorization": f"Bearer {hub.keys[key]}"}}


def codes(error: TransportQueryError) -> dict[str, Any]:
    return {"codes": [one["extensions"]["code"] for one in error.errors or ()]}


@pytest.mark.parametrize("transport", ASYNC)
async def test_an_asynchronous_client_reads_writes_and_is_told_errors(
    hub: Running, transport: type[AsyncTransport]
) -> None:
    answers: list[Any] = []
    name = transport.__name__
    async with Client(transport=transport(**at(hub, "sales"))) as session:
        for document, given in asked_by(name):
            try:
                answers.append(
                    await session.execute(GraphQLRequest(document, variable_values=given))
                )
            except TransportQueryError as error:
                answers.append(codes(error))
    assert answers == answers_to(name)


async def test_a_synchronous_client_does_too(hub: Running) -> None:
    def dialogue() -> list[Any]:
        answers: list[Any] = []
        with Client(transport=HTTPXTransport(**at(hub, "sales"))) as session:
            for document, given in asked_by("sync"):
                try:
                    answers.append(session.execute(GraphQLRequest(document, variable_values=given)))
                except TransportQueryError as error:
                    answers.append(codes(error))
        return answers

    assert await asyncio.to_thread(dialogue) == answers_to("sync")


@pytest.mark.parametrize("transport", ASYNC)
async def test_a_client_that_reads_the_schema_writes_documents_by_it(
    hub: Running, transport: type[AsyncTransport]
) -> None:
    admin = transport(**at(hub, "admin"))
    async with Client(transport=admin, fetch_schema_from_transport=True) as session:
        schema = DSLSchema(session.client.schema)
        document = dsl_gql(DSLQuery(schema.Query.viewer.select(schema.Viewer.name)))
        assert await session.execute(document) == {"viewer": {"name": "admin"}}


@pytest.mark.parametrize("transport", ASYNC)
async def test_a_client_asks_several_at_once_where_that_is_set(
    hub: Running, transport: type[AsyncTransport]
) -> None:
    name = f"{transport.__name__}, a batch"
    asks = asked_by(name)[:2]
    batch = [GraphQLRequest(document, variable_values=given) for document, given in asks]
    async with Client(transport=transport(**at(hub, "product"))) as session:
        found = await session.execute_batch(batch)
    assert found == answers_to(name)[:2]


async def test_who_is_nobody_is_told_so(hub: Running) -> None:
    head = {"authorization": "Bearer hub_of_nobody"}
    async with Client(transport=AIOHTTPTransport(f"{hub.url}/graphql", headers=head)) as session:
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(GraphQLRequest("{ viewer { name } }"))
        assert codes(refused.value) == {"codes": ["UNAUTHENTICATED"]}
