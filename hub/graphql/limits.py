"""How much may be asked: the numbers, and how each is announced by the error that it causes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any, Final

from hub.errors import Code, Refused
from hub.settings import Settings

SATURATED: Final = 10**9


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each: `HUB_MAX_...`, by the names that errors give in `of`."""

    tokens: int = 2_000
    operations: int = 20
    fragments: int = 50
    directives: int = 50
    depth: int = 16
    aliases: int = 30
    cost: int = 10_000
    page: int = 100
    body: int = 256  # KiB
    body_seconds: float = 10
    nesting: int = 20
    batch: int = 0
    seconds: float = 10
    requests: int = 600
    concurrent: int = 32
    streams: int = 20
    subscriptions: int = 100
    sockets: int = 10_000


def limits_of(settings: Settings) -> Limits:
    return Limits(**{one.name: getattr(settings, f"max_{one.name}") for one in fields(Limits)})


# What is said of each, and what to do about it.
_SAID: Final[Mapping[str, tuple[str, str]]] = {
    "tokens": ("The document has more than {} tokens", "Ask for less, or in several requests"),
    "operations": (
        "The document has more than {} operations",
        "Send only the operation that is to be executed",
    ),
    "fragments": (
        "The document has more than {} fragments",
        "Use fewer fragments, or several requests",
    ),
    "directives": (
        "The document has more than {} directives",
        "Leave out what does nothing, or send several requests",
    ),
    "depth": (
        "The depth of the document is over {}",
        "Select less deeply, and ask for the rest by id with node",
    ),
    "aliases": ("The document has more than {} aliases", "Ask in several requests"),
    "cost": (
        "The cost of the document is over {}",
        "Ask for smaller pages or fewer fields: each counts as often as it may be answered",
    ),
    "page": ("A page holds at most {}", "Ask for a smaller one, and page on with a cursor"),
    "body": ("The body is larger than {} KiB", "Send less, in several requests"),
    "body_seconds": ("The body did not arrive within {} s", "Send it at once"),
    "nesting": ("The variables nest more than {} levels", "Send less nested values"),
    "batch": ("A batch has more than {} operations", "Send fewer at a time"),
    "seconds": (
        "The answer took longer than {} s and was given up",
        "Ask for less at once: smaller pages, a narrower filter",
    ),
    "requests": ("This key asks more than {} times a minute", "Wait {retryAfter} s and ask again"),
    "concurrent": (
        "This key has {} operations under way",
        "Wait for one of them to be answered, and ask again",
    ),
    "streams": (
        "This key has {} sockets and streams open",
        "Close one: a socket carries many subscriptions",
    ),
    "sockets": (
        "This process has {} sockets and streams open",
        "Come again in {retryAfter} s; whoever runs the hub may raise HUB_MAX_SOCKETS",
    ),
    "subscriptions": (
        "A socket carries at most {} operations",
        "Complete one, or open another socket",
    ),
}


def over(
    name: str, found: int | None, most: float, facts: Mapping[str, Any] | None = None
) -> Refused:
    """Say which limit was met, by how much, and what to do."""
    counted = {} if found is None or found >= SATURATED else {"found": found}
    message, advice = _SAID[name]
    return Refused(
        Code.PAGE_TOO_LARGE if name == "page" else Code.LIMIT_EXCEEDED,
        message.format(f"{most:g}" if isinstance(most, float) else most)
        + (f": {found}" if counted else ""),
        advice.format(**(facts or {})),
        {"limit": most, "of": name, **counted, **(facts or {})},
    )


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[None]:
    """Cancel what takes longer. Raises Refused."""
    try:
        async with asyncio.timeout(seconds) as deadline:
            yield
    except TimeoutError:
        if not deadline.expired():
            raise
        raise over("seconds", None, seconds) from None
