"""Pushes to a running hub: what a vendor sends, and a source of the tests' own that takes it."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import httpx2
import orjson
from pydantic import SecretStr

from hub.config import Config, SourceConfig, read_config
from hub.connector import Accepted, BadRecord, Draft, Hmac, Listener, Pushed, Reply, Verdict
from tests.ledger import Ledger, draft
from tests.running import Running

KEY = "the-key-that-bells-are-signed-with"
_SIGNED = Hmac("X-Bell-Signature", signed="{timestamp}.{body}", timestamp="X-Bell-Timestamp")


def _verify(request: Pushed, secret: SecretStr | None) -> Verdict:
    _SIGNED.check(request, secret)
    said = request.json()
    if "challenge" in said:
        return Reply(str(said["challenge"]).encode())
    poll = timedelta(0) if said.get("poll") else None
    return Accepted(request.headers.get("x-bell-delivery"), poll)


def _read(event: Pushed) -> Sequence[Draft]:
    said = event.json()
    if "fault" in said:
        raise {"bad": BadRecord("it rang false"), "bug": ZeroDivisionError("oops")}[said["fault"]]
    return [draft(record) for record in said["records"]]


class Rung(Ledger):
    """A ledger that also rings when something is written."""

    signing_secret: SecretStr | None = SecretStr(KEY)

    def verify(self, request: Pushed) -> Verdict:
        return _verify(request, self.signing_secret)

    def read(self, event: Pushed) -> Sequence[Draft]:
        return _read(event)


class Bell(Listener):
    """Rings, and cannot be asked."""

    signing_secret: SecretStr | None = SecretStr(KEY)
    kinds: ClassVar[frozenset[str]] = frozenset({"sales.deal.won"})

    def verify(self, request: Pushed) -> Verdict:
        return _verify(request, self.signing_secret)

    def read(self, event: Pushed) -> Sequence[Draft]:
        return _read(event)


def pushing_config(*connectors: Ledger | Bell, **changes: Any) -> Config:
    """Configure sources named like their classes, in lower case."""
    base = read_config("", {})
    sources = {}
    for one in connectors:
        name = type(one).__name__.lower()
        given: dict[str, Any] = {"name": name, "kind": name, "connector": one, "every": one.every}
        sources[name] = SourceConfig(**(given | changes))
    return Config(base.hub, sources, base.roles, base.endpoints)


def signed(body: bytes, key: str = KEY, at: float | None = None) -> dict[str, str]:
    stamp = str(int(at if at is not None else time.time()))
    digest = hmac.new(key.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Bell-Signature": digest, "X-Bell-Timestamp": stamp}


def record(number: int, title: str, at: str = "2026-11-24T12:00:00+00:00") -> dict[str, Any]:
    return {"id": f"r{number}", "number": number, "at": at, "title": title}


async def ring(
    hub: Running, source: str, said: Any, *, delivery: str | None = None, **headers: str
) -> httpx2.Response:
    """Send a signed push, as JSON."""
    body = orjson.dumps(said)
    more = {"X-Bell-Delivery": delivery} if delivery else {}
    return await hub.client.post(
        f"/push/{source}", content=body, headers={**signed(body), **more, **headers}
    )
