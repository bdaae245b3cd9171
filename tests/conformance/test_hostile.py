"""What somebody who means harm may send: it is refused by the right word, fast, and the hub lives.

After each the hub answers at once. `TIME` is to send and to answer: a request was made before, and
to compress a bomb takes a second.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import pytest
import pytest_asyncio

from tests.filled import CANARY, filled
from tests.running import Running

pytestmark = [pytest.mark.conformance, pytest.mark.asyncio(loop_scope="module")]

TIME = 5.0  # seconds, on a machine that others have the most of; a hundredth of it is usual
MIB = 2**20
ASKED = '{"query": "{ __typename }"'
PAGE = "signals(first: 50) { edges { node { id } } }"
SMALL = {"query": "{ __typename }"}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Sent:
    """One request, and the code and the status of its refusal."""

    name: str
    code: str
    status: int = 200
    query: str | None = None
    body: Any = None
    method: str = "POST"
    head: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] | None = None

    def content(self) -> Any:
        if self.query is not None:
            return json.dumps({"query": self.query}).encode()
        return self.body


def repeated(template: str, times: int) -> str:
    return " ".join(template.replace("%", str(one)) for one in range(times))


def spread_in_spread(levels: int) -> str:
    fragments = repeated("fragment F% on Query { ...G% ...G% }", levels)
    for one in range(levels):
        fragments = fragments.replace(f"...G{one} ", f"...F{one + 1} ")
    return f"{{ ...F0 }} {fragments} fragment F{levels} on Query {{ __typename }}"


async def in_chunks() -> AsyncGenerator[bytes]:
    yield b'{"query": "'
    for _ in range(800):
        yield b" " * 65_536


def variables(given: str) -> bytes:
    return f'{ASKED}, "variables": {{"a": {given}}}}}'.encode()


SHAPES = [
    Sent("1,000 aliases", "LIMIT_EXCEEDED", query="{" + repeated("a%: __typename", 1_000) + "}"),
    Sent("101 aliases", "LIMIT_EXCEEDED", query="{" + repeated("a%: __typename", 101) + "}"),
    Sent("500 pages", "LIMIT_EXCEEDED", query="{" + repeated(f"a%: {PAGE}", 500) + "}"),
    Sent("a field 10,000 times", "LIMIT_EXCEEDED", query="{" + "__typename " * 10_000 + "}"),
    Sent("10,000 directives", "LIMIT_EXCEEDED", query="{a " + "@skip(if: false) " * 10_000 + "}"),
    Sent("directives nobody has", "VALIDATION", query="{ __typename " + "@aa " * 10 + "}"),
    Sent(
        "pages in pages",
        "LIMIT_EXCEEDED",
        query="{ signals(first: 99) { edges { node { history(first: 99) { edges { node { seq } } }"
        " account { signals(first: 99) { edges { node { id } } } } } } } }",
    ),
    Sent("types of types", "FORBIDDEN", query="{ __schema { types { name } } }"),
    Sent(
        "types of types of types",
        "LIMIT_EXCEEDED",
        query="{ __schema { types {" + "fields { type {" * 14 + "name" + "} }" * 14 + "} } }",
    ),
    Sent(
        "a circle of fragments",
        "VALIDATION",
        query="{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    ),
    Sent("2^25 spreads", "LIMIT_EXCEEDED", query=spread_in_spread(25)),
    Sent("3,000 times one name", "LIMIT_EXCEEDED", query="{" + "a: __typename " * 3_000 + "}"),
    Sent("5,000 levels", "LIMIT_EXCEEDED", query="{a" * 5_000 + "}" * 5_000),
    Sent("a list in 20,000", "LIMIT_EXCEEDED", query="{ a(b: " + "[" * 20_000 + ") }"),
    Sent("2 MiB of comment", "LIMIT_EXCEEDED", 413, query="{ __typename } #" + "x" * 2 * MIB),
    Sent(
        "digits", "PAGE_TOO_LARGE", query="{ signals(first: " + "9" * 10_000 + ") { resumeFrom } }"
    ),
    Sent(
        "a page of 1e9",
        "PAGE_TOO_LARGE",
        query="{ signals(first: 1000000000) { edges { node { id } } } }",
    ),
    Sent("a page of -1", "INVALID", query="{ signals(first: -1) { edges { node { id } } } }"),
    Sent("a cursor of nothing", "BAD_CURSOR", query='{ signals(after: "@@@") { resumeFrom } }'),
    Sent("defer", "VALIDATION", query="{ ... @defer { __typename } }"),
    Sent("1,000 operations", "LIMIT_EXCEEDED", query=repeated("query Q% { a }", 1_000)),
    Sent("100 operations", "INVALID", 400, query=repeated("query Q% { a }", 100)),
    Sent(
        "1,000 variables",
        "LIMIT_EXCEEDED",
        query="query (" + repeated("$v%: Int", 1_000) + ") { __typename }",
    ),
    Sent("5,000 mistakes", "LIMIT_EXCEEDED", query="{" + repeated("x%", 5_000) + "}"),
    Sent("900 mistakes", "VALIDATION", query="{" + repeated("x%", 900) + "}"),
    Sent("a guess", "VALIDATION", query="{ viewer { nam } }"),
]

BODIES = [
    Sent("a text", "INVALID", 400, body=b'"x"'),
    Sent("a number", "INVALID", 400, body=b"5"),
    Sent("null", "INVALID", 400, body=b"null"),
    Sent("nothing", "INVALID", 400, body=b""),
    Sent("half of it", "INVALID", 400, body=b'{"query": "{ __ty'),
    Sent("no UTF-8", "INVALID", 400, body=b'{"query": "\xff\xfe"}'),
    Sent("not a number", "INVALID", 400, body=variables("NaN")),
    Sent("half a letter", "INVALID", 400, body=variables('"\\ud800"')),
    Sent("a list of queries", "INVALID", 400, body=b'{"query": ["a"]}'),
    Sent("an object of queries", "INVALID", 400, body=b'{"query": {}}'),
    Sent("a number for a name", "INVALID", 400, body=f'{ASKED}, "operationName": 5}}'.encode()),
    Sent("an object for a name", "INVALID", 400, body=f'{ASKED}, "operationName": {{}}}}'.encode()),
    Sent("a text for variables", "INVALID", 400, body=f'{ASKED}, "variables": "x"}}'.encode()),
    Sent("a NUL", "SYNTAX", body=b'{"query": "{ __typename }\\u0000"}'),
    Sent("200,000 lists", "INVALID", 400, body=variables("[" * 100_000 + "]" * 100_000)),
    Sent("30 lists", "LIMIT_EXCEEDED", 400, body=variables("[" * 30 + "]" * 30)),
    Sent("10,000 digits", "INVALID", 400, body=variables("9" * 10_000)),
    Sent("a batch of 1,000", "LIMIT_EXCEEDED", 400, body=json.dumps([SMALL] * 1_000).encode()),
    Sent("a batch of none", "LIMIT_EXCEEDED", 400, body=b"[1, null]"),
    Sent("50 MiB", "LIMIT_EXCEEDED", 413, body=b" " * 50 * MIB),
    Sent("50 MiB in pieces", "LIMIT_EXCEEDED", 413, body=in_chunks),
    Sent(
        "100 MiB in 100 KiB",
        "INVALID",
        415,
        body=gzip.compress(b" " * 100 * MIB),
        head={"content-encoding": "gzip"},
    ),
    Sent(
        "a claim of layers",
        "INVALID",
        415,
        body=b"",
        head={"content-encoding": "gzip, " * 99 + "br"},
    ),
]

ELSEWHERE = {"sec-fetch-site": "cross-site", "origin": "https://evil.example", "accept": "*/*"}
FORMS = [
    Sent("a form", "INVALID", 415, body=b"query=x", head={"content-type": "text/html"}),
    *(
        Sent(f"{media!r}", "INVALID", 415, query="{ __typename }", head={"content-type": media})
        for media in (
            "",
            "text/plain",
            "text/plain; application/json",
            "xapplication/json",
            "application/jsonx",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-7",
        )
    ),
    Sent(
        "an image is wanted", "INVALID", 406, query="{ __typename }", head={"accept": "image/png"}
    ),
    Sent(
        "a mutation by GET",
        "INVALID",
        405,
        method="GET",
        params={"query": "mutation { __typename }"},
    ),
    Sent("GET from elsewhere", "FORBIDDEN", 403, method="GET", params=SMALL, head=ELSEWHERE),
    *(
        Sent(
            f"variables={given}", "INVALID", 400, method="GET", params={**SMALL, "variables": given}
        )
        for given in ("{", "[1]", "5", '"x"', "[" * 2_000)
    ),
    *(Sent(method, "INVALID", 405, method=method) for method in ("PUT", "DELETE", "PATCH")),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Running]:
    async with filled(f"sqlite:///{tmp_path_factory.mktemp('hostile')}/hub.db") as hub:
        yield hub


async def lives(hub: Running) -> None:
    began = perf_counter()
    assert await hub.ask("{ viewer { name } }") == {"viewer": {"name": "sales"}}
    assert perf_counter() - began < TIME


@pytest.mark.parametrize("sent", [*SHAPES, *BODIES, *FORMS], ids=lambda sent: sent.name)
async def test_it_is_refused_by_its_word_and_the_hub_lives(hub: Running, sent: Sent) -> None:
    content = sent.content()
    key = {"authorization": f"Bearer {hub.keys['sales']}"}
    began = perf_counter()
    answer = await hub.client.request(
        sent.method,
        "/graphql",
        content=content() if callable(content) else content,
        headers=JSON | key | dict(sent.head),
        params=sent.params,
    )
    assert perf_counter() - began < TIME
    assert answer.status_code == sent.status, answer.text
    told = answer.json()
    assert "data" not in told
    assert {one["extensions"]["code"] for one in told["errors"]} == {sent.code}
    assert len(told["errors"]) <= 6  # five, and that there are more
    for word in ("Traceback", "Did you mean", "codec", "base64", CANARY):
        assert word not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers
    await lives(hub)


async def test_two_lengths_of_one_body_make_no_second_request(hub: Running) -> None:
    host, _, port = hub.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = "POST /graphql HTTP/1.1", "Host: hub", "Content-Type: application/json"
    lengths = "Content-Length: 5", "Transfer-Encoding: chunked"
    smuggled = "0\r\n\r\nGET /livez HTTP/1.1\r\nHost: hub\r\n\r\n"
    writer.write("\r\n".join([*lines, *lengths, "", smuggled]).encode())
    answered = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            answered = await reader.read()
    writer.close()
    assert answered.count(b"HTTP/1.1") <= 1
    await lives(hub)
