"""Each limit of a document, met by a request made by hand."""

import re
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from graphql import get_introspection_query

from hub.graphql.limits import Limits
from tests.running import Running, hear, running, say

PAGE = "signals(first: 100) { edges { node { history(first: 100) { edges { node { seq } } } } } }"
MANUAL = Path(__file__).parents[2] / "docs/limits.md"


@pytest.fixture
async def hub(tmp_path: Any) -> Any:
    async with running(f"sqlite:///{tmp_path}/hub.db") as hub:
        yield hub


def spread_in_spread(levels: int, leaf: str = "__typename") -> str:
    fragments = [
        f"fragment F{one} on Query {{ ...F{one + 1} ...F{one + 1} }}" for one in range(levels)
    ]
    return " ".join(["{ ...F0 }", *fragments, f"fragment F{levels} on Query {{ {leaf} }}"])


BROKEN = {
    "tokens": "{ " + "__typename " * 2_001 + "}",
    "operations": " ".join(f"query Q{one} {{ __typename }}" for one in range(21)),
    "fragments": "{ ...F } "
    + " ".join(f"fragment F{one or ''} on Query {{ __typename }}" for one in range(51)),
    "directives": "{ __typename " + "@skip(if: false) " * 51 + "}",
    "depth": "{ a" * 17 + " }" * 17,
    "aliases": "{ " + " ".join(f"a{one}: __typename" for one in range(31)) + " }",
    "cost": f"{{ {PAGE} }}",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_limit_is_told_by_the_error_it_causes(hub: Running, name: str) -> None:
    answer = await hub.reply(BROKEN[name])
    found = [one["extensions"] for one in answer["errors"]]
    told = next((one for one in found if one.get("of") == name), None)
    if name == "operations":  # which of them is to be executed was not even said
        assert found[0]["code"] == "INVALID"
        body = {"query": BROKEN[name], "operationName": "Q1"}
        head = {"Authorization": f"Bearer {hub.keys['sales']}"}
        answer = (await hub.client.post("/graphql", json=body, headers=head)).json()
        told = answer["errors"][0]["extensions"]
    assert told is not None, answer
    assert told["code"] == "LIMIT_EXCEEDED"
    assert told["limit"] == asdict(Limits())[name]
    assert "data" not in answer


async def test_a_page_size_in_a_variable_is_counted(hub: Running) -> None:
    query = "query ($n: Int) { " + PAGE.replace("first: 100", "first: $n") + " }"
    assert "errors" not in await hub.reply(query, n=10)
    assert "errors" not in await hub.reply(query)  # left open, a page has 20
    answer = await hub.reply(query, n=100)
    assert answer["errors"][0]["extensions"]["of"] == "cost"
    answer = await hub.reply(query.replace("$n: Int", "$n: Int = 100"))
    assert answer["errors"][0]["extensions"]["of"] == "cost"


@pytest.mark.parametrize("leaf", ["__typename", "a: __typename", PAGE])
async def test_fragments_spread_in_fragments_take_no_time(hub: Running, leaf: str) -> None:
    began = perf_counter()
    answer = await hub.reply(spread_in_spread(40, leaf))
    assert answer["errors"][0]["extensions"]["of"] in {"depth", "aliases", "cost"}
    assert perf_counter() - began < 1


async def test_a_circle_of_fragments_is_refused(hub: Running) -> None:
    query = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"
    assert "itself" in (await hub.reply(query))["errors"][0]["message"]


async def test_what_nests_too_deeply_is_refused(hub: Running) -> None:
    for query in ("{a" * 600 + "}" * 600, "{ a(b: " + "[" * 1_900):
        assert (await hub.reply(query))["errors"][0]["extensions"]["of"] == "depth"
    deep: Any = 1
    for _ in range(21):
        deep = {"not": deep}
    answer = await hub.reply(
        "query ($f: SignalFilter) { signals(filter: $f) { __typename } }", f=deep
    )
    assert answer["errors"][0]["extensions"]["of"] == "nesting"


async def test_mistakes_are_told_a_few_at_a_time(hub: Running) -> None:
    answer = await hub.reply("{ " + " ".join(f"x{one}" for one in range(900)) + " }")
    assert len(answer["errors"]) < 10


async def test_the_schema_is_for_admins(hub: Running, tmp_path: Path) -> None:
    asked = get_introspection_query()
    assert "data" in await hub.reply(asked, "admin")
    for query in (asked, "{ _service { sdl } }", '{ __type(name: "Signal") { name } }'):
        answer = await hub.reply(query)
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    guess = "{ viewer { nam } }"
    assert "Did you mean" not in str(await hub.reply(guess))
    assert "Did you mean" in str(await hub.reply(guess, "admin"))
    async with running(f"sqlite:///{tmp_path}/open.db", introspection="everyone") as open_hub:
        assert "data" in await open_hub.reply(asked)


async def test_a_socket_has_the_same_limits(hub: Running) -> None:
    async with hub.socket() as socket:
        for name in ("aliases", "cost", "tokens"):
            await say(socket, type="subscribe", id=name, payload={"query": BROKEN[name]})
            told = await hear(socket)
            assert (told["type"], told["id"]) == ("error", name)
            assert told["payload"][0]["extensions"]["of"] == name


async def test_a_setting_moves_a_limit(tmp_path: Path) -> None:
    async with running(f"sqlite:///{tmp_path}/hub.db", max_aliases=31) as hub:
        assert "errors" not in await hub.reply(BROKEN["aliases"])


async def test_a_page_of_another_site_may_not_ask_by_get(hub: Running) -> None:
    head = {"Authorization": f"Bearer {hub.keys['sales']}"}
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
        answer = await hub.client.get(
            "/graphql", params={"query": "{ __typename }"}, headers={**head, "Sec-Fetch-Site": site}
        )
        assert answer.status_code == status


def test_the_manual_has_every_limit() -> None:
    rows = re.findall(r"^\| (\w+) \| (\d+) \| `HUB_MAX_(\w+)` \|", MANUAL.read_text(), re.MULTILINE)
    assert {name: int(most) for name, most, _ in rows} == asdict(Limits())
    assert [setting.lower() for _, _, setting in rows] == [name for name, _, _ in rows]
