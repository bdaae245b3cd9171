"""Answers of real systems, recorded once, shipped beside a twin and given again."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.testing.twins import Twin


class Exchange(BaseModel):
    """One request, as far as it matters, and its answer."""

    model_config = ConfigDict(extra="forbid")
    method: str = "GET"
    path: str
    """Where the recording names parameters too, a request must have these at least."""
    status: int = 200
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    """JSON; or `text`."""
    text: str | None = None

    def answers(self, request: Request) -> bool:
        path = urlsplit(self.path)
        asked = request.query_params.multi_items()
        return (
            request.method == self.method
            and request.url.path == unquote(path.path)
            and all(pair in asked for pair in parse_qsl(path.query))
        )


class Recording(BaseModel):
    """One file of recorded answers."""

    model_config = ConfigDict(extra="forbid")
    source: str
    """Where they are from: a link, or the system with its version and how they were taken."""
    licence: str
    signals: int
    """How many come out of them."""
    origin: str = ""
    """The address that the recorded answers link to; it becomes that of the stand-in."""
    at: AwareDatetime | None = None
    """When they were taken, poll after poll, which the connector's clock says while it reads them
    again: what was young then is young now. None where it asks the same whatever the time."""
    settings: dict[str, Any] = Field(default_factory=dict)
    exchanges: list[Exchange]

    def app(self, url: str) -> ASGIApp:
        return _Replay(self, url)


@dataclass(slots=True)
class _Replay:
    """Gives the recorded answers in their order; the last one of its kind again and again."""

    recording: Recording
    url: str
    given: set[int] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = self._answer(request)
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        fitting = [
            (number, one)
            for number, one in enumerate(self.recording.exchanges)
            if one.answers(request)
        ]
        if not fitting:
            what = f"nothing is recorded for {request.method} {request.url.path}"
            return JSONResponse({"error": what}, 404)
        left = [pair for pair in fitting if pair[0] not in self.given]
        number, one = left[0] if left else fitting[-1]
        self.given.add(number)
        return Response(self._body(one), one.status, self._headers(one))

    def _body(self, one: Exchange) -> bytes:
        body = one.text.encode() if one.text is not None else orjson.dumps(one.body)
        return self._moved(body.decode()).encode()

    def _headers(self, one: Exchange) -> Mapping[str, str]:
        kind = {} if one.text is not None else {"content-type": "application/json"}
        return {name.lower(): self._moved(value) for name, value in {**kind, **one.headers}.items()}

    def _moved(self, text: str) -> str:
        return text.replace(self.recording.origin, self.url) if self.recording.origin else text


def recordings_of(twin: Twin, connector: str) -> Sequence[Recording]:
    """Read the recordings that lie beside a twin, in `recorded/`, named as its connector."""
    file = sys.modules[type(twin).__module__].__file__
    assert file is not None, "a twin is a file"
    folder = Path(file).parent / "recorded"
    found = sorted([*folder.glob(f"{connector}.json"), *folder.glob(f"{connector}-*.json")])
    return [Recording.model_validate_json(one.read_bytes()) for one in found]
