"""Runs one contender behind uvicorn, and tells its own processor time and memory when asked.

python -m tests.bench.serve hub|kept|inbox|bare|stock|raw|empty PORT DATABASE KEY
"""

import resource
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.types import ASGIApp

SECRET = "s" * 40
RAISED: dict[str, Any] = {"max_requests": 10_000_000, "max_concurrent": 1000}


def main(contender: str, port: str, database: str, key: str) -> None:
    app = _app(contender, database, key)
    server = uvicorn.Server(
        uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_level="warning")
    )
    # Named TCP, so that the loop turns Nagle's delay off.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        threading.Thread(target=_answer, args=(server,), daemon=True).start()
        server.run(sockets=[listener])


def _app(contender: str, database: str, key: str) -> ASGIApp:
    # Imported one by one: what a contender does not need must not weigh on it.
    match contender:
        case "hub" | "kept":
            from hub.config import read_config  # noqa: PLC0415
            from hub.settings import Settings  # noqa: PLC0415
            from hub.web.app import make_app  # noqa: PLC0415

            # Its answers are kept in `kept` alone. One key asks for all, as often as it can: so
            # these two limits, which are counted all the same, are RAISED. The rest is as in
            # production.
            most = {} if contender == "kept" else {"response_cache": 0}
            options: dict[str, Any] = {"database": database, "secret_key": SECRET, **RAISED, **most}
            return make_app(Settings(**options), read_config("", {}))
        case "inbox":
            from hub.settings import Settings  # noqa: PLC0415
            from hub.web.app import make_app  # noqa: PLC0415
            from tests.pushing import Bell, pushing_config  # noqa: PLC0415

            given: dict[str, Any] = {"database": database, "secret_key": SECRET}
            return make_app(Settings(**given), pushing_config(Bell()))
        case "bare":
            from tests.bench.pushing import make_bare  # noqa: PLC0415

            return make_bare(database)
        case "stock":
            from tests.bench.stock import make_stock  # noqa: PLC0415

            return make_stock(database, key)
        case "empty":
            from tests.bench.raw import make_empty  # noqa: PLC0415

            return make_empty()
        case "raw":
            from tests.bench.raw import make_raw  # noqa: PLC0415

            return make_raw(database, key)
        case _:
            raise SystemExit(f"no contender {contender!r}")


def _answer(server: uvicorn.Server) -> None:
    """Answer each line with what this process has used; end it with its input."""
    for _ in sys.stdin:
        used = {"cpu": time.process_time(), "memory": memory()}
        sys.stdout.write(orjson.dumps(used).decode() + "\n")
        sys.stdout.flush()
    server.should_exit = True


def memory() -> int:
    """Give the resident bytes; where /proc is missing, the most they ever were."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
