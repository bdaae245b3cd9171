"""The client of a source, against servers that do what servers do."""

import asyncio
import gzip
import logging
import random
import time
import traceback
import tracemalloc
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from hub.connector import Basic, Bearer, Header, Http, SecretStr
from hub.errors import (
    AuthFailed,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.http import Clients, Timeouts
from tests.wire import AUTHORITY, Answer, Caller, listen, reply, says

MIB = 1024 * 1024
CANARY = "c4n4ry-t0ken"
QUICK = Timeouts(timedelta(seconds=0.5), timedelta(seconds=0.5), timedelta(seconds=1))


@pytest.fixture
async def clients() -> AsyncGenerator[Clients]:
    async with Clients() as made:
        yield made


async def test_parameters_as_vendors_expect_them(clients: Clients) -> None:
    async with listen(says()) as server:
        api = clients.api(Http(url=f"{server.url}/api"))
        at = datetime(2026, 11, 24, 12, tzinfo=UTC)
        await api.get(
            "deals",
            none=None,
            yes=True,
            no=False,
            ids=[1, "two", None],
            q="a&b c+d/é",
            at=at,
            n=1.5,
        )
        assert server.asked[0].line == (
            "GET /api/deals?yes=true&no=false&ids=1&ids=two&q=a%26b+c%2Bd%2F%C3%A9"
            "&at=2026-11-24T12%3A00%3A00Z&n=1.5 HTTP/1.1"
        )
        with pytest.raises(TypeError, match="parameter where"):
            await api.get("deals", where={"a": 1})
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("base", "path", "target"),
    [
        ("/api/v2", "tickets.json", "/api/v2/tickets.json"),
        ("/api/v2/", "/tickets.json", "/api/v2/tickets.json"),
        ("", "/services/data/query/01g-2000", "/services/data/query/01g-2000"),
        ("/feed.xml", "", "/feed.xml"),
        ("", "", "/"),
        ("/api", "export?start=1", "/api/export?start=1"),
        ("/api", "?page=2", "/api?page=2"),
        ("/api?team=1", "?page=2", "/api?team=1&page=2"),
        ("/api?team=1", "x", "/api/x?team=1"),
        ("/api", "//evil.test/x", "/api/evil.test/x"),
        ("/api", "@evil.test/x", "/api/@evil.test/x"),
    ],
)
async def test_paths_stay_under_the_endpoint(
    clients: Clients, base: str, path: str, target: str
) -> None:
    async with listen(says()) as server:
        await clients.api(Http(url=server.url + base)).get(path)
        assert server.asked[0].line == f"GET {target} HTTP/1.1"


async def test_a_parameter_joins_the_query_of_a_link(clients: Clients) -> None:
    async with listen(says()) as server:
        api = clients.api(Http(url=server.url))
        await api.get(f"{server.url}/next?cursor=a%3D%3D", limit=5)
        assert server.asked[0].line == "GET /next?cursor=a%3D%3D&limit=5 HTTP/1.1"


async def test_a_next_link_is_followed_on_the_endpoints_origin_only(clients: Clients) -> None:
    async with listen(says()) as server, listen(says()) as other:
        api = clients.api(Http(url=f"{server.url}/api", auth=Bearer(SecretStr(CANARY))))
        await api.get(f"HTTP://127.0.0.1:{server.port}/elsewhere?cursor=1")
        assert server.asked[0].line == "GET /elsewhere?cursor=1 HTTP/1.1"
        for link in (
            other.url,
            f"https://127.0.0.1:{server.port}/",
            f"http://localhost:{server.port}/",
            f"http://127.0.0.1:{server.port}@evil.test/",
            f"http://user:pw@127.0.0.1:{server.port}/",
            "http://127.0.0.1/",
        ):
            with pytest.raises(SourceMisbehaved, match="next page"):
                await api.get(link)
        assert len(server.asked) == 1
        assert other.connections == 0


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (Bearer(SecretStr("t")), "authorization", "Bearer t"),
        (Basic("ä/token", SecretStr("p")), "authorization", "Basic w6QvdG9rZW46cA=="),
        (Header("X-Api-Key", SecretStr("k")), "x-api-key", "k"),
        (None, "authorization", None),
    ],
)
async def test_signing_in(
    clients: Clients, auth: Bearer | Basic | Header | None, name: str, value: str | None
) -> None:
    async with listen(says()) as server:
        endpoint = Http(url=server.url, auth=auth, headers={"Intercom-Version": "2.11"})
        await clients.api(endpoint).get()
        assert server.asked[0].headers.get(name) == value
        assert server.asked[0].headers["intercom-version"] == "2.11"
        assert server.asked[0].headers["accept"] == "application/json"


