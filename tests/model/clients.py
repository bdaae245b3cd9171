"""Clients as the documentation tells their authors to write them, with a view made of events.

A client reads a list, follows it from `resumeFrom`, keeps a view by what comes, and goes on after
its last cursor whenever it is cut off; told that a cursor is of no use any more, it begins anew.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx2
import websockets

from hub.graphql.relay import read_log_cursor
from hub.signals import Facts
from tests.model.clock import Clock
from tests.model.company import marks
from tests.running import hear, say

AGAIN = 0.05  # seconds until a client that was cut off comes back
REFUSED = 0.3  # and one that was refused
_NODE = (
    "id kind title summary body status severity classification labels outline revision "
    "occurredAt updatedAt author { name }"
)
LISTS = {
    "signals": (
        "query ($filter: SignalFilter, $first: Int, $page: String) "
        "{ list: signals(filter: $filter, first: $first, after: $page) "
        f"{{ resumeFrom pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {_NODE} }} }} }} }}"
    ),
    "feed": (
        "query ($role: String!, $first: Int, $page: String) "
        "{ list: feed(role: $role, first: $first, after: $page) "
        "{ resumeFrom pageInfo { hasNextPage endCursor } "
        f"edges {{ score node {{ {_NODE} }} }} }} }}"
    ),
}
STREAMS = {
    "signals": (
        "subscription ($filter: SignalFilter, $after: String) "
        "{ event: signals(filter: $filter, after: $after) { __typename "
        f"... on SignalCreated {{ cursor signal {{ {_NODE} }} }} "
        f"... on SignalUpdated {{ cursor signal {{ {_NODE} }} }} "
        "... on SignalWithdrawn { cursor signalId } ... on CursorExpired { message oldest } } }"
    ),
    "feed": (
        "subscription ($role: String!, $after: String) "
        "{ event: feed(role: $role, after: $after) { __typename "
        f"... on FeedCreated {{ cursor score signal {{ {_NODE} }} }} "
        f"... on FeedUpdated {{ cursor score signal {{ {_NODE} }} }} "
        "... on FeedWithdrawn { cursor signalId } ... on CursorExpired { message oldest } } }"
    ),
}
Way = Literal["socket", "events"]
View = dict[str, dict[str, Any]]


class Refused(Exception):
    """The hub said no: the codes of its errors."""


@dataclass(slots=True)
class Epoch:
    """What a client was sent after one reading of the list: `start` is where that stood."""

    start: int
    began: float
    seen: list[int] = field(default_factory=list)
    last: float = 0.0  # when it last heard something


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that a client was told, at a time: by the marks in it, or by a signal's id."""

    at: float
    marks: tuple[Facts, ...] = ()
    withdrawn: str | None = None


