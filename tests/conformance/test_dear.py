"""The dearest filters that are permitted take the event loop a quarter of a second at most."""

from collections.abc import Callable
from time import thread_time
from typing import Any

import pytest

from tests.filled import filled
from tests.running import Running

pytestmark = pytest.mark.conformance

LOOP = 0.25  # seconds of the event loop's own time


def everything(time: int) -> dict[str, Any]:
    """Give a filter by all that there is, of 11 values that no filter had before."""
    names = [f"{time}.x", f"{time}.y.*"]
    one = {"accounts": names[:1], "sources": names[:1], "allLabels": names[:1], "text": names[0]}
    enums = {"departments": ["SALES"], "statuses": ["OPEN"]}
    limits = {"minSeverity": "LOW", "maxSeverity": "HIGH", "occurredAfter": "2026-01-01T00:00:00Z"}
    return {"labels": names, "kinds": names} | one | enums | limits


def many(field: str, count: int, time: int) -> dict[str, Any]:
    """Give a filter with so many values, which no filter had before."""
    values = [f"{time}.{number}.*" for number in range(count)]
    return {"or": [{field: values[start : start + 50]} for start in range(0, count, 50)]}


PAGE = "signals(first: 1, filter: $f) { edges { cursor } }"
ONE = f"query ($f: SignalFilter) {{ {PAGE} }}"
ALIASED = "query ($f: SignalFilter) { " + " ".join(f"a{one}: {PAGE}" for one in range(30)) + " }"
SEARCH = 'signals(search: "~ of %") { edges { cursor } }'
SEARCHES = "{ " + " ".join(f"a{one}: {SEARCH.replace('%', str(one))}" for one in range(30)) + " }"
DEAREST: dict[str, tuple[str, Callable[[int], Any] | None]] = {
    "one filter by everything": (ONE, lambda time: {"or": [everything(time)] * 36}),
    "one filter by kinds": (ONE, lambda time: many("kinds", 490, time)),
    "one filter by labels": (ONE, lambda time: many("labels", 490, time)),
    "thirty filters by everything": (ALIASED, everything),
    "thirty filters by kinds": (ALIASED, lambda time: many("kinds", 19, time)),
    "thirty filters by labels": (ALIASED, lambda time: many("labels", 19, time)),
    "thirty searches": (SEARCHES, None),
}


async def spent(hub: Running, document: str, filter_: Any) -> float:
    began = thread_time()
    answer = await hub.reply(document, f=filter_)
    assert "errors" not in answer, answer["errors"]
    return thread_time() - began


async def test_the_dearest_documents_leave_the_loop_to_others(database_url: str) -> None:
    found = {}
    async with filled(database_url, max_seconds=60) as hub:  # the loop's own time is counted
        await hub.ask("{ signals(first: 1) { edges { cursor } } }")
        for name, (document, filter_) in DEAREST.items():
            found[name] = min(
                [
                    await spent(hub, document.replace("~", str(time)), filter_ and filter_(time))
                    for time in range(3)
                ]
            )
    print({name: round(seconds, 3) for name, seconds in found.items()})  # noqa: T201
    assert max(found.values()) < LOOP, found