async def test_posting_json(clients: Clients) -> None:
    async with listen(says(b'{"results": [1]}')) as server:
        api = clients.api(Http(url=server.url))
        assert await api.post("search", {"limit": 100, "q": "é"}) == {"results": [1]}
        assert server.asked[0].line == "POST /search HTTP/1.1"
        assert server.asked[0].headers["content-type"] == "application/json"
        assert orjson.loads(server.asked[0].body) == {"limit": 100, "q": "é"}


async def test_an_answer_without_content(clients: Clients) -> None:
    async with listen(says(b"", "204 No Content")) as server:
        assert await clients.api(Http(url=server.url)).post("ack", {}) is None


async def test_fetching_a_whole_answer(clients: Clients) -> None:
    async def feed(caller: Caller) -> None:
        if caller.asked.headers.get("if-none-match") == '"7"':
            await caller.write(b'HTTP/1.1 304 Not Modified\r\nETag: "7"\r\n\r\n')
        else:
            headers = {"Content-Type": "text/xml", "ETag": '"7"', "Link": "<x>; rel=next"}
            await caller.write(reply(b"<rss/>", headers=headers))

    async with listen(feed) as server:
        api = clients.api(Http(url=f"{server.url}/feed"))
        first = await api.fetch()
        assert (first.status, first.content, first.not_modified) == (200, b"<rss/>", False)
        assert first.headers["link"] == first.headers["Link"] == "<x>; rel=next"
        assert first.url == f"{server.url}/feed"
        again = await api.fetch(params={"a": 1}, headers={"If-None-Match": first.headers["etag"]})
        assert again.not_modified
        assert server.asked[1].line == "GET /feed?a=1 HTTP/1.1"
        assert server.connections == 1
        with pytest.raises(SourceMisbehaved, match="304"):
            await clients.api(Http(url=server.url, headers={"If-None-Match": '"7"'})).get()


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


async def closes(caller: Caller) -> None:
    caller.writer.close()


async def resets(caller: Caller) -> None:
    caller.reset()


async def resets_within_the_body(caller: Caller) -> None:
    await caller.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await asyncio.sleep(0.05)
    caller.reset()


async def ends_within_the_body(caller: Caller) -> None:
    await caller.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    caller.writer.close()


async def ends_within_a_chunk(caller: Caller) -> None:
    await caller.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{")
    caller.writer.close()


async def garbage(caller: Caller) -> None:
    await caller.write(b"\x16\x03\x01 SSH-2.0 what?\r\n\r\n")
    caller.writer.close()


async def endless_headers(caller: Caller) -> None:
    await caller.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await caller.write(b"X-More: " + b"y" * 1000 + b"\r\n")


async def hangs(caller: Caller) -> None:
    await caller.reader.read()


async def drips_headers(caller: Caller) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 1000:
        await caller.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def drips_the_body(caller: Caller) -> None:
    await caller.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await caller.write(b" ")
        await asyncio.sleep(0.02)


async def stalls_within_the_body(caller: Caller) -> None:
    await caller.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    await caller.reader.read()


async def asks_for_patience_for_ever(caller: Caller) -> None:
    while True:
        await caller.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (closes, "closed the connection without an answer"),
        (resets, "broke off the connection"),
        (resets_within_the_body, "broke off the connection"),
        (ends_within_the_body, "broke off in the middle of its answer"),
        (ends_within_a_chunk, "broke off in the middle of its answer"),
        (garbage, "does not answer in HTTP"),
        (endless_headers, "does not answer in HTTP"),
        (hangs, r"sent nothing for 0\.5 s"),
        (stalls_within_the_body, r"sent nothing for 0\.5 s"),
        (drips_headers, "did not finish within 1 s"),
        (drips_the_body, "did not finish within 1 s"),
        (asks_for_patience_for_ever, "did not finish within 1 s"),
    ],
)
async def test_servers_that_fail_are_unavailable_in_plain_words(
    clients: Clients, answer: Answer, words: str
) -> None:
    async with listen(answer) as server:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match=f"^127.0.0.1 {words}$"):
            await clients.api(Http(url=server.url), timeout=QUICK).get()
        assert time.monotonic() - began < 2.5
        for _ in range(100):
            if not server.open:
                break
            await asyncio.sleep(0.01)
        assert server.open == 0  # nothing is left connected


