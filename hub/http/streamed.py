"""A hub's own API as its clients see it: asked over HTTP, followed by server-sent events."""

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import orjson

from hub.errors import ConfigError, HubError

QUIET: Final = 40.0  # seconds: a hub says every twelve that it is there
# What is better soon: to come again helps.
_PASSING: Final = frozenset({"UNAVAILABLE", "FELL_BEHIND", "INTERNAL"})


class CutOff(HubError):
    """The hub is not there, or a stream ended before its end: come again. `wait`: not sooner."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Api:
    """One hub, asked with one key."""

    client: httpx2.AsyncClient
    url: str
    key: str

    async def ask(self, query: str, variables: Mapping[str, Any]) -> Any:
        """Give the data of an answer. Raises CutOff, and HubError for what is refused."""
        body = {"query": query, "variables": variables}
        try:
            answer = await self.client.post(self.url, json=body, headers=self._headers())
            return _data(_read(answer.content), answer)
        except httpx2.TransportError as error:
            raise CutOff(_why(error)) from None

    async def follow(
        self, query: str, variables: Mapping[str, Any], last_id: str | None = None
    ) -> AsyncGenerator[Any]:
        """Yield None once the stream is open, then the data of every event until it is completed.

        Raises CutOff where it ends otherwise, and HubError for what is refused.
        """
        headers = {**self._headers(), "Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        body = {"query": query, "variables": variables}
        try:
            async with self.client.stream("POST", self.url, json=body, headers=headers) as answer:
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    _data(_read(await answer.aread()), answer)
                    raise HubError(*_NO_HUB)
                yield None
                event = ""
                async for line in answer.aiter_lines():
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if name == "event":
                        event = value
                    elif name == "data" and event == "next":
                        yield _data(_read(value.encode()), answer)
                    elif name == "data" and event == "complete":
                        return
        except httpx2.TransportError as error:
            raise CutOff(_why(error)) from None
        raise CutOff("the hub ended the stream")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@asynccontextmanager
async def api(url: str, key: str, ca_file: Path | None) -> AsyncGenerator[Api]:
    """Open the API of the hub at an address. Raises ConfigError for what is none."""
    parts = httpx2.URL(url) if _is_address(url) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.host:
        raise ConfigError(
            f"{url!r} is no address of a hub", "Write it so: https://hub.acme.example"
        )
    verify = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    timeout = httpx2.Timeout(10, read=QUIET)
    # No proxy of the environment: the hub is a neighbour.
    async with httpx2.AsyncClient(verify=verify, timeout=timeout, trust_env=False) as client:
        yield Api(client, f"{url.rstrip('/')}/graphql", key)


def _is_address(url: str) -> bool:
    try:
        httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    return True


_NO_HUB: Final = ("there is no hub at that address", "Give its address with --url")


def _read(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _data(body: Any, answer: httpx2.Response) -> Any:
    """Give the data of a body. Raises CutOff or HubError for its errors."""
    if isinstance(body, dict) and body.get("errors"):
        error = body["errors"][0]
        code = error.get("extensions", {}).get("code")
        if code in _PASSING or answer.status_code in {429, 503}:
            raise CutOff(error["message"], _retry_after(answer))
        message, _, suggestion = error["message"].partition(". ")
        raise HubError(message, suggestion)
    if isinstance(body, dict) and "data" in body:
        return body["data"]
    if answer.status_code in {502, 503, 504}:  # what stands in front of it says so
        raise CutOff(f"answered {answer.status_code}", _retry_after(answer))
    raise HubError(*_NO_HUB)


def _retry_after(answer: httpx2.Response) -> float:
    given = answer.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdigit() else 0.0


def _why(error: httpx2.TransportError) -> str:
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return "nobody answers there"
        case httpx2.ReadTimeout():
            return f"nothing was heard for {QUIET:.0f} s"
        case _:
            return "the connection broke"
