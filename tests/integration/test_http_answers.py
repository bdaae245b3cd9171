"""What a source answers, and what that means for its poll."""

import gzip
import tracemalloc
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest

from hub.connector import Bearer, Http, SecretStr
from hub.errors import (
    AuthFailed,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.http import Clients
from tests.wire import Caller, listen, says

MIB = 1024 * 1024
CANARY = "c4n4ry-t0ken"


@pytest.fixture
async def clients() -> AsyncGenerator[Clients]:
    async with Clients() as made:
        yield made


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "words"),
    [
        ("401 Unauthorized", {}, b'{"message": "Bad credentials"}', AuthFailed,
         "127.0.0.1 answered 401 Unauthorized: Bad credentials"),
        ("403 Forbidden", {}, b'{"error": {"title": "no scope"}}', AuthFailed,
         "127.0.0.1 answered 403 Forbidden: no scope"),
        ("403 Forbidden", {"x-ratelimit-remaining": "0"}, b"", RateLimited, "403 Forbidden"),
        ("403 Forbidden", {"Retry-After": "9"}, b'{"message": "secondary"}', RateLimited,
         "secondary"),
        ("429 Too Many Requests", {}, b'{"policyName": "SECONDLY"}', RateLimited, "429"),
        ("404 Not Found", {}, b"<html><title>Not &amp; here</title>", SourceMisbehaved,
         "404 Not Found for /deals: Not & here"),
        ("400 Bad Request", {}, b'{"errors": [{"detail": "since is wrong"}]}', SourceMisbehaved,
         "since is wrong"),
        ("410 Gone", {}, b"cursor \x00\x1b[31m expired", SourceMisbehaved, "cursor [31m expired"),
        ("422 Unprocessable", {}, b"x" * 5000, SourceMisbehaved, "x" * 199 + "…"),
        ("408 Request Timeout", {}, b"", SourceUnavailable, "408"),
        ("500 Internal Server Error", {}, b"<h1>Oops</h1>", SourceUnavailable, ": Oops"),
        ("503 Service Unavailable", {}, b"\xff\xfe", SourceUnavailable, "503"),
        ("599 Strange", {}, b"", SourceUnavailable, "127.0.0.1 answered 599"),
        ("301 Moved", {"Location": "https://other.host/a?t=1"}, b"", SourceMisbehaved,
         "127.0.0.1 redirects /deals to https://other.host/a, which is not followed"),
        ("302 Found", {"Location": "/login"}, b"", SourceMisbehaved, "to the same://127.0.0.1/login"),
        ("307 Temporary", {}, b"", SourceMisbehaved, "redirects"),
        ("308 Permanent", {"Location": "http://\u0661"}, b"", SourceMisbehaved, "no URL"),
        ("304 Not Modified", {}, b"", SourceMisbehaved, "304 Not Modified for /deals"),
    ],
)  # fmt: skip
async def test_what_a_status_means(
    clients: Clients,
    status: str,
    headers: dict[str, str],
    body: bytes,
    kind: type[SourceError],
    words: str,
) -> None:
    async with listen(says(body, status, **headers)) as server:
        with pytest.raises(kind) as caught:
            await clients.api(Http(url=server.url)).get("deals", token="x")
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    if isinstance(caught.value, SourceMisbehaved):
        assert caught.value.status == int(status[:3])


