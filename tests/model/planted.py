"""The `hub` command with a bug in it: `python -m tests.model.planted serve`.

MODEL in the environment says which, and nothing of it is in the hub: names are replaced where they
are looked up, by this program or by a test.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hub.access import Always
from hub.errors import StoreUnavailable
from hub.store import open_store
from tests.crash.planted import find

MODEL = "MODEL"

# Seconds pass in tenths of seconds.
QUICKER: dict[str, Any] = {
    "hub.web.auth:FRESH_SECONDS": 0.5,
    "hub.graphql.watch:EVERY": 0.4,
    "hub.graphql.context:LOOK": 1.0,
    "hub.graphql.subscriptions:LOOK": 0.5,
    "hub.follow:LAST_PAGES": 0.2,
    "hub.follow:JUDGED": 0.1,
}

# What stands at a name, made of what stood there.
Plant = Mapping[str, Callable[[Any], Any]]


def _moved(by: int) -> Callable[[Any], Any]:
    """Read a cursor, and stand one beside it."""

    def planted(real: Any) -> Any:
        def moved(cursor: str) -> Any:
            place = real(cursor)
            return replace(place, seq=place.seq + by)

        return moved

    return planted


def _before_commit(real: Any) -> Any:
    """Take numbers in a transaction of their own: a later number may be committed first."""

    async def planted(connection: Any, count: int) -> int:
        url = connection.engine.url.render_as_string(hide_password=False)
        first: int
        try:
            async with open_store(url) as store, store.write() as own:
                await own.execute(text("SET LOCAL lock_timeout = '200ms'"))
                first = await real(own, count)
        except (DBAPIError, StoreUnavailable):  # it holds the numbers itself
            first = await real(connection, count)
        return first

    return planted


PLANTS: dict[str, Plant] = {
    "resume-skips": {"hub.graphql.subscriptions:read_log_place": _moved(1)},
    "resume-repeats": {"hub.graphql.subscriptions:read_log_place": _moved(-1)},
    "before-commit": {"hub.ingest.address:log.take_numbers": _before_commit},
    "open-doors": {"hub.graphql.context:may_see": lambda _: lambda *_: Always()},
    "tells-all": {"hub.graphql.subscriptions:holds": lambda _: lambda *_, **__: True},
    "old-access": {"hub.web.auth:FRESH_SECONDS": lambda _: 1e9},
}


def replacements(plant: str | None, *, quick: bool) -> Iterator[tuple[Any, str, Any]]:
    """Give what is to be replaced: (owner, name, by what)."""
    for where, value in QUICKER.items() if quick else ():
        yield (*find(where), value)
    for where, make in PLANTS[plant].items() if plant else ():
        owner, name = find(where)
        yield owner, name, make(getattr(owner, name))


def environment(plant: str | None, *, quick: bool) -> dict[str, str]:
    return {MODEL: json.dumps({"plant": plant, "quick": quick})}


if __name__ == "__main__":
    for owner, name, value in replacements(**json.loads(os.environ[MODEL])):
        setattr(owner, name, value)
    find("hub.__main__:main")[0].main()
