"""`hub serve` as a supervisor and a person run it: it starts, says where it is, ends in peace."""

import asyncio
import json
import re
import signal
import socket
from pathlib import Path

import httpx2
import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.signals import now
from hub.store import open_store
from hub.store.sources import standings
from tests.cli import Folder, Here
from tests.running import hear, say, until
from tests.servers import serve

KEY = "k" * 40


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path, {"HUB_SECRET_KEY": KEY, "HUB_LOG_LEVEL": "INFO"})
    folder.write("")
    return folder


def test_it_refuses_to_start_with_a_command_or_a_remedy(folder: Folder, here: Here) -> None:
    here("serve").said(2, "the database is empty", "hub migrate")
    here("serve", HUB_SECRET_KEY="").said(2, "HUB_SECRET_KEY", "hub init")
    here("serve", HUB_SECRET_KEY="short").said(2, "shorter than 32")
    here("migrate")
    here("serve", HUB_REDIS="redis://127.0.0.1/0").said(2, "HUB_REDIS")
    here("serve", "--host", "192.0.2.1").said(2, "cannot listen at 192.0.2.1:8000")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        here("serve", "--port", port).said(2, f"127.0.0.1:{port}", "--port")
    folder.write('[sources.a]\nconnector = "zendsk"\n')
    here("serve").said(2, "hub.toml:2: sources.a.connector", "zendesk")
    folder.write(
        '[endpoints.e]\nrole = "sales"\nurl = "https://e.example"\n'
        'secret = "${E}"\nselect = "id titel"\n'
    )
    wrong = here("serve", "--port", "0", E="whsec_aGVsbG8=")
    wrong.said(2, "endpoints.e.select", "titel")


@pytest.mark.processes
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_a_signal_also_with_a_socket_open(
    folder: Folder, by: signal.Signals
) -> None:
    await folder.hub("migrate")
    key = (await folder.hub("keys", "create", "--name", "me", "--role", "sales")).out.strip()
    async with folder.serving() as hub:
        assert re.fullmatch(r"Team Signals Hub is at http://127\.0\.0\.1:\d+ .*\n", hub.line)
        async with httpx2.AsyncClient(base_url=hub.url, timeout=30) as client:
            asked = await client.post(
                "/graphql",
                json={"query": "{ viewer { name roles } }"},
                headers={"Authorization": f"Bearer {key}"},
            )
            assert asked.json() == {"data": {"viewer": {"name": "me", "roles": ["sales"]}}}
            assert "server" not in asked.headers
            assert (await client.get("/readyz")).status_code == 200
        async with websockets.connect(
            hub.url.replace("http", "ws", 1) + "/graphql",
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        ) as ws:
            assert "Sec-WebSocket-Extensions" not in (ws.response.headers if ws.response else {})
            await say(ws, type="connection_init", payload={"authorization": f"Bearer {key}"})
            await hear(ws)
            query = 'subscription { feed(role: "sales") { __typename } }'
            await say(ws, type="subscribe", id="1", payload={"query": query})
            done = await hub.stop(by)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await hear(ws)  # no "complete" before: the client connects again and goes on
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012  # service restart
        assert done.code == 0, done
        assert done.out == ""
        assert "Traceback" not in done.err
        for line in done.err.splitlines():
            assert json.loads(line)["level"] != "error", line
        assert key not in hub.line + done.err


@pytest.mark.processes
async def test_a_stream_and_a_poll_that_hang_do_not_keep_it_from_ending(folder: Folder) -> None:
    polled = asyncio.Event()

    async def hang(request: Request) -> Response:
        del request
        polled.set()
        await asyncio.sleep(60)
        return Response()

    await folder.hub("migrate")
    key = (await folder.hub("keys", "create", "--name", "me", "--role", "sales")).out.strip()
    async with serve(Starlette(routes=[Route("/feed", hang)])) as vendor:
        folder.write(f'[sources.slow]\nconnector = "rss"\nurl = "{vendor}/feed"\n')
        async with folder.serving() as hub, httpx2.AsyncClient(timeout=30) as client:
            query = 'subscription { feed(role: "sales") { __typename } }'
            headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
            async with client.stream(
                "POST", f"{hub.url}/graphql", json={"query": query}, headers=headers
            ) as stream:
                assert stream.status_code == 200
                await asyncio.wait_for(polled.wait(), 30)
                began = asyncio.get_running_loop().time()
                stopping = asyncio.ensure_future(hub.stop(signal.SIGTERM, within=30))
                said = b"".join([chunk async for chunk in stream.aiter_raw()])
                assert b"event: complete" not in said  # the client comes again and goes on
                done = await stopping
            # Ten seconds is what supervisors give; a busy machine takes some more.
            assert asyncio.get_running_loop().time() - began < 20
            assert done.code == 0, done
            assert "Traceback" not in done.err
    async with open_store(f"sqlite:///{folder.path}/hub.db") as store, store.read() as connection:
        [slow] = await standings(connection, "slow")
    assert slow.lease is None, "the next hub need not wait for the lease of this one"
    assert slow.next_poll_at is not None
    assert slow.next_poll_at <= now()


@pytest.mark.processes
async def test_an_interrupted_sync_gives_its_lease_back(folder: Folder) -> None:
    asked = asyncio.Event()

    async def hang(request: Request) -> Response:
        del request
        asked.set()
        await asyncio.sleep(60)
        return Response()

    await folder.hub("migrate")
    async with serve(Starlette(routes=[Route("/feed", hang)])) as vendor:
        folder.write(f'[sources.slow]\nconnector = "rss"\nurl = "{vendor}/feed"\n')
        process = await folder.start("sync", "slow")
        await asyncio.wait_for(asked.wait(), 30)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        assert process.returncode == 130
        assert out == b""
        assert b"Traceback" not in err
    async with open_store(f"sqlite:///{folder.path}/hub.db") as store, store.read() as connection:
        [slow] = await standings(connection, "slow")
    assert slow.lease is None


@pytest.mark.processes
async def test_the_port_is_free_again_at_once(folder: Folder) -> None:
    await folder.hub("migrate")
    async with folder.serving() as first:
        port = first.url.rpartition(":")[2]
        async with httpx2.AsyncClient() as client:
            await client.get(f"{first.url}/livez")
            assert (await first.stop(signal.SIGTERM)).code == 0
    process = await folder.start("serve", "--port", port)
    try:
        assert process.stdout is not None
        line = await until(process.stdout.readline)
        assert port in line.decode()
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0
