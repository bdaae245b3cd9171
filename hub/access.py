"""Who may see what: one declaration, as a small tree that is judged in memory or turned into SQL.

`hub.store.visible` compiles the same tree to a WHERE clause; a property test holds them equal.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hub.kinds import matches_kind
from hub.signals import Classification, Facts, Viewer

Field: TypeAlias = Literal["kind", "department", "source", "status", "account"]
Level: TypeAlias = Literal["classification", "severity"]


@dataclass(frozen=True, slots=True)
class Always:
    pass


@dataclass(frozen=True, slots=True)
class Never:
    pass


@dataclass(frozen=True, slots=True)
class In:
    """The field has one of these values; patterns (`sales.*`) where the field is the kind."""

    field: Field
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class AtMost:
    field: Level
    value: int


@dataclass(frozen=True, slots=True)
class AtLeast:
    field: Level
    value: int


@dataclass(frozen=True, slots=True)
class Since:
    """It occurred at this time or later; the text as `hub.signals.iso` writes it."""

    at: str


@dataclass(frozen=True, slots=True)
class Before:
    at: str


@dataclass(frozen=True, slots=True)
class HasLabel:
    """It has one of these labels, at least."""

    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Says:
    """It has all that is searched for."""

    query: str


@dataclass(frozen=True, slots=True)
class Not:
    of: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    of: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    of: tuple["Condition", ...]


Condition: TypeAlias = (
    Always | Never | In | AtMost | AtLeast | Since | Before | HasLabel | Says | Not | AllOf | AnyOf
)


@dataclass(frozen=True, slots=True)
class Sees:
    """What a role may see: kinds and sources by name, up to a classification.

    Restricted signals are seen only from the sources that `restricted` names; what is `closed` is
    for other roles alone, whatever the rest says. What only `outlines` lets through is known to be
    there, and not read: see `hub.outline`.
    """

    classification: Classification = Classification.INTERNAL
    kinds: frozenset[str] = frozenset({"*"})
    except_kinds: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset({"*"})
    sources: frozenset[str] = frozenset({"*"})
    restricted: frozenset[str] = frozenset()
    closed: frozenset["Closed"] = frozenset()
    outlines: "Sees | None" = None


@dataclass(frozen=True, slots=True)
class Closed:
    """Kinds that are for other roles: all that a pattern takes and no narrower one does."""

    pattern: str
    narrower: frozenset[str] = frozenset()


def closed_to(role: str, audiences: Mapping[str, Collection[str]]) -> frozenset[Closed]:
    """Name what is for other roles: of the patterns that take a kind the longest decides."""
    return frozenset(
        Closed(
            pattern,
            frozenset(
                other for other in audiences if other != pattern and matches_kind(pattern, other)
            ),
        )
        for pattern, roles in audiences.items()
        if role not in roles and "*" not in roles
    )


def sees(rule: Sees) -> Condition:
    """Turn one role's declaration into a condition: what it may know is there."""
    return any_of(reads(rule), reads(rule.outlines)) if rule.outlines else reads(rule)


def reads(rule: Sees) -> Condition:
    """Turn one role's declaration into a condition: what it may read as a whole."""
    open_part = AtMost("classification", min(rule.classification, Classification.CONFIDENTIAL))
    restricted = _named("source", rule.restricted) if rule.restricted else Never()
    whole = frozenset(one.pattern for one in rule.closed if not one.narrower)
    hidden = any_of(
        _named("kind", rule.except_kinds | whole),
        *(
            all_of(_named("kind", {one.pattern}), Not(In("kind", one.narrower)))
            for one in sorted(rule.closed, key=lambda one: one.pattern)
            if one.narrower
        ),
    )
    return all_of(
        any_of(open_part, restricted),
        _named("kind", rule.kinds),
        Always() if isinstance(hidden, Never) else Not(hidden),
        _named("department", rule.departments),
        _named("source", rule.sources),
    )


# Everything but what is restricted: that takes a role which is named for it.
OF_ADMINS = Sees(classification=Classification.CONFIDENTIAL)


def may_see(viewer: Viewer, rules: Mapping[str, Sees]) -> Condition:
    """Say what this viewer may see: all that any of its roles may, and the admin scope."""
    return _all_roles(viewer, rules, sees)


def may_read(viewer: Viewer, rules: Mapping[str, Sees]) -> Condition:
    """Say of what this viewer may read more than an outline: never more than it may see."""
    return _all_roles(viewer, rules, reads)


def _all_roles(
    viewer: Viewer, rules: Mapping[str, Sees], of: Callable[[Sees], Condition]
) -> Condition:
    parts = [of(rules[role]) for role in sorted(viewer.roles) if role in rules]
    if viewer.is_admin:
        parts.append(of(OF_ADMINS))
    return any_of(*parts)


def holds(condition: Condition, facts: Facts, *, unknown: bool = True) -> bool:  # noqa: C901, PLR0911, PLR0912 - a line a node
    """Judge a signal's facts in memory; what they no longer say may have been so.

    `unknown` is the answer of a part that looks at what was erased. What is negated is asked the
    other way round, so that the whole holds wherever it may hold.
    """
    match condition:
        case Always():
            return True
        case Never():
            return False
        case In("kind", values):
            return any(matches_kind(pattern, facts.kind) for pattern in values)
        case In(field, values):
            return getattr(facts, field) in values
        case AtMost(field, value):
            return int(getattr(facts, field)) <= value
        case AtLeast(field, value):
            return int(getattr(facts, field)) >= value
        case Since(at):
            return facts.occurred_at >= at
        case Before(at):
            return facts.occurred_at < at
        case HasLabel(values):
            return unknown if facts.labels is None else not values.isdisjoint(facts.labels)
        case Says():
            return unknown  # facts have no words: whoever may have been shown it is told
        case Not(of):
            return not holds(of, facts, unknown=not unknown)
        case AllOf(of):
            return all(holds(part, facts, unknown=unknown) for part in of)
        case AnyOf(of):
            return any(holds(part, facts, unknown=unknown) for part in of)


def all_of(*parts: Condition) -> Condition:
    needed = tuple(part for part in parts if not isinstance(part, Always))
    if any(isinstance(part, Never) for part in needed):
        return Never()
    return AllOf(needed) if len(needed) > 1 else needed[0] if needed else Always()


def any_of(*parts: Condition) -> Condition:
    useful = tuple(part for part in parts if not isinstance(part, Never))
    if any(isinstance(part, Always) for part in useful):
        return Always()
    return AnyOf(useful) if len(useful) > 1 else useful[0] if useful else Never()


def asks_for_words(condition: Condition) -> bool:
    """Tell whether it takes the text of a signal to judge by it, which its facts do not have."""
    match condition:
        case Says():
            return True
        case Not(of):
            return asks_for_words(of)
        case AllOf(of) | AnyOf(of):
            return any(map(asks_for_words, of))
        case _:
            return False


def _named(field: Field, values: Iterable[str]) -> Condition:
    names = frozenset(values)
    if "*" in names:
        return Always()
    return In(field, names) if names else Never()
