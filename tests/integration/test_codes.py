"""Every error has a code that docs/errors.md tells, says what to do, and nothing of the inside."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLError

from hub.errors import Code, Refused, StoreUnavailable
from hub.graphql.errors import present
from tests.filled import filled
from tests.running import Running

MANUAL = Path(__file__).parents[2] / "docs" / "errors.md"
INSIDE = re.compile(
    r"Traceback|File \"|\.py\b|sqlalchemy|asyncpg|sqlite|SELECT |object at 0x|strawberry|Exception"
)
PROVOKED = [
    (Code.NOT_FOUND, '{ decisions(signal: "nothing") { text } }'),
    (Code.NOT_FOUND, '{ feed(role: "nobody") { edges { cursor } } }'),
    (Code.FORBIDDEN, "{ sources { quarantine { id } } }"),
    (Code.INVALID, "{ signals(first: 1, last: 1) { edges { cursor } } }"),
    (Code.INVALID, '{ feed(role: "sales", minScore: 2) { edges { cursor } } }'),
    (Code.INVALID, '{ _entities(representations: [{__typename: "X"}]) { __typename } }'),
    (Code.BAD_CURSOR, '{ signals(after: "x") { edges { cursor } } }'),
    (Code.PAGE_TOO_LARGE, "{ signals(first: 101) { edges { cursor } } }"),
    (Code.LIMIT_EXCEEDED, "{ a" * 17 + " }" * 17),
    (Code.SYNTAX, "{ signals("),
    (Code.VALIDATION, "{ nonsense }"),
    (Code.VALIDATION, "query Q($id: ID!) { signal(id: $id) { id } }"),
]


@pytest.fixture
async def hub(database_url: str) -> AsyncGenerator[Running]:
    async with filled(database_url) as hub:
        yield hub


def test_the_manual_has_every_code_and_no_other() -> None:
    told = re.findall(r"^\| `([A-Z_]+)` \| .+ \| .+ \|$", MANUAL.read_text(), re.MULTILINE)
    assert told == list(Code)


@pytest.mark.parametrize(("code", "query"), PROVOKED)
async def test_an_error_has_its_code_and_tells_nothing_of_the_inside(
    hub: Running, code: Code, query: str
) -> None:
    errors: list[dict[str, Any]] = (await hub.reply(query))["errors"]
    assert {one["extensions"]["code"] for one in errors} == {code}
    for one in errors:
        assert one["message"]
        assert not INSIDE.search(str(one)), one


async def test_whoever_is_not_signed_in_is_told_how(hub: Running) -> None:
    answer = await hub.client.post("/graphql", json={"query": "{ viewer { name } }"})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (401, Code.UNAUTHENTICATED)
    assert "Authorization: Bearer" in error["message"]


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (StoreUnavailable("asyncpg.exceptions: SELECT secret FROM inside"), Code.UNAVAILABLE),
        (RuntimeError("SELECT secret FROM inside"), Code.INTERNAL),
        (Refused(Code.CURSOR_EXPIRED, "The log ends", "Read anew", {"oldest": "x"}),
         Code.CURSOR_EXPIRED),
    ],
)  # fmt: skip
def test_what_comes_from_inside_is_masked(cause: Exception, code: Code) -> None:
    shown = present(GraphQLError(str(cause), original_error=cause)).formatted
    assert shown["extensions"]["code"] == code
    assert "secret" not in str(shown)
    assert not INSIDE.search(str(shown))