@dataclass(slots=True)
class Client:
    """One subscription and its view. `urls`: where it may go next."""

    name: str
    key: str
    asks: Literal["signals", "feed"]
    variables: Mapping[str, Any]
    urls: list[str]
    clock: Clock
    way: Way = "socket"
    view: View = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=40))
    ends: Counter[str] = field(default_factory=Counter)
    after: str | None = None
    ids: bool = False  # go on by Last-Event-ID, and not by `after`, if the stream has ids
    last_id: str | None = None
    refused: str | None = None  # what the hub said when it last refused
    may_read: asyncio.Event = field(default_factory=asyncio.Event)
    present: asyncio.Event = field(default_factory=asyncio.Event)
    _line: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.may_read.set()
        self.present.set()

    def drop(self) -> None:
        """Cut its connection off, wherever it stands."""
        if self._line is not None:
            self._line.cancel()

    def leave(self) -> None:
        """Go away, until `present` is set."""
        self.present.clear()
        self.drop()

    async def run(self) -> None:
        """Follow for ever, whatever happens to its connections."""
        async with httpx2.AsyncClient(timeout=httpx2.Timeout(20)) as http:
            while True:
                await self.present.wait()
                # A plain task: it is cut off alone.
                self._line = asyncio.create_task(self._connection(http))
                try:
                    await asyncio.wait({self._line})
                finally:
                    self._line.cancel()
                    await asyncio.wait({self._line})
                self._ended(self._line)
                await asyncio.sleep(REFUSED if self.refused else AGAIN)

    def _ended(self, line: asyncio.Task[None]) -> None:
        """Note how a connection ended. Raises what is no end that a client must expect."""
        if line.cancelled():
            how = "dropped"
        elif (error := line.exception()) is None:
            how = "complete"
        elif isinstance(error, Refused):
            how = self.refused = str(error)
        elif isinstance(error, websockets.ConnectionClosed):
            how = f"closed {error.rcvd.code if error.rcvd else 'without a word'}"
        elif isinstance(
            error, (OSError, TimeoutError, httpx2.TransportError, websockets.InvalidHandshake)
        ):
            how = type(error).__name__
        else:
            raise error
        self.ends[how] += 1
        self._note(f"the connection ended: {how}")

    async def _connection(self, http: httpx2.AsyncClient) -> None:
        if self.after is None:
            await self._begin(http)
        if self.way == "socket":
            await self._by_socket()
        else:
            await self._by_events(http)

    async def _begin(self, http: httpx2.AsyncClient) -> None:
        began = self.clock.now
        view, cursor = await self.read(http)
        self.view, self.after, self.last_id = view, cursor, None
        self.epochs.append(Epoch(read_log_cursor(cursor), began))
        self._note(f"read {len(view)} anew, up to {self.epochs[-1].start}")

    async def read(self, http: httpx2.AsyncClient) -> tuple[View, str]:
        """Ask for the whole list; give it with the cursor of its first page. Raises Refused."""
        view: View = {}
        resume, page = None, None
        while True:
            answer = await http.post(
                f"{self.urls[0]}/graphql",
                json={
                    "query": LISTS[self.asks],
                    "variables": {**self.variables, "first": 100, "page": page},
                },
                headers={"Authorization": f"Bearer {self.key}"},
            )
            body = answer.json()
            self._hear(answer.text)
            if body.get("errors"):
                raise Refused(_codes(body["errors"]))
            found = body["data"]["list"]
            resume = resume or found["resumeFrom"]
            for edge in found["edges"]:
                node = edge.pop("node")
                view[node["id"]] = {**edge, **node}
            if not found["pageInfo"]["hasNextPage"]:
                return view, resume
            page = found["pageInfo"]["endCursor"]

    async def _by_socket(self) -> None:
        self.last_id = None
        async with websockets.connect(
            self.urls[0].replace("http", "ws", 1) + "/graphql",
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
            compression=None,
            max_queue=4,  # what it does not read stays with the hub
            close_timeout=1,
        ) as socket:
            await say(
                socket, type="connection_init", payload={"authorization": f"Bearer {self.key}"}
            )
            await hear(socket)
            variables = {**self.variables, "after": self.after}
            payload = {"query": STREAMS[self.asks], "variables": variables}
            await say(socket, type="subscribe", id="1", payload=payload)
            while True:
                await self.may_read.wait()
                text = str(await socket.recv())
                message = json.loads(text)
                match message["type"]:
                    case "next":
                        self._take(message["payload"], text)
                    case "error":
                        self._hear(text)
                        raise Refused(_codes(message["payload"]))
                    case "complete":
                        return
                    case "ping":
                        await say(socket, type="pong")

    async def _by_events(self, http: httpx2.AsyncClient) -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "text/event-stream"}
        variables = {**self.variables, "after": self.after}
        if self.ids and self.last_id is not None:
            # As a browser's EventSource does it: what it first asked for, and the last id.
            headers["Last-Event-ID"] = self.last_id
            variables["after"] = None
        body = {"query": STREAMS[self.asks], "variables": variables}
        async with http.stream(
            "POST", f"{self.urls[0]}/graphql", json=body, headers=headers
        ) as stream:
            if stream.status_code != 200:
                raise Refused(_codes(json.loads(await stream.aread())["errors"]))
            kind = id_ = None
            async for line in stream.aiter_lines():
                await self.may_read.wait()
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                match name:
                    case "event":
                        kind = value
                    case "id":
                        id_ = value
                    case "data" if kind == "next":
                        self.last_id = id_ or self.last_id
                        self._take(json.loads(value), value)
                    case "data" if kind == "complete":
                        return

    def _take(self, payload: Any, text: str) -> None:
        """Apply one event to the view."""
        if payload.get("errors"):
            self._hear(text)
            raise Refused(_codes(payload["errors"]))
        event = payload["data"]["event"]
        self.refused = None
        name = event.pop("__typename")
        if name == "CursorExpired":
            self._note(f"expired: {event}")
            self.after, self.last_id = None, None
            self.ends["expired"] += 1
            return
        self.after = event["cursor"]
        seq = read_log_cursor(self.after)
        epoch = self.epochs[-1]
        epoch.seen.append(seq)
        epoch.last = self.clock.now
        if name.endswith("Withdrawn"):
            self._hear(text, event["signalId"])
            self.view.pop(event["signalId"], None)
            self._note(f"{seq} {name} {event['signalId']}")
            return
        self._hear(text)
        shown = event["signal"]
        score = {"score": event["score"]} if "score" in event else {}
        self.view[shown["id"]] = {**score, **shown}
        self._note(f"{seq} {name} {shown['id']} {shown['title']}")

    def _hear(self, text: str, withdrawn: str | None = None) -> None:
        at = self.clock.now
        self.told.append(Told(at, tuple(marks(text)), withdrawn))

    def _note(self, line: str) -> None:
        self.recent.append(f"{self.clock.now:.3f} {line}")


def _codes(errors: Any) -> str:
    return " ".join(sorted({one.get("extensions", {}).get("code", "none") for one in errors}))
