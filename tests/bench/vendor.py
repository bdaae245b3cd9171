"""A vendor for the benchmarks of polling: feeds, alerts and pages of records, as cheap as can be.

python -m tests.bench.vendor PORT
"""

import asyncio
import socket
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from urllib.parse import parse_qs

import orjson
import uvicorn
from starlette.types import Receive, Scope, Send

RECORDS = 100  # of a page
_START = datetime(2026, 5, 4, 9, tzinfo=UTC)
_ITEM = "<item><guid>{n}</guid><title>Item {n}</title><link>https://v.example/{n}</link></item>"
_FEED = '<rss version="2.0"><channel><title>Feed</title>{items}</channel></rss>'
_numbers = count(1_000_000)


def feed(fresh: bool) -> bytes:
    """Write a feed of twenty items; a fresh one has a new one on top."""
    numbers = [next(_numbers), *range(19)] if fresh else range(20)
    return _FEED.format(items="".join(_ITEM.format(n=n) for n in numbers)).encode()


_SAME = feed(fresh=False)


def page(after: int, last: int) -> bytes:
    """Give the records after a number, as many as there are until `last`."""
    end = min(after + RECORDS, last)
    records = [
        {
            "id": f"deal/{number}",
            "number": number,
            "at": (_START + timedelta(seconds=number)).isoformat(),
            "title": f"Deal {number} is won",
            "more": {"body": "All about it. " * 20, "labels": ["q4", "emea"]},
        }
        for number in range(after + 1, end + 1)
    ]
    return orjson.dumps({"records": records, "after": end, "more": end < last})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `/same/N`, `/news/N`, `/alerts/N/...`, and `/pages/LAST/MILLISECONDS/records`."""
    del receive
    assert scope["type"] == "http"
    status, body, headers = 200, b"[]", [(b"content-type", b"application/json")]
    match scope["path"].split("/")[1:]:
        case ["same", _]:
            tag = (b"etag", b'"1"')
            known = (b"if-none-match", b'"1"') in scope["headers"]
            status, body, headers = (304, b"", [tag]) if known else (200, _SAME, [tag])
        case ["news", _]:
            body, headers = feed(fresh=True), []
        case ["pages", last, milliseconds, "records"]:
            await asyncio.sleep(int(milliseconds) / 1000)
            after = int(parse_qs(scope["query_string"].decode())["after"][0])
            body = page(after, int(last))
        case _:
            pass
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(port: str) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            access_log=False,
            log_level="warning",
        )
    )
    # Named TCP, so that the loop turns Nagle's delay off.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        threading.Thread(target=_until_input_ends, args=(server,), daemon=True).start()
        server.run(sockets=[listener])


def _until_input_ends(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main(*sys.argv[1:])
