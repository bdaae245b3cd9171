"""The server that the other tests stand on."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.servers import serve


async def greet(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"hello {request.url.port}")


async def endless(_: Request) -> StreamingResponse:
    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"tick\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(ticks())


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@contextlib.asynccontextmanager
async def broken_start(_: Starlette) -> AsyncGenerator[None]:
    raise ConnectionError("no database")
    yield


ROUTES = [Route("/", greet), Route("/endless", endless), WebSocketRoute("/echo", echo)]


async def test_answers_http_and_websocket_at_the_address_it_yields() -> None:
    async with serve(Starlette(routes=ROUTES)) as url, httpx2.AsyncClient() as client:
        port = url.rpartition(":")[2]
        assert (await client.get(url)).text == f"hello {port}"
        async with connect(f"ws://127.0.0.1:{port}/echo") as socket:
            await socket.send("one")
            assert await socket.recv() == "one"


async def test_keeps_a_port_that_was_asked_for_and_frees_it() -> None:
    async with serve(Starlette(routes=ROUTES)) as url:
        port = int(url.rpartition(":")[2])
    async with serve(Starlette(routes=ROUTES), port=port) as again, httpx2.AsyncClient() as client:
        assert again == url
        assert (await client.get(again)).status_code == 200


async def test_ends_quickly_although_clients_hang_on() -> None:
    async with httpx2.AsyncClient() as client:
        async with serve(Starlette(routes=ROUTES)) as url:
            idle = await connect(url.replace("http", "ws") + "/echo")
            request = client.build_request("GET", f"{url}/endless")
            stream = await client.send(request, stream=True)
            started = time.monotonic()
        assert time.monotonic() - started < 3
        with pytest.raises(ConnectionClosed):
            await idle.recv()
        await stream.aclose()


async def test_a_lifespan_that_fails_fails_the_test_only() -> None:
    with pytest.raises(RuntimeError, match="lifespan failed to start"):
        async with serve(Starlette(lifespan=broken_start)):
            raise AssertionError("must not be reached")