async def test_nobody_listens(clients: Clients) -> None:
    async with listen(says()) as server:
        pass
    with pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1 refuses connections$"):
        await clients.api(Http(url=server.url)).get()


async def test_a_server_without_tls_is_called_by_https(clients: Clients) -> None:
    async def plain(caller: Caller) -> None:
        await caller.reader.read(100)
        await caller.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listen(plain, reads=False) as server:
        url = server.url.replace("http://", "https://")
        with pytest.raises(SourceUnavailable, match=r"failed at TLS \(.+\)"):
            await clients.api(Http(url=url), timeout=QUICK).get()


async def test_a_server_hangs_or_hangs_up_in_the_tls_handshake(clients: Clients) -> None:
    for answer, words in (
        (hangs, r"could not be reached within 0\.5 s"),
        (closes, "closed the connection during TLS"),
        (resets, "closed the connection during TLS"),
    ):
        async with listen(answer, reads=False) as server:
            url = server.url.replace("http://", "https://")
            with pytest.raises(SourceUnavailable, match=words):
                await clients.api(Http(url=url), timeout=QUICK).get()


async def test_cookies_are_not_kept(clients: Clients) -> None:
    async with listen(says(Set_Cookie="session=1; Path=/")) as server:
        api = clients.api(Http(url=server.url))
        await api.get()
        await api.get()
        assert server.connections == 1
        assert all("cookie" not in asked.headers for asked in server.asked)


async def test_a_budget_is_kept_from_one_poll_to_the_next(clients: Clients) -> None:
    async with listen(says()) as server:
        endpoint = Http(url=server.url, per_minute=2, auth=Bearer(SecretStr("t")))
        await clients.api(endpoint).get()
        await clients.api(endpoint).get()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(clients.api(endpoint).get(), 0.2)
        assert len(server.asked) == 2
        await clients.api(Http(url=server.url, per_minute=2)).get()  # another account


async def test_a_budget_from_outside_is_asked_before_each_call(clients: Clients) -> None:
    class Turnstile:
        taken = 0

        async def take(self) -> None:
            assert self.taken == len(server.asked)
            self.taken += 1

    budget = Turnstile()
    async with listen(says()) as server:
        api = clients.api(Http(url=server.url, per_minute=1), budget=budget)
        await api.get()
        await api.post("", {})
        await api.fetch()
        assert budget.taken == len(server.asked) == 3


@pytest.mark.parametrize("secret", ["lost\n", "tab\tbed", " ahead", "", "uml\u00e4ut", "nul\0"])
async def test_a_secret_that_cannot_be_sent_is_an_error_of_the_sign_in(
    clients: Clients, secret: str
) -> None:
    with pytest.raises(AuthFailed, match=r"sign-in or a header for api\.test") as caught:
        clients.api(Http(url="https://api.test", auth=Bearer(SecretStr(secret))))
    assert not secret.strip() or secret.strip() not in str(caught.value)


async def test_an_endpoint_without_a_usable_url(clients: Clients) -> None:
    for url in ("https://user:pw@api.test", "ftp://api.test", "nonsense"):
        with pytest.raises(SourceMisbehaved, match="The endpoint's URL"):
            clients.api(Http(url=url))


def echoes(status: str) -> Answer:
    async def echo(caller: Caller) -> None:
        said = orjson.dumps({"message": f"{'.' * 190} {caller.asked.line} {caller.asked.headers}"})
        await caller.write(reply(said, status, {"Location": f"/login/{CANARY}?t={CANARY}"}))

    return echo


