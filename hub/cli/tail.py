"""`hub tail`: what a role hears, live in the terminal, by the public API."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

import asyncio
import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, note, span
from hub.errors import ConfigError, HubError

if TYPE_CHECKING:
    from hub.cli.lines import Lines
    from hub.http.streamed import Api
    from hub.settings import Settings

FIRST: Final = 1.0  # seconds until it tries again; then twice as long, and so on
LONGEST: Final = 30.0
_NODE: Final = """id kind title summary url severity status classification labels outline
occurredAt updatedAt account { id name } author { id name }"""
_JUDGED: Final = "score reasons { name weight evidence }"
_FEED_LIST: Final = f"""
query Tail($role: String!, $minScore: Float, $first: Int) {{
  list: feed(role: $role, minScore: $minScore, first: $first) {{
    resumeFrom edges {{ {_JUDGED} node {{ {_NODE} }} }}
  }}
}}"""
_FEED: Final = f"""
subscription Tail($role: String!, $minScore: Float, $after: String) {{
  event: feed(role: $role, minScore: $minScore, after: $after) {{
    __typename
    ... on FeedCreated {{ cursor {_JUDGED} signal {{ {_NODE} }} }}
    ... on FeedUpdated {{ cursor {_JUDGED} signal {{ {_NODE} }} }}
    ... on FeedWithdrawn {{ cursor signalId }}
    ... on CursorExpired {{ message oldest }}
  }}
}}"""
_SIGNALS_LIST: Final = f"""
query Tail($filter: SignalFilter, $first: Int) {{
  list: signals(filter: $filter, first: $first) {{ resumeFrom edges {{ node {{ {_NODE} }} }} }}
}}"""
_SIGNALS: Final = f"""
subscription Tail($filter: SignalFilter, $after: String) {{
  event: signals(filter: $filter, after: $after) {{
    __typename
    ... on SignalCreated {{ cursor signal {{ {_NODE} }} }}
    ... on SignalUpdated {{ cursor signal {{ {_NODE} }} }}
    ... on SignalWithdrawn {{ cursor signalId }}
    ... on CursorExpired {{ message oldest }}
  }}
}}"""


def tail(
    role: Annotated[
        str | None,
        typer.Option(help="What this role should hear; without it all that you may see."),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --role: in place of its threshold.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Of this kind, or `sales.*`; again for more.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Through this source; again for more.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="With this label; again for more.")
    ] = None,
    severity: Annotated[
        str | None, typer.Option(help="As severe as this: info, low, medium, high or critical.")
    ] = None,
    last: Annotated[
        int, typer.Option(min=0, max=100, help="So many of what there is are shown first.")
    ] = 10,
    after: Annotated[
        str | None,
        typer.Option(help="Go on after this cursor, without a gap; shows no list first."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="The hub; else HUB_PUBLIC_URL, or HUB_HOST and HUB_PORT.")
    ] = None,
    demo: Annotated[
        Path | None, typer.Option(help="The ready file of a demo: it has the address and the keys.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show what happens as it happens, until Ctrl-C. Cut off, it comes back, without a gap.

    Asks the hub's public API with the key in HUB_API_KEY.
    """
    from hub.cli.lines import Lines

    filters = {
        "kinds": kind,
        "sources": source,
        "labels": label,
        "minSeverity": _severity(severity) if severity else None,
    }
    given = {name: value for name, value in filters.items() if value}
    if role is not None and given:
        raise ConfigError(
            "a role's feed takes no filters", "Leave out --role, or give --min-score with it"
        )
    if role is None and min_score is not None:
        raise ConfigError("--min-score is of a role", "Give --role, too")
    settings = prepare.settings()
    address, key = _found(demo, role) if demo else _from(settings, url)
    if role is not None:
        asked = _Asked(_FEED_LIST, _FEED, {"role": role, "minScore": min_score})
    else:
        asked = _Asked(_SIGNALS_LIST, _SIGNALS, {"filter": given})
    follower = _Follower(asked, Lines(json=json), last, after)
    try:
        prepare.run(_tail(settings, address, key, follower))
    except KeyboardInterrupt:
        return  # which is how it ends
    except BrokenPipeError:
        # Whoever read it has seen enough; what Python still holds would be refused as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _severity(name: str) -> str:
    from hub.kinds import Severity

    names = [one.name for one in Severity]
    if name.upper() not in names:
        raise ConfigError(f"{name!r} is no severity", f"One of: {', '.join(names).lower()}")
    return name.upper()


