"""Records what a real system answers, for certification to replay (connectors/twins/recorded)."""

import json
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub import registry
from hub.connector import SecretStr, now
from hub.http import Clients
from tests.connectors.polling import Poller
from tests.live.systems import HOME
from tests.servers import serve

KEPT = frozenset({"content-type", "link", "etag", "last-modified", "retry-after"})
NOT_SENT_ON = frozenset({"host", "content-length", "accept-encoding", "connection"})


class Recorder:
    """A proxy before a real system, that writes down each answer."""

    def __init__(self, url: str) -> None:
        self.url, self.exchanges = url, list[dict[str, Any]]()
        self.app = Starlette(routes=[Route("/{path:path}", self._pass, methods=["GET", "POST"])])

    async def _pass(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode()
        asked = f"{path}?{request.url.query}" if request.url.query else path
        headers = {k: v for k, v in request.headers.items() if k not in NOT_SENT_ON}
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.request(
                request.method, f"{self.url}{asked}", headers=headers, content=await request.body()
            )
        kept = {name: value for name, value in answer.headers.items() if name in KEPT}
        exchange: dict[str, Any] = {"method": request.method, "path": path, "headers": kept}
        if answer.status_code != httpx2.codes.OK:
            exchange["status"] = answer.status_code
        if "json" in kept.get("content-type", ""):
            exchange["body"] = answer.json()
        else:
            exchange["text"] = answer.text
        self.exchanges.append(exchange)
        return Response(answer.content, answer.status_code, kept)


async def record(name: str, system: str, source: str, **settings: Any) -> int:
    """Poll a system at this address through a recorder, whose own `{url}` is in the settings.

    Writes build/live/recorded/NAME.json, to be looked through and moved beside the twin.
    """
    recorder = Recorder(system)
    async with serve(recorder.app) as proxy, Clients() as clients:
        given = {
            key: value.replace("{url}", proxy) if isinstance(value, str) else value
            for key, value in settings.items()
        }
        connector = registry.find(name).model_validate(given)
        poller = Poller(connector, clients)
        await poller.poll()
        await poller.poll()  # certification asks until nothing more comes
        text = json.dumps(recorder.exchanges, ensure_ascii=False).replace(proxy, system)
    assert not poller.bad, poller.bad
    assert poller.stored
    own = {
        key: value
        for key, value in settings.items()
        if "{url}" not in str(value) and not isinstance(getattr(connector, key), SecretStr)
    }
    written = {
        "source": source,
        "licence": "Made by the hub's own tests/live; what it says is made up",
        "signals": len(poller.stored),
        "at": now().isoformat(),
        "origin": system,
        "settings": own,
        "exchanges": json.loads(text),
    }
    file = HOME / "recorded" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return len(poller.stored)
