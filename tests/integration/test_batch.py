"""Several operations in one request: as if each had come alone."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from tests.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHO = {"query": "{ viewer { name } }"}
MINE = {"data": {"viewer": {"name": "sales"}}}
PUBLISH = """mutation ($title: String!) {
  publishSignal(input: {kind: "team.idea", title: $title}) { __typename }
}"""
TITLES = "{ signals(first: 9, orderBy: OLDEST) { edges { node { title } } } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    file = tmp_path_factory.mktemp("batch") / "hub.db"
    async with running(f"sqlite:///{file}", max_batch=4, max_requests=9) as hub:
        yield hub


async def post(hub: Running, batch: Any, role: str = "sales", **headers: str) -> tuple[int, Any]:
    given = {"authorization": f"Bearer {hub.keys[role]}", **headers}
    answer = await hub.client.post("/graphql", json=batch, headers=given)
    return answer.status_code, answer.json()


def codes(answers: list[Any]) -> list[str]:
    return [one["errors"][0]["extensions"]["code"] if "errors" in one else "" for one in answers]


async def test_what_one_writes_the_next_reads(hub: Running) -> None:
    read, write = {"query": TITLES}, {"query": PUBLISH, "variables": {"title": "An idea"}}
    status, answers = await post(hub, [read, write, read], "product")
    assert status == 200
    before, written, after = (one["data"] for one in answers)
    assert before == {"signals": {"edges": []}}
    assert written == {"publishSignal": {"__typename": "PublishSignalSuccess"}}
    assert after == {"signals": {"edges": [{"node": {"title": "An idea"}}]}}


async def test_what_is_refused_stands_among_the_answers(hub: Running) -> None:
    batch = [
        {"query": "{ nothing }"},
        WHO,
        {"query": "subscription { sources { __typename } }"},
        {"query": "query A { __typename } query B { __typename }"},
    ]
    status, answers = await post(hub, batch, accept="application/graphql-response+json")
    assert status == 200
    assert codes(answers) == ["VALIDATION", "", "INVALID", "INVALID"]
    assert answers[1] == MINE


async def test_each_counts_in_the_rate(hub: Running) -> None:
    seen = [code for _ in range(3) for code in codes((await post(hub, [WHO] * 4, "support"))[1])]
    assert seen[:9] == [""] * 9
    assert set(seen[9:]) == {"LIMIT_EXCEEDED"}
    status, told = await post(hub, [WHO], "support")
    assert (status, told["errors"][0]["extensions"]["of"]) == (429, "requests")


@pytest.mark.parametrize(
    ("batch", "code", "limit"),
    [
        ([WHO] * 5, "LIMIT_EXCEEDED", 4),
        ([], "INVALID", None),
        ([WHO, 5], "INVALID", None),
        ([[WHO]], "INVALID", None),
    ],
)
async def test_what_is_no_batch_is_refused_whole(
    hub: Running, batch: Any, code: str, limit: int | None
) -> None:
    status, told = await post(hub, batch, "executive")
    assert status == 400
    assert told["errors"][0]["extensions"]["code"] == code
    assert told["errors"][0]["extensions"].get("limit") == limit


async def test_none_is_taken_unless_set(tmp_path: Any) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        status, told = await post(hub, [WHO])
    assert status == 400
    assert told["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": 0, "of": "batch"}
