"""What is answered by a plan is what graphql-core would have answered."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from hub.errors import StoreUnavailable
from hub.graphql.context import Context
from hub.graphql.executor import ProjectingExecutor
from hub.signals import Scope, Viewer
from tests.filled import filled
from tests.running import Running

SUPPORT = Viewer(roles=frozenset({"support"}), name="support")
ADMIN = Viewer(roles=frozenset({"sales"}), scopes=frozenset({Scope.ADMIN}), name="admin")

pages = st.sampled_from(
    [
        {"first": 7},
        {"last": 5},
        {"first": 100, "orderBy": "OLDEST"},
        {"first": 3, "orderBy": "UPDATED"},
        {"last": 4, "orderBy": "SEVERITY"},
        {"first": 5, "search": "signal"},
        {"first": 5, "search": "signal", "orderBy": "RELEVANCE"},
        {"first": 5, "orderBy": "RELEVANCE"},
        {"first": 101},
        {"first": 0},
        {"first": 5, "after": "nonsense"},
        {"first": 1, "last": 1},
    ]
)
filters = st.sampled_from(
    [
        None,
        {},
        {"kinds": ["sales.*", "product.release"]},
        {"minSeverity": "HIGH", "labels": ["even"]},
        {"or": [{"text": "signal"}, {"departments": ["PEOPLE"]}]},
        {"occurredAfter": "2026-11-02T09:10:00Z", "not": {"kinds": ["sales.*"]}},
        {"occurredAfter": "2026-11-02T09:10:00"},
        {"kinds": ["none"]},
    ]
)


# No two of them conflict; some take execution.
NODE = (
    *("id", "__typename", "kind", "its: kind", "title @skip(if: $maybe)", "summary", "url", "body"),
    *("occurredAt", "at: updatedAt @include(if: $yes)", "receivedAt", "severity", "status"),
    *("classification", "department", "origin", "sentiment", "labels", "attributes", "thread"),
    *("externalId", "revision @include(if: $maybe)", "account { id name }", "owner { id }"),
    *("account { __typename }", "who: author { named: name }", "source { id it: name }"),
    *("... on Node { id }", "... on Signal @skip(if: $maybe) { body }", "...Parts", "family"),
    *("...Parts @include(if: $maybe)", "details { __typename }", "source { state }"),
)
PAGE_INFO = ("hasNextPage", "hasPreviousPage", "startCursor", "endCursor", "__typename")
nodes = st.lists(st.sampled_from(NODE), min_size=1, max_size=8).map(" ".join)


@st.composite
def documents(draw: st.DrawFn) -> str:
    info = " ".join(draw(st.lists(st.sampled_from(PAGE_INFO), min_size=1)))
    parts = (
        f"edges {{ node {{ {draw(nodes)} }} }}",
        f"edges {{ cursor node {{ {draw(nodes)} }} }}",
        f"again: edges {{ __typename node {{ {draw(nodes)} }} }}",
        f"pageInfo {{ {info} }}",
        *("resumeFrom", "__typename", "totalCount @include(if: $maybe)", "...Page"),
    )
    selected = " ".join(draw(st.lists(st.sampled_from(parts), min_size=1, max_size=4)))
    arguments = "filter: $filter, first: $first, last: $last, after: $after, orderBy: $orderBy"
    alias = draw(st.sampled_from(["", "found: "]))
    root = f"{{ {alias}signals({arguments}, search: $search) {{ {selected} }} }}"
    switches = ("$yes: Boolean!", "$maybe: Boolean!")
    fragments = [
        text
        for name, text in (
            ("...Page", "fragment Page on SignalConnection { edges { node { title id } } }"),
            ("...Parts", "fragment Parts on Signal { author { id } title updatedAt }"),
        )
        if name in root
    ]
    variables = [
        "$filter: SignalFilter, $first: Int, $last: Int, $after: String, $search: String",
        "$orderBy: SignalOrder = NEWEST",
        *(one for one in switches if one.partition(":")[0] in root),
    ]
    return "\n".join([f"query Q({', '.join(variables)}) {root}", *fragments])


async def compared(hub: Running, text: str, variables: dict[str, Any], viewer: Viewer) -> str:
    graphql = hub.app.state.graphql

    async def identify() -> Viewer:
        return viewer

    context = Context(graphql.runtime, graphql.tail, identify, viewer)
    document = graphql.schema.documents.read(text)
    question = graphql.served.replies.answers.question(document, None, variables, context)
    assert question is not None, document.errors
    for _ in range(2):  # the plan is used again
        body = await graphql.served.replies.plans.answer(question, document, variables, context)
        if body is None:
            return "executed"
        graphql.schema.execution_context_class = StrawberryGraphQLCoreExecutionContext
        plain = await graphql.schema.run(document, context, variables)
        graphql.schema.execution_context_class = ProjectingExecutor
        assert plain.errors is None
        assert json.dumps(json.loads(body)) == json.dumps({"data": plain.data})
    return "planned"


def test_a_plan_says_what_graphql_core_says(database_url: str) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        hub = runner.run(stack.enter_async_context(filled(database_url)))

        @settings(max_examples=100, deadline=None)
        @given(
            text=documents(),
            page=pages,
            narrowed=filters,
            maybe=st.booleans(),
            viewer=st.sampled_from([SUPPORT, ADMIN]),
        )
        def same(text: str, page: Any, narrowed: Any, maybe: bool, viewer: Viewer) -> None:
            variables = {**page, "filter": narrowed, "yes": True, "maybe": maybe}
            how.append(runner.run(compared(hub, text, variables, viewer)))

        how: list[str] = []
        try:
            same()
            assert how.count("planned") > 10 < how.count("executed")
        finally:
            runner.run(stack.aclose())


PAGE = """
query Q($after: String) { signals(first: 20, after: $after) {
  edges { cursor node { %s } } pageInfo { hasNextPage endCursor } resumeFrom } }