def _from(settings: "Settings", url: str | None) -> tuple[str, str]:
    """Give the address and the key. Raises ConfigError."""
    if settings.api_key is None:
        raise ConfigError(
            "HUB_API_KEY is not set: it takes an API key",
            "Make one with: hub keys create --name me --role ROLE",
        )
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    here = f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    return url or settings.public_url or here, settings.api_key.get_secret_value()


def _found(demo: Path, role: str | None) -> tuple[str, str]:
    """Give the address and the key of a demo. Raises ConfigError."""
    import orjson

    try:
        ready = orjson.loads(demo.read_bytes())
        keys: Mapping[str, str] = ready["keys"]
        address: str = ready["url"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(
            f"{demo} is no ready file of a demo", "Start one: hub demo --ready-file FILE"
        ) from None
    name = role or "admin"
    if name not in keys:
        raise ConfigError(f"the demo has no role {name!r}", f"There are: {', '.join(keys)}")
    return address, keys[name]


async def _tail(settings: "Settings", address: str, key: str, follower: "_Follower") -> None:
    from hub.http.streamed import api

    async with api(address, key, settings.ca_file) as opened:
        await follower.run(opened, address)


@dataclass(frozen=True, slots=True)
class _Asked:
    query: str
    subscription: str
    variables: Mapping[str, Any]


@dataclass(slots=True)
class _Follower:
    """Follows one subscription for ever. `after`: where it goes on."""

    asked: _Asked
    lines: "Lines"
    last: int
    after: str | None
    is_cut_off: bool = False
    wait: float = field(default=FIRST)

    async def run(self, api: "Api", address: str) -> None:
        """Follow until cancelled. Raises HubError for what does not pass."""
        from hub.http.streamed import CutOff

        while True:
            try:
                await self._follow(api)
            except CutOff as cut:
                if not self.is_cut_off:
                    self.wait = FIRST
                wait = max(cut.wait, self.wait * random.uniform(0.8, 1.2))  # noqa: S311
                if not self.is_cut_off:
                    then = f"trying again in {span(timedelta(seconds=wait))}"
                    note(f"-- {address}: {cut.message}; {then}, and going on where this ended")
                self.is_cut_off, self.wait = True, min(self.wait * 2, LONGEST)
                await asyncio.sleep(wait)

    async def _follow(self, api: "Api") -> None:
        if self.after is None:
            await self._begin(api)
        variables = {**self.asked.variables, "after": self.after}
        async for data in api.follow(self.asked.subscription, variables):
            self._is_back()
            if data is None:  # it is open
                continue
            event = data["event"]
            if event["__typename"] == "CursorExpired":
                note(f"-- {event['message']}: what came meanwhile is not shown here")
                self.after, self.last = None, 0
                return
            self.after = event["cursor"]
            self.lines.event(event)
        raise _completed()

    async def _begin(self, api: "Api") -> None:
        """Show the newest of the list, and stand where it ends."""
        variables = {**self.asked.variables, "first": max(self.last, 1)}
        found = (await api.ask(self.asked.query, variables))["list"]
        for edge in reversed(found["edges"][: self.last]):
            self.lines.listed(edge)
        self._is_back()
        self.after = found["resumeFrom"]

    def _is_back(self) -> None:
        if self.is_cut_off:
            note("-- back, without a gap")
            self.is_cut_off = False


def _completed() -> HubError:
    from hub.http.streamed import CutOff

    return CutOff("the hub completed the stream")
