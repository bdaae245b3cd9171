"""Who is asking, as what, and what that lets them see."""

from collections.abc import Iterator

import strawberry

from hub.access import OF_ADMINS, Sees
from hub.graphql.context import Context
from hub.graphql.enums import Classification, Department
from hub.signals import Scope


@strawberry.type(description="Kinds that are for other roles alone.")
class ClosedKinds:
    pattern: str = strawberry.field(description="A kind, or all kinds below one: `people.*`.")
    besides: list[str] = strawberry.field(
        description="Narrower patterns within, which have an audience of their own."
    )


@strawberry.type(description="Which signals may be seen: those for which all of this holds.")
class Sight:
    classification: Classification = strawberry.field(
        description="Up to this; what is RESTRICTED only from the sources in `restricted`."
    )
    kinds: list[str] = strawberry.field(description="Of these kinds; `*` is every one.")
    except_kinds: list[str] = strawberry.field(description="But not of these.")
    closed: list[ClosedKinds] = strawberry.field(
        description="Nor of these, which are for other roles alone."
    )
    departments: list[Department] | None = strawberry.field(
        description="From these departments; null for all."
    )
    sources: list[str] | None = strawberry.field(
        description="Through these sources, by name; null for all."
    )
    restricted: list[str] = strawberry.field(
        description="All that comes through these sources, however secret; `*` is every one."
    )


@strawberry.type(description="What one of your roles, or the admin scope, lets you see.")
class RoleSight:
    role: str | None = strawberry.field(description="The role; null for the admin scope.")
    reads: Sight = strawberry.field(description="What you may read.")
    outlines: Sight | None = strawberry.field(
        description="What you may know is there beside it, and not read: see `Signal.outline`. "
        "Null where there is none."
    )


@strawberry.type(description="Who is asking, and as what.")
class Viewer:
    name: str = strawberry.field(description="The name of the API key, or of who signed in.")
    roles: list[str] = strawberry.field(description="The roles it may ask as.")
    scopes: list[str] = strawberry.field(description="What it may do: `read`, `publish`, `admin`.")
    person: str | None = strawberry.field(description="The person it belongs to.")
    is_admin: bool = strawberry.field(description="Whether it may administer the hub.")
    sees: list[RoleSight] = strawberry.field(
        description="What it may see: whatever one of these lets through."
    )


def viewer_type(context: Context) -> Viewer:
    who = context.viewer
    return Viewer(
        name=who.name,
        roles=sorted(who.roles),
        scopes=sorted(who.scopes),
        person=who.person,
        is_admin=who.is_admin,
        sees=list(_sees(context)) if who.may(Scope.READ) else [],
    )


def _sees(context: Context) -> Iterator[RoleSight]:
    who, rules = context.viewer, context.config.rules
    for name in sorted(who.roles & rules.keys()):
        rule = rules[name]
        outlines = _sight(rule.outlines) if rule.outlines else None
        yield RoleSight(role=name, reads=_sight(rule), outlines=outlines)
    if who.is_admin:
        yield RoleSight(role=None, reads=_sight(OF_ADMINS), outlines=None)


def _sight(rule: Sees) -> Sight:
    return Sight(
        classification=rule.classification,
        kinds=sorted(rule.kinds),
        except_kinds=sorted(rule.except_kinds),
        closed=[
            ClosedKinds(pattern=one.pattern, besides=sorted(one.narrower))
            for one in sorted(rule.closed, key=lambda one: one.pattern)
        ],
        departments=None
        if "*" in rule.departments
        else [Department(name) for name in sorted(rule.departments)],
        sources=None if "*" in rule.sources else sorted(rule.sources),
        restricted=sorted(rule.restricted),
    )
