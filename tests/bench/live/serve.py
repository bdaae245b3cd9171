"""Runs one server of streams; told what to publish, it answers when, and what it has used.

python -m tests.bench.live.serve hub|raw|stock PORT DATABASE REDIS [narrow], then a line of JSON for
each publication (see `Publication`)
"""

import asyncio
import resource
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import orjson
import uvicorn
import uvloop
from starlette.types import ASGIApp

from hub.web.server import server_config, settle
from tests.bench.serve import SECRET, memory


@dataclass(frozen=True, slots=True)
class Publication:
    """So many events, `every` so many seconds; `page`: so many in one commit, where there are any.

    `pad`: letters of each summary. `template`: the text of a message, for who writes it as it is.
    """

    first: int = 0
    count: int = 0
    every: float = 0
    page: int = 1
    pad: int = 0
    template: str = ""


Publish = Callable[[Publication], Awaitable[list[float]]]
"""Publishes, and gives the time at which each event was there to be told."""


class Contender(Protocol):
    @property
    def app(self) -> ASGIApp: ...

    async def publish(self, asked: Publication) -> list[float]: ...


def contender(name: str, database: str, redis: str | None) -> Contender:
    # Imported one by one: what a contender does not need must not weigh on it.
    match name:
        case "hub":
            from tests.bench.live.contenders import Hub  # noqa: PLC0415

            return Hub(database, redis, SECRET)
        case "raw":
            from tests.bench.live.contenders import Raw  # noqa: PLC0415

            return Raw()
        case "stock":
            from tests.bench.live.stock import Stock  # noqa: PLC0415

            return Stock()
        case _:
            raise SystemExit(f"no contender {name!r}")


async def main(
    name: str, port: str, database: str = "", redis: str = "", buffers: str = ""
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    served = contender(name, database, redis or None)
    config = server_config(served.app, grace=1)
    config.lifespan, config.interface = "auto", "asgi3"
    server = uvicorn.Server(config)
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if buffers == "narrow":  # so that who reads no more is noticed after some kilobytes
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        listener.bind(("127.0.0.1", int(port)))
        listener.listen(2048)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            while not server.started:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            settle()
            await _answer(served)
            server.should_exit = True


async def _answer(served: Contender) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        at = await served.publish(Publication(**(orjson.loads(line) or {})))
        used = {"at": at, "cpu": time.process_time(), "memory": memory()}
        sys.stdout.write(orjson.dumps(used).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
