"""The client of a source: what it asks, and that no secret leaves by another way."""

import asyncio
import logging
import traceback
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
)
from hub.http import Clients, Timeouts
from tests.wire import Answer, Caller, closes, listen, reply, resets, says

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

        async def pause(self, wait: timedelta) -> None:
            raise AssertionError(wait)

    budget = Turnstile()
    async with listen(says()) as server:
        api = clients.api(Http(url=server.url, per_minute=1), budget=budget)
        await api.get()
        await api.post("", {})
        await api.fetch()
        assert budget.taken == len(server.asked) == 3


async def test_what_has_a_limit_of_its_own_is_counted_by_itself(clients: Clients) -> None:
    """Zendesk's exports, Slack's methods: a path's budget first, then that of the account."""
    async with listen(says()) as server:
        limits = {"/exports": 1, "/exports/small": 2}
        api = clients.api(Http(url=f"{server.url}/api", per_minute=6, per_minute_at=limits))
        for path in ("/exports/a", "/exports/small/b", "exports/small/c", "/rest"):
            await api.get(path)
        for path in ("/exports/a", "/exports/small/d", f"{server.url}/api/exports/e"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(api.get(path), 0.2)
        await api.get("/rest")
        assert len(server.asked) == 5


async def test_a_limit_that_one_source_meets_is_the_accounts(clients: Clients) -> None:
    async with listen(says(b"{}", "429 Too Many Requests", Retry_After="300")) as server:
        endpoint = Http(url=server.url, auth=Bearer(SecretStr("a-token")))
        with pytest.raises(RateLimited, match="429"):
            await clients.api(endpoint).get()
        with pytest.raises(
            RateLimited, match=r"127\.0\.0\.1 is asked no more: its limit"
        ) as caught:
            await clients.api(endpoint).get("/other")
        assert len(server.asked) == 1
        assert caught.value.retry_after is not None
        assert timedelta(seconds=298) < caught.value.retry_after <= timedelta(seconds=300)
        with pytest.raises(RateLimited, match="429"):
            await clients.api(Http(url=server.url, auth=Bearer(SecretStr("another")))).get()


async def test_an_account_is_paused_for_an_hour_at_most(clients: Clients) -> None:
    async with listen(says(b"{}", "429 Too Many Requests", Retry_After="80000")) as server:
        api = clients.api(Http(url=server.url))
        with pytest.raises(RateLimited) as refused:
            await api.get()
        with pytest.raises(RateLimited, match="its limit is reached") as paused:
            await api.get()
    # The source itself waits for as long as it was told.
    assert refused.value.retry_after == timedelta(seconds=80_000)
    assert paused.value.retry_after is not None
    assert paused.value.retry_after <= timedelta(hours=1)


async def test_it_slows_down_before_a_limit_is_reached(clients: Clients) -> None:
    last = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
    async with listen(says(b"{}", **last)) as server:
        api = clients.api(Http(url=server.url, per_minute=60))
        began = asyncio.get_running_loop().time()
        await api.get()
        assert asyncio.get_running_loop().time() - began < 0.9
        await api.get()
        assert asyncio.get_running_loop().time() - began >= 0.9
    async with listen(says(b"{}", sforce_limit_info="api-usage=13900/15000")) as server:
        api = clients.api(Http(url=server.url))
        await api.get()
        with pytest.raises(RateLimited) as caught:
            await api.get()
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > timedelta(minutes=14)
        assert len(server.asked) == 1


async def test_a_path_that_is_paused_holds_up_no_other(clients: Clients) -> None:
    said = {"zendesk-ratelimit-incremental-exports": "total=10; remaining=0; resets=60"}
    async with listen(says(b"{}", **said)) as server:
        api = clients.api(Http(url=server.url, per_minute=600, per_minute_at={"/exports": 10}))
        await api.get("/exports/a")
        with pytest.raises(RateLimited):
            await api.get("/exports/a")
        with pytest.raises(RateLimited):
            await api.get("/exports/b")
        await api.get("/tickets")


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


def echoes(status: str, dots: int = 0) -> Answer:
    """Quote the request, after so many dots: where a message is cut, so may be a secret."""

    async def echo(caller: Caller) -> None:
        told = f"{caller.asked.line} {sorted(caller.asked.headers.items())}"
        said = orjson.dumps({"message": "." * dots + told})
        await caller.write(reply(said, status, {"Location": f"/login/{CANARY}?t={CANARY}"}))

    return echo


@pytest.mark.parametrize(
    "answer",
    [
        *map(echoes, ("401 U", "403 F", "404 N", "429 T", "500 I", "302 F")),
        *(echoes("401 U", dots) for dots in range(0, 200, 9)),
        resets,
        closes,
    ],
)
@pytest.mark.parametrize(
    "how",
    [
        {"auth": Bearer(SecretStr(CANARY))},
        {"auth": Basic("me", SecretStr(CANARY))},
        {"auth": Header("X-Key", SecretStr(CANARY))},
        {"auth": Header("Authorization", SecretStr(f"Token token={CANARY}"))},
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
