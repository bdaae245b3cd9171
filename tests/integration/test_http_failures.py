"""Servers that fail as servers do, and a client that stays whole."""

import asyncio
import os
import random
import socket
import threading
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.connector import Http
from hub.errors import ConfigError, SourceUnavailable
from hub.http import Clients, Timeouts
from tests.wire import (
    AUTHORITY,
    Answer,
    Caller,
    closes,
    drips_headers,
    drips_the_body,
    hangs,
    listen,
    reply,
    resets,
    says,
)

QUICK = Timeouts(timedelta(seconds=0.5), timedelta(seconds=0.5), timedelta(seconds=1))


@pytest.fixture
async def clients() -> AsyncGenerator[Clients]:
    async with Clients() as made:
        yield made


async def at_home(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


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


async def test_garbage_within_tls() -> None:
    async def garbles(caller: Caller) -> None:
        await caller.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        os.write(
            caller.writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + b"?" * 32
        )
        await hangs(caller)

    async with (
        listen(garbles, tls=True) as server,
        Clients(ca_file=AUTHORITY, resolver=at_home) as clients,
    ):
        endpoint = Http(url=f"https://api.test:{server.port}")
        with pytest.raises(SourceUnavailable, match=r"api\.test broke off the connection"):
            await clients.api(endpoint, timeout=QUICK).get()


async def test_a_name_that_hangs_holds_up_no_other(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's resolver blocks a thread; as many callers as like wait on that one thread."""
    system, answered, asked = socket.getaddrinfo, threading.Event(), list[str]()

    def blocking(host: str, *args: Any, **options: Any) -> list[Any]:
        asked.append(host)
        if host == "stuck.test":
            answered.wait(30)
        return system(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", blocking)
    async with listen(says()) as server:
        stuck = clients.api(Http(url="http://stuck.test"), timeout=QUICK)
        held = [asyncio.ensure_future(stuck.get()) for _ in range(100)]
        await asyncio.sleep(0.05)
        fine = clients.api(Http(url=f"http://localhost:{server.port}"))
        assert await asyncio.gather(*[fine.get() for _ in range(20)]) == [{}] * 20
        for failure in await asyncio.gather(*held, return_exceptions=True):
            assert str(failure) == "stuck.test could not be reached within 0.5 s"
        assert asked.count("stuck.test") == 1
        answered.set()


async def test_requests_that_are_cancelled_do_not_harm_the_pool(clients: Clients) -> None:
    """Three seconds of cancellations, then 20 of 20 (https://github.com/encode/httpcore/issues/1093)."""

    async def slow(caller: Caller) -> None:
        await asyncio.sleep(0.01)
        await caller.write(reply())

    chance = random.Random(1)
    async with listen(slow) as server:
        api = clients.api(Http(url=server.url))
        end = time.monotonic() + 3
        cancelled = finished = 0

        async def caller() -> None:
            nonlocal cancelled, finished
            while time.monotonic() < (end if finished else end + 30):
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
    async with listen(says(b'{"tls": true}'), tls=True) as server:
        endpoint = Http(url=f"https://api.test:{server.port}")
        async with Clients(ca_file=AUTHORITY, resolver=at_home) as clients:
            assert await clients.api(endpoint).get() == {"tls": True}
        async with Clients(resolver=at_home) as clients:
            with pytest.raises(SourceUnavailable, match=r"certificate that is not trusted \(.+\)"):
                await clients.api(endpoint).get()


async def test_closing_the_clients_ends_what_is_under_way() -> None:
    async with listen(hangs) as server:
        async with Clients() as clients:
            asking = asyncio.ensure_future(clients.api(Http(url=server.url)).get())
            await asyncio.sleep(0.1)
        with pytest.raises(SourceUnavailable, match="broke off the connection"):
            await asyncio.wait_for(asking, 1)


@pytest.mark.parametrize("text", ["", "not a certificate", None])
async def test_authorities_that_cannot_be_read(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "authorities.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=r"authorities\.pem cannot be read"):
        Clients(ca_file=str(file))


@pytest.mark.parametrize("proxy", ["proxy:3128", "socks5://proxy:1080", "", "http://me:pw@", "\0"])
async def test_a_proxy_that_is_none(proxy: str) -> None:
    with pytest.raises(ConfigError, match="proxy is not an address") as caught:
        Clients(proxy=proxy)
    assert "pw" not in str(caught.value)
