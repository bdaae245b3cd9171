"""Batches what many fields of one request ask for: one query per relation."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from strawberry.dataloader import DataLoader

from hub.access import Condition
from hub.kinds import Department
from hub.signals import Relevance, Signal
from hub.store import Store
from hub.store.about import Asked, counts_about, pages_about
from hub.store.names import Row
from hub.store.pages import Found
from hub.store.pushes import last_pushes
from hub.store.relevance import relevance_of
from hub.store.signals import by_ids
from hub.store.sources import Standing, counts, standings

Question = TypeVar("Question", bound=Hashable)


class Loaders:
    def __init__(
        self, store: Store, visible: Callable[[], Condition], shown: Callable[[Signal], Signal]
    ) -> None:
        async def relevance(ids: list[str]) -> list[dict[str, Relevance]]:
            async with store.read() as connection:
                found = await relevance_of(connection, ids)
            return [{one.role: one for one in found.get(id_, ())} for id_ in ids]

        async def signals(ids: list[str]) -> list[Signal | None]:
            async with store.read() as connection:
                # No id has a NUL, which PostgreSQL refuses even to compare with.
                asked = [id_ for id_ in ids if "\0" not in id_]
                found = await by_ids(connection, asked, visible())
            known = {id_: shown(signal) for id_, signal in found.items()}
            return [known.get(id_) for id_ in ids]

        async def sources(names: list[str]) -> list[Standing | None]:
            async with store.read() as connection:
                found = {one.name: one for one in await standings(connection)}
            return [found.get(name) for name in names]

        async def numbers(names: list[str]) -> list[tuple[int, int]]:
            async with store.read() as connection:
                found = await counts(connection, names, visible())
            return [found[name] for name in names]

        async def pushed(names: list[str]) -> list[datetime | None]:
            async with store.read() as connection:
                found = await last_pushes(connection, names)
            return [found.get(name) for name in names]

        async def about(keys: list[tuple[Asked, str]]) -> list[Found[Signal]]:
            asked = _grouped(keys)
            async with store.read() as connection:
                pages = {one: await pages_about(connection, one, asked[one]) for one in asked}
            return [pages[one][id_] for one, id_ in keys]

        async def departments(
            keys: list[tuple[Row, Condition, str]],
        ) -> list[Mapping[Department, int]]:
            asked = _grouped([((rows, within), id_) for rows, within, id_ in keys])
            async with store.read() as connection:
                found = {one: await counts_about(connection, *one, asked[one]) for one in asked}
            return [found[rows, within][id_] for rows, within, id_ in keys]

        # Without a cache: a socket lives long, and what it loads must be what is stored now.
        self.relevance: DataLoader[str, dict[str, Relevance]] = DataLoader(relevance, cache=False)
        self.signal: DataLoader[str, Signal | None] = DataLoader(signals, cache=False)
        self.source: DataLoader[str, Standing | None] = DataLoader(sources, cache=False)
        self.counts: DataLoader[str, tuple[int, int]] = DataLoader(numbers, cache=False)
        self.about: DataLoader[tuple[Asked, str], Found[Signal]] = DataLoader(about, cache=False)
        self.departments: DataLoader[tuple[Row, Condition, str], Mapping[Department, int]] = (
            DataLoader(departments, cache=False)
        )
        self.pushed: DataLoader[str, datetime | None] = DataLoader(pushed, cache=False)


def _grouped(keys: Iterable[tuple[Question, str]]) -> dict[Question, list[str]]:
    """Put together what is asked alike."""
    found: dict[Question, list[str]] = {}
    for question, id_ in keys:
        found.setdefault(question, []).append(id_)
    return found