"""
PLAIN = """
__typename id kind department title summary body url externalId revision origin occurredAt
receivedAt updatedAt severity status classification sentiment account { id name }
author { id name } owner { id name } labels attributes thread source { id name }
"""


async def test_plain_pages_are_planned(database_url: str) -> None:
    async with filled(database_url) as hub:
        plans = hub.app.state.graphql.served.replies.plans
        whole, after = [], None
        while True:
            page = (await hub.ask(PAGE % PLAIN, after=after))["signals"]
            whole += [edge["node"]["id"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert len(whole) == len(set(whole)) > 40
        assert all(plan is not None for _, plan in plans._kept.values())
        assert len(plans._kept) == len(range(0, len(whole), 20))
        await hub.ask(PAGE % "details { __typename }")
        assert list(plans._kept.values())[-1][1] is None


async def test_what_is_no_field_of_query_is_executed(database_url: str) -> None:
    async with filled(database_url) as hub:
        assert await hub.ask("{ __typename }") == {"__typename": "Query"}
        asked = "{ __schema { queryType { name } } }"
        assert await hub.ask(asked, "admin") == {"__schema": {"queryType": {"name": "Query"}}}


async def test_a_plan_reads_what_is_selected(database_url: str) -> None:
    async with filled(database_url) as hub:
        await hub.ask("{ signals { edges { node { title } } } }")
        ((_, plan),) = hub.app.state.graphql.served.replies.plans._kept.values()
        assert "title" in plan.reading.sql
        assert "signals.body" not in plan.reading.sql
        assert "log_head" not in plan.reading.sql


async def test_a_plan_is_for_all_who_have_the_same_roles_and_scopes(tmp_path: Path) -> None:
    async with filled(f"sqlite:///{tmp_path}/hub.db") as hub:
        plans = hub.app.state.graphql.served.replies.plans
        jane = replace(SUPPORT, person="jane@us.example", key_id="1", subject="oidc:x#1")
        for viewer, kept in ((SUPPORT, 1), (jane, 1), (ADMIN, 2), (replace(ADMIN, person="x"), 2)):
            how = await compared(hub, "{ signals { edges { node { title } } } }", {}, viewer)
            assert (how, len(plans._kept)) == ("planned", kept)


async def test_what_fails_is_executed(database_url: str, monkeypatch: Any) -> None:
    async with filled(database_url) as hub:
        asked = "{ signals { edges { node { title } } } }"
        answer = await hub.ask(asked)
        hub.app.state.graphql.served.replies.answers._kept.clear()
        ((_, plan),) = hub.app.state.graphql.served.replies.plans._kept.values()

        async def away(*_: object) -> None:
            raise StoreUnavailable("gone", "wait")

        monkeypatch.setattr(type(plan.reading), "read", away)
        failed = (await hub.reply(asked))["errors"][0]
        assert failed["extensions"]["code"] == "UNAVAILABLE"
        monkeypatch.undo()
        assert await hub.ask(asked) == answer
