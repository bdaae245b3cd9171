"""Twins: stateful stand-ins of the vendors' APIs, on loopback, for the demo and for tests.

One module per vendor with a class `Twin` that subclasses the one here. A twin answers only the
requests in its table, which is written down from the vendor's own description: anything else is
400, so that a connector that invents a parameter fails here before it fails at the vendor.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.connector import now
from hub.testing.drift import strange
from hub.testing.faults import Call, Excuse, Fault, No

__all__ = ["Allowed", "Call", "Check", "Excuse", "Fault", "No", "Twin", "moment"]

Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Allowed:
    """One request that the vendor's description allows; the source is linked in the twin."""

    method: str
    path: str  # a Starlette path: /api/v2/tickets/{id:int}
    answer: Callable[[Request], Awaitable[Response]]
    params: Mapping[str, Check] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()


class Twin(ABC):
    """A vendor with state. `app` is its API; `emit` makes something happen there.

    Certification (`hub connectors certify`) makes records with `create`, `edit` and `delete`, and
    plays faults. Faults of HTTP itself it puts in front of `app`; what only the vendor can do is
    asked of the methods below `settings`. A fault that is neither played nor `excused` fails.
    """

    connector: ClassVar[str]
    excused: ClassVar[Mapping[Fault, Excuse]] = {}
    """What cannot happen at this vendor, each with the page of the vendor that says so."""
    page: int = 100
    """The most records of a page, however many are asked for."""
    skew: timedelta = timedelta(0)
    """How far the vendor's clock is ahead."""
    pushed_to: str = "https://hub.example/push/vendor"
    """The address that the vendor was told to push to: some sign it too."""

    def __init__(self) -> None:
        self.app = Starlette(
            routes=[
                *(Route(row.path, self._door(row), methods=[row.method]) for row in self.table()),
                Route("/_demo/emit", self._emit, methods=["POST"]),
            ]
        )

    @abstractmethod
    def table(self) -> tuple[Allowed, ...]:
        """List every request that the vendor's description allows and this twin answers."""

    @abstractmethod
    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Create or change a record; missing fields are made up. Return the vendor's record.

        `at` (ISO time) sets the vendor's clock for this record; default: now.
        """

    @abstractmethod
    def settings(self, url: str) -> dict[str, Any]:
        """Tell the connector settings that read this twin at `url`, secrets included."""

    def now(self) -> datetime:
        """Read the vendor's clock: certification moves it, so no twin looks at another."""
        return now() + self.skew

    def create(self, number: int, at: datetime) -> str:
        """Make record `number` at this time; name the external_id that its signal is to have."""
        raise NotImplementedError

    def edit(self, number: int, at: datetime) -> None:
        """Change what a person sees of record `number`."""
        raise NotImplementedError

    def delete(self, number: int, at: datetime) -> None:
        """Delete record `number`, or let it disappear: its signal is then deleted or resolved."""
        raise NotImplementedError

    def push(self, number: int) -> Call:
        """Make the request, signed, with which the vendor tells of record `number` as it is now."""
        raise NotImplementedError

    def blank(self) -> None:
        """Answer the next request for a page with an empty one that names another."""
        raise NotImplementedError

    def forget(self) -> None:
        """Forget every cursor handed out: who comes with one hears what the vendor says then."""
        raise NotImplementedError

    def strange(self, content_type: str, body: bytes, turn: int | None) -> bytes:
        """Put unknown fields into an answer, and at each turn nulls in place of other fields."""
        return strange(content_type, body, turn)

    def series(self, path: str, query: str, body: bytes) -> str:
        """Name the list that a request pages through, where one path serves several."""
        del query, body
        return path

    def denied(self) -> No:
        """Tell how the vendor says that the token is no longer good."""
        return No(401, {"error": "invalid_token", "message": "The token has expired"})

    def limited(self, seconds: int) -> No:
        """Tell how the vendor says "too many requests, ask again in so many seconds"."""
        return No(429, {"error": "too many requests"}, {"retry-after": str(seconds)})

    def serve(self) -> AbstractAsyncContextManager[str] | None:
        """Serve an API that is not HTTP and yield its address; None where it is `app`."""
        return None

    def play(self, fault: Fault | None) -> None:
        """Play a fault, in an API that is not HTTP, until told None."""
        raise NotImplementedError

    def replay(self, exchanges: Sequence[Mapping[str, Any]]) -> None:
        """Answer as was recorded, in an API that is not HTTP, from now on."""
        raise NotImplementedError

    def refuse(self, request: Request) -> Response | None:
        """Check the sign-in; answer as the vendor does when it is wrong."""
        del request
        return None

    def _door(self, row: Allowed) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if refused := self.refuse(request):
                return refused
            if wrong := _wrong(row, request):
                return JSONResponse(
                    {"error": "request not in the description", "wrong": wrong}, 400
                )
            return await row.answer(request)

        return answer

    async def _emit(self, request: Request) -> Response:
        try:
            record = json.loads(await request.body() or b"{}")
            return JSONResponse(self.emit(record))
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"cannot emit that: {error!r}"}, 400)


def _wrong(row: Allowed, request: Request) -> list[str]:
    given = request.query_params
    return [
        *(f"unknown parameter {name}" for name in given if name not in row.params),
        *(
            f"parameter {name} may not be {value!r}"
            for name, value in given.multi_items()
            if name in row.params and not row.params[name](value)
        ),
        *(f"parameter {name} is required" for name in row.required - set(given)),
        *(f"header {name} is required" for name in row.headers if name not in request.headers),
    ]


def moment(record: Mapping[str, Any]) -> datetime:
    """When a record that is emitted happens: its `at`, else now."""
    at = record.get("at")
    return datetime.fromisoformat(at).astimezone(UTC) if at else now()