async def test_how_long_to_wait_is_read_from_a_429(clients: Clients) -> None:
    for headers, wait in (({"Retry-After": "7"}, timedelta(seconds=7)), ({}, None)):
        async with listen(says(b"", "429 Too Many Requests", **headers)) as server:
            with pytest.raises(RateLimited) as caught:
                await clients.api(Http(url=server.url)).get()
            assert caught.value.retry_after == wait


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<!doctype html><p>Log in", "text/html; charset=x", "answered with text/html, not JSON"),
        (b"", "application/json", "an empty body"),
        (b"   ", "text/plain", "an empty body"),
        (b'{"a": ', "application/json", "cannot be read as JSON"),
        (b'{"a": "\xff\xfe"}', "application/json", "cannot be read as JSON"),
        (b"[" * 200_000, "application/json", "cannot be read as JSON"),
        (b'{"a":' * 100_000, "application/json", "cannot be read as JSON"),
        (b"9" * 10_000, "application/json", "cannot be read as JSON"),
        (b"<xml/>", "", "cannot be read as JSON"),
    ],
)  # fmt: skip
async def test_what_is_not_json(clients: Clients, body: bytes, kind: str, words: str) -> None:
    async with listen(says(body, Content_Type=kind)) as server:
        with pytest.raises(SourceMisbehaved, match=words):
            await clients.api(Http(url=server.url)).get()


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"a": [1, 2.5, null, "\xc3\xa9"]}', {"a": [1, 2.5, None, "é"]}),
        (b'[{"text": "half an emoji \\ud83d"}, {"ok": true}]',
         [{"text": "half an emoji ?"}, {"ok": True}]),
        (b'{"score": NaN, "n": Infinity}', {"score": None, "n": None}),
        (b'\xef\xbb\xbf{"bom": 1}', {"bom": 1}),
        (b"18446744073709551615", 18446744073709551615),
        (b"null", None),
    ],
)  # fmt: skip
async def test_one_odd_value_does_not_cost_the_page(
    clients: Clients, body: bytes, read: object
) -> None:
    async with listen(says(body, Content_Type="text/plain")) as server:
        assert await clients.api(Http(url=server.url)).get() == read


async def test_a_refusal_in_a_200(clients: Clients) -> None:
    def says_no(answer: Any) -> SourceError | None:
        return None if answer["ok"] else RateLimited(f"Slack: {answer['error']} {CANARY}")

    async with listen(says(b'{"ok": false, "error": "ratelimited"}')) as server:
        endpoint = Http(url=server.url, says_no=says_no, auth=Bearer(SecretStr(CANARY)))
        with pytest.raises(RateLimited, match="Slack: ratelimited …"):
            await clients.api(endpoint).get()
    async with listen(says(b'{"ok": true}')) as server:
        assert await clients.api(Http(url=server.url, says_no=says_no)).get() == {"ok": True}


async def test_a_body_of_exactly_the_limit(clients: Clients) -> None:
    body = b'"' + b"a" * (16 * MIB - 2) + b'"'
    async with listen(says(body)) as server:
        assert len(await clients.api(Http(url=server.url)).get()) == 16 * MIB - 2


async def test_a_body_beyond_the_limit_is_cut_off(clients: Clients) -> None:
    sent = 0

    async def fifty_megabytes(caller: Caller) -> None:
        nonlocal sent
        await caller.write(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
        for _ in range(50):
            await caller.write(b"x" * MIB)
            sent += 1

    async with listen(fifty_megabytes) as server:
        with pytest.raises(SourceMisbehaved, match=r"127\.0\.0\.1 sent more than 16 MiB"):
            await clients.api(Http(url=server.url)).get()
        assert sent < 50


async def test_the_limit_counts_decoded_bytes(clients: Clients) -> None:
    body = gzip.compress(b'"' + b"a" * (16 * MIB) + b'"')
    async with listen(says(body, Content_Encoding="gzip")) as server:
        with pytest.raises(SourceMisbehaved, match="16 MiB"):
            await clients.api(Http(url=server.url)).get()


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_gzip_bomb_is_defused(clients: Clients, layers: int) -> None:
    body = bytes(200 * MIB)
    for _ in range(layers):
        body = gzip.compress(body, 6)
    encoding = ", ".join(["gzip"] * layers)
    async with listen(says(body, Content_Encoding=encoding)) as server:
        api = clients.api(Http(url=server.url))
        tracemalloc.start()
        try:
            with pytest.raises(SourceMisbehaved, match="16 MiB"):
                await api.get()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 48 * MIB


async def test_compressed_and_damaged_bodies(clients: Clients) -> None:
    async with listen(says(gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")) as server:
        assert await clients.api(Http(url=server.url)).get() == {"a": 1}
        assert server.asked[0].headers["accept-encoding"] == "gzip, deflate"
    async with listen(says(b"no gzip", Content_Encoding="gzip")) as server:
        with pytest.raises(SourceMisbehaved, match="damaged compression"):
            await clients.api(Http(url=server.url)).get()