@pytest.mark.parametrize(
    "answer",
    [*map(echoes, ("401 U", "403 F", "404 N", "429 T", "500 I", "302 F")), hangs, garbage, closes],
)
@pytest.mark.parametrize(
    "how",
    [
        {"auth": Bearer(SecretStr(CANARY))},
        {"auth": Basic("me", SecretStr(CANARY))},
        {"auth": Header("X-Key", SecretStr(CANARY))},
        {"headers": {"X-Auth-Token": CANARY}},
        {"url": f"?api_key={CANARY}"},
    ],
)
async def test_no_secret_in_any_error_or_log(
    clients: Clients, answer: Answer, how: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with listen(answer) as server:
        endpoint = Http(**how | {"url": server.url + how.get("url", "")})
        api = clients.api(endpoint, timeout=QUICK)
        with pytest.raises(SourceError) as caught:
            await api.get(CANARY if "auth" in how else "")
    told = "".join(traceback.format_exception(caught.value))
    shown = [str(caught.value), repr(caught.value), repr(api), repr(caught.value.__dict__)]
    for text in (*shown, told.replace(__file__, "")):
        for secret in (CANARY, CANARY[:6], "bWU6YzRuNHJ5"):
            assert secret not in text
    logged = [record.getMessage() for record in caplog.records if record.name != "asyncio"]
    # The vendor's own headers may be traced at DEBUG by the client; what we sent may not.
    assert not [
        text for text in logged if CANARY in text and "receive_response_headers" not in text
    ]


async def test_requests_that_are_cancelled_do_not_harm_the_pool(clients: Clients) -> None:
    """Three seconds of cancellations, then 20 of 20 (https://github.com/encode/httpcore/issues/1093)."""

    async def slow(caller: Caller) -> None:
        await asyncio.sleep(0.01)
        await caller.write(reply())

    chance = random.Random(1)  # noqa: S311 - a schedule, no secret
    async with listen(slow) as server:
        api = clients.api(Http(url=server.url))
        end = time.monotonic() + 3
        cancelled = finished = 0

        async def caller() -> None:
            nonlocal cancelled, finished
            while time.monotonic() < end:
                try:
                    async with asyncio.timeout(chance.random() * 0.04):
                        await api.get()
                    finished += 1
                except TimeoutError:
                    cancelled += 1

        await asyncio.gather(*[caller() for _ in range(20)])
        assert cancelled > 100
        assert finished > 0
        answers = await asyncio.gather(*[api.get() for _ in range(20)])
        assert answers == [{}] * 20
        await asyncio.sleep(0.1)
        assert server.open <= 20  # idle ones; none is lost and left open


async def test_sources_wait_for_none_of_each_other(clients: Clients) -> None:
    async with listen(hangs) as stuck, listen(says()) as fine:
        slow = Timeouts(read=timedelta(seconds=2))
        held = [
            asyncio.ensure_future(clients.api(Http(url=stuck.url), timeout=slow).get())
            for _ in range(150)
        ]
        await asyncio.sleep(0.2)
        began = time.monotonic()
        api = clients.api(Http(url=fine.url))
        assert await asyncio.gather(*[api.get() for _ in range(20)]) == [{}] * 20
        assert time.monotonic() - began < 1
        failures = await asyncio.gather(*held, return_exceptions=True)
        assert {type(failure) for failure in failures} == {SourceUnavailable}


async def test_tls_with_a_company_authority() -> None:
    async def at_home(host: str, port: int) -> list[str]:
        assert (host, port) == ("api.test", server.port)
        return ["127.0.0.1"]

    async with listen(says(b'{"tls": true}'), tls=True) as server:
        endpoint = Http(url=f"https://api.test:{server.port}")
        async with Clients(ca_file=AUTHORITY, resolver=at_home) as clients:
            assert await clients.api(endpoint).get() == {"tls": True}
        async with Clients(resolver=at_home) as clients:
            with pytest.raises(SourceUnavailable, match=r"certificate that is not trusted \(.+\)"):
                await clients.api(endpoint).get()
