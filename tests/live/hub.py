"""A hub that reads one real source, asked through its public API."""

import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.config import read_config
from tests.running import Running, running, until

PATIENCE = 30  # seconds until what happened at a source must be shown

_SIGNALS = """
query ($after: String) {
  signals(filter: {sources: ["live"]}, first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    edges { node {
      id externalId kind title summary body status classification severity department url labels
      attributes thread revision author { name } owner { name } account { name }
      history(first: 100) { edges { node { type title status revision } } }
    } }
  }
}
"""
_SOURCE = 'query { source(name: "live") { state lastError lastSuccessAt } }'


@dataclass(frozen=True, slots=True)
class Reader:
    """The hub as one role sees it."""

    running: Running
    database: Path

    async def signals(self, role: str = "sales") -> dict[str, Any]:
        """Every signal of the source that this role may see, by the source's id."""
        found: dict[str, Any] = {}
        after, more = None, True
        while more:
            page = (await self.running.ask(_SIGNALS, role, after=after))["signals"]
            found |= {edge["node"]["externalId"]: edge["node"] for edge in page["edges"]}
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        return found

    async def shows(self, external_id: str, role: str = "sales", **wanted: Any) -> Any:
        """Wait until the signal is as wanted; the failure tells how it was at last."""
        seen: Any = None

        async def check() -> Any:
            nonlocal seen
            seen = (await self.signals(role)).get(external_id)
            fits = seen and all(seen[name] == value for name, value in wanted.items())
            return seen if fits else None

        try:
            return await until(check, within=PATIENCE)
        except AssertionError:
            source = (await self.running.ask(_SOURCE, "admin"))["source"]
            raise AssertionError(
                f"{external_id} is not as wanted {wanted}: {seen}; the source: {source}"
            ) from None

    async def state(self, wanted: str) -> Any:
        """Wait until the source's state is as wanted."""

        async def check() -> Any:
            source = (await self.running.ask(_SOURCE, "admin"))["source"]
            return source if source["state"] == wanted else None

        return await until(check, within=PATIENCE)

    def keeps(self, words: str) -> list[str]:
        """Search every row of every table, as stored, for words that should be gone."""
        with closing(sqlite3.connect(self.database)) as database:
            return [line for line in database.iterdump() if words in line]


@asynccontextmanager
async def reading(
    folder: Path, source: str, secrets: Mapping[str, str], more: str = ""
) -> AsyncGenerator[Reader]:
    """Run a hub whose hub.toml holds this source, on the database in `folder`."""
    config = read_config(f'[sources.live]\nevery = "1s"\n{source}\n{more}', secrets)
    database = folder / "hub.db"
    async with running(f"sqlite:///{database}", config) as hub:
        yield Reader(hub, database)
