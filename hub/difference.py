"""What a configuration changes of the one before: pure, and told in words."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from hub.roles import role_tables

Data = Mapping[str, Any]

OTHERS = ("hub", "audiences", "retention", "oidc")


@dataclass(frozen=True, slots=True)
class Names:
    """What of one sort came, changed and went, by name."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        parts = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        return "; ".join(f"{what} {', '.join(names)}" for what, names in parts if names)


@dataclass(frozen=True, slots=True)
class Difference:
    """`others`: the tables about the hub itself that changed."""

    sources: Names = Names()
    roles: Names = Names()
    endpoints: Names = Names()
    others: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.roles or self.endpoints or self.others)

    def lines(self) -> Iterator[str]:
        for what, names in (
            ("sources", self.sources),
            ("roles", self.roles),
            ("endpoints", self.endpoints),
        ):
            if names:
                yield f"{what}: {names}"
        for name in self.others:
            yield f"{name}: changed"


def difference(
    before: Data,
    after: Data,
    *,
    sources: AbstractSet[str] = frozenset(),
    endpoints: AbstractSet[str] = frozenset(),
) -> Difference:
    """Compare the tables of two configurations.

    `sources`, `endpoints`: those known to have changed although their tables say the same: a
    secret has another value.
    """
    return Difference(
        _names(before.get("sources", {}), after.get("sources", {}), sources),
        _names(role_tables(before), role_tables(after)),
        _names(before.get("endpoints", {}), after.get("endpoints", {}), endpoints),
        tuple(name for name in OTHERS if before.get(name, {}) != after.get(name, {})),
    )


def _names(before: Data, after: Data, known: AbstractSet[str] = frozenset()) -> Names:
    return Names(
        tuple(name for name in after if name not in before),
        tuple(
            name
            for name in after
            if name in before and (name in known or before[name] != after[name])
        ),
        tuple(name for name in before if name not in after),
    )


def parts(before: Data, after: Data, changed: Difference) -> tuple[Data, Data]:
    """Give the tables that changed, as they were and as they are: names of secrets, no values."""
    was: dict[str, Any] = {}
    now: dict[str, Any] = {}
    for sort in ("sources", "roles", "endpoints"):
        names: Names = getattr(changed, sort)
        for side, tables in ((was, before), (now, after)):
            named = {
                name: tables[sort][name]
                for name in (*names.added, *names.changed, *names.removed)
                if name in tables.get(sort, {})
            }
            if named:
                side[sort] = named
    for name in changed.others:
        was[name], now[name] = before.get(name, {}), after.get(name, {})
    return was, now
