"""An answer that is given again is the one that would be made, whatever was written by whomever."""

import asyncio
import inspect
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

from graphql import GraphQLObjectType
from hypothesis import HealthCheck, event, given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlmodel import col

from hub.bus.local import LocalBus
from hub.config import read_config
from hub.connector import Bad, Page
from hub.graphql.answers import keepable
from hub.graphql.metadata import VOLATILE
from hub.graphql.schema import make_schema
from hub.ingest import Plan, Reading, ingest
from hub.retention import Retention
from hub.route import Router
from hub.signals import Classification, now
from hub.snapshot import put_in_force
from hub.store import Store, open_store
from hub.store.keys import digest, revoke
from hub.store.quarantine import quarantine
from hub.store.sources import set_paused
from hub.store.tables import KeyRow
from tests.examples import examples
from tests.filled import draft
from tests.running import Running, running, until

DOCUMENTS = (
    "{ signals(first: 100) { edges { node { id title source { name } } } resumeFrom } }",
    '{ feed(role: "sales", minScore: 0) { edges { score node { title } } } }',
    "{ changes(first: 100) { edges { node { type title } } } }",
    '{ signals(filter: {kinds: ["sales.*"]}) { edges { node { title revision } } } }',
    '{ node(id: "source:hub") { ... on Source { state quarantined signals } } }',
)
OPEN = read_config("", {})
CLOSED = read_config('[roles.sales]\nsees.kinds = ["support.*"]\n', {})
numbers = count(1000)

writes = st.tuples(
    st.just("write"),
    st.sampled_from(
        ["new", "again", "secret", "expire", "role", "key", "pause", "bad", "reload", "nothing"]
    ),
)
roles = st.sampled_from(["sales", "sales", "support"])
reads = st.tuples(st.just("read"), st.integers(0, 1), st.sampled_from(DOCUMENTS), roles)
steps = st.lists(writes | reads | reads, min_size=5, max_size=25)


async def write(what: str, store: Store, hubs: list[Running]) -> None:
    """Write over a connection that no hub knows of, as another process does."""
    plan = Plan(Router(OPEN.roles))
    match what:
        case "new":
            await ingest(store, Reading("hub"), Page([draft(next(numbers))], {}), plan)
        case "again":
            changed = draft(1, revision=str(next(numbers)), title=f"Changed {next(numbers)}")
            await ingest(store, Reading("hub"), Page([changed], {}), plan)
        case "secret":
            one = draft(next(numbers), classification=Classification.CONFIDENTIAL)
            await ingest(store, Reading("hub"), Page([one], {}), plan)
        case "expire":
            short = read_config('[retention]\nsignals = "1d"\n', {})
            old = now() - timedelta(days=400)
            await ingest(store, Reading("hub"), Page([draft(next(numbers))], {}), plan, at=old)
            await Retention(store, LocalBus(), lambda: short).once(due=False)
        case "bad":
            async with store.write() as connection:
                await quarantine(connection, "hub", [Bad(f"odd {next(numbers)}", {})], now())
        case _:
            await administer(what, store, hubs)


async def administer(what: str, store: Store, hubs: list[Running]) -> None:
    match what:
        case "role":
            role = "support" if next(numbers) % 2 else "sales"
            async with store.write() as connection:
                await connection.execute(
                    update(KeyRow)
                    .where(col(KeyRow.digest) == digest(hubs[0].keys["sales"]))
                    .values(roles=[role, "sales"])
                )
            later(hubs)
        case "key":
            async with store.write() as connection:
                row = await connection.execute(
                    select(col(KeyRow.id), col(KeyRow.revoked_at)).where(
                        col(KeyRow.digest) == digest(hubs[0].keys["sales"])
                    )
                )
                key_id, revoked_at = row.one()
                if revoked_at is None:
                    assert await revoke(connection, key_id, now()) == [key_id]
                else:
                    given = update(KeyRow).where(col(KeyRow.id) == key_id).values(revoked_at=None)
                    await connection.execute(given)
            later(hubs)
        case "pause":
            async with store.write() as connection:
                pause = partial(set_paused, connection, "hub", now())
                assert await pause(paused=True) or await pause(paused=False)
        case "reload":
            config = CLOSED if next(numbers) % 2 else OPEN
            for hub in hubs:
                hub.app.state.runtime.snapshot = (await put_in_force(store, config)).snapshot


