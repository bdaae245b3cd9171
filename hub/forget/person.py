"""Who is to be forgotten: all that they are called, found and taken out of any text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hub.connector import PersonRef
from hub.ingest.enrich import person_keys
from hub.store import Store
from hub.store.people import Known, refs_to

GONE = "[forgotten]"  # stands where others mentioned the person
SHORTEST = 3  # letters of a name or handle that can be told from other words
_REFS = 200  # read at once


def _whole(term: str) -> str:
    """Match a term where it stands by itself: `jane@x.org` is not in `mary.jane@x.org`."""
    before = r"(?<![\w.+-])" if "@" in term else r"(?<!\w)@?"
    words = r"\s+".join(map(re.escape, term.split()))
    return rf"{before}{words}(?!\w)"


@dataclass(frozen=True)
class Person:
    """Who is to be forgotten. `id` is None for one who is no longer known, but may be mentioned."""

    id: str | None
    keys: frozenset[str]
    called: frozenset[str]  # names, e-mail addresses and handles

    @cached_property
    def too_short(self) -> list[str]:
        return sorted(one for one in self.called if len(one) < SHORTEST)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # Longest first: the address goes as a whole, before the name that is in it.
        terms = sorted((one for one in self.called if len(one) >= SHORTEST), key=len, reverse=True)
        return re.compile("|".join(map(_whole, terms)) or "(?!)", re.IGNORECASE)

    def is_named(self, text: str) -> bool:
        return self._pattern.search(text) is not None

    def without(self, value: Any) -> Any:
        """Give a text, or any JSON, without the person's names."""
        match value:
            case str():
                return self._pattern.sub(GONE, value)
            case list() | tuple():
                return type(value)(self.without(part) for part in value)
            case dict():
                return {self.without(key): self.without(part) for key, part in value.items()}
            case _:
                return value

    def is_meant(self, ref: Any, source: str) -> bool:
        """Tell whether a reference in a stored draft is to this person."""
        return not self.keys.isdisjoint(person_keys(PersonRef(**ref), source))


async def known_as(store: Store, known: Known) -> Person:
    """Collect all that a person is called: by their keys, and in the records themselves."""
    called = {known.name, *(_called(key) for key in known.keys)}
    keys = set(known.keys)
    person = Person(known.id, frozenset(keys), frozenset(called))
    place: str | None = ""
    while place is not None:
        async with store.read() as connection:
            place, refs = await refs_to(connection, known.id, place, _REFS)
        for source, ref in refs:
            if person.is_meant(ref, source):
                called |= {ref[part] for part in ("name", "email", "handle") if ref.get(part)}
                keys |= set(person_keys(PersonRef(**ref), source))
                keys.add(f"name:{source}:{ref['name'].strip().casefold()}")
    return Person(known.id, frozenset(keys), frozenset(called))


def _called(key: str) -> str:
    kind, _, rest = key.partition(":")
    return rest if kind == "email" else rest.partition(":")[2]


def possible_keys(asked: str, sources: Iterable[str]) -> frozenset[str]:
    """Give the keys that what was asked for may stand for, where nobody is known by it."""
    if "@" in asked:
        return frozenset({f"email:{asked.lower()}"})
    return frozenset(
        f"{kind}:{source}:{asked.casefold()}" for source in sources for kind in ("handle", "name")
    )