def later(hubs: list[Running]) -> None:
    """Let the seconds pass for which a doorkeeper remembers who somebody is."""
    for hub in hubs:
        hub.app.state.graphql.doorkeeper._known.clear()


async def play(url: str, played: list[Any]) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(url))
        second = await stack.enter_async_context(running(url))
        second.keys = first.keys
        store = await stack.enter_async_context(open_store(url))
        hubs = [first, second]
        for step in played:
            if step[0] == "write":
                await write(step[1], store, hubs)
                continue
            _, which, document, role = step
            answers = hubs[which].app.state.graphql.served.replies.answers
            given_again = await hubs[which].reply(document, role)
            at_once = await hubs[which].reply(document, role)
            event("an answer is kept" if answers._kept else "nothing is kept")
            answers.most, most = 0, answers.most
            made = await hubs[which].reply(document, role)
            answers.most = most
            assert given_again == made
            assert at_once == made


@examples(4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(played=steps)
def test_no_answer_is_older_than_the_last_commit(database_url: str, played: list[Any]) -> None:
    asyncio.run(play(database_url, played))


async def test_the_same_question_is_answered_again(database_url: str) -> None:
    async with running(database_url) as hub, open_store(database_url) as store:
        await write("new", store, [hub])
        answers = hub.app.state.graphql.served.replies.answers
        first = await hub.reply(DOCUMENTS[0])

        async def given_again() -> bool:
            # PostgreSQL counts what all of its databases commit, its own cleaning too.
            (kept,) = answers._kept.values()
            assert await hub.reply(DOCUMENTS[0]) == first
            return next(iter(answers._kept.values())) is kept

        await until(given_again)
        await hub.reply(DOCUMENTS[0], "support")  # who sees otherwise has an answer of his own
        assert len(answers._kept) == 2
        await write("new", store, [hub])
        assert len((await hub.reply(DOCUMENTS[0]))["data"]["signals"]["edges"]) == 2


async def test_what_is_kept_is_bounded(database_url: str) -> None:
    async with running(database_url, response_cache=1) as hub:
        answers = hub.app.state.graphql.served.replies.answers
        answers.most = 2000
        for size in range(1, 60):
            await hub.ask(DOCUMENTS[0].replace("100", str(size)))
        assert 0 < answers._bytes <= 2000
        assert len(answers._kept) < 30


async def test_a_setting_turns_it_off(database_url: str) -> None:
    async with running(database_url, response_cache=0) as hub:
        await hub.ask(DOCUMENTS[0])
        assert not hub.app.state.graphql.served.replies.answers._kept


def test_what_may_be_kept() -> None:
    schema = make_schema()

    def may(text: str) -> bool:
        document = schema.documents.read(text)
        assert not document.errors
        return keepable(document=document, schema=schema.documents.schema)

    assert all(may(document) for document in DOCUMENTS)
    assert may("{ signals { edges { node { source { state } } } } }")
    assert not may("{ signals { edges { node { source { lagSeconds } } } } }")
    assert not may("{ ...F } fragment F on Query { node(id: 1) { ... on Source { lagSeconds } } }")
    assert not may("{ viewer { name } }")
    assert not may("{ __schema { description } }")
    assert not may("mutation { __typename }")


def test_what_looks_at_the_clock_says_so() -> None:
    schema = make_schema().documents.schema
    for type_ in schema.type_map.values():
        if not isinstance(type_, GraphQLObjectType) or type_.name.startswith("__"):
            continue
        if type_ in {schema.mutation_type, schema.subscription_type}:
            continue
        for name, field in type_.fields.items():
            plain = field.extensions.get("strawberry-definition")
            resolver = getattr(plain, "base_resolver", None)
            if resolver is None:
                continue
            if any(clock in inspect.getsource(resolver.wrapped_func) for clock in CLOCKS):
                assert VOLATILE in plain.metadata, f"{type_.name}.{name}"


CLOCKS = ("now(", "monotonic(", "perf_counter(", "time.time(")
