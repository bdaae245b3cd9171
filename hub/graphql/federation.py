"""The hub as a subgraph of Apollo Federation 2: what a company's router asks of it.

https://www.apollographql.com/docs/graphos/reference/federation/subgraph-spec
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

import strawberry
from strawberry.federation.schema import FederationAny
from strawberry.types.scalar import scalar

from hub.errors import Code, Refused
from hub.graphql.context import Info
from hub.graphql.named import Account, Person
from hub.graphql.nodes import find_named
from hub.graphql.queries import Query
from hub.graphql.types import Signal, signal_type

VERSION: Final = "2.9"  # newer ones are refused by The Guild's composer
MOST = 1000  # representations at once: a router collects those of a whole answer

ANY: Final[dict[object, Any]] = {
    FederationAny: scalar(
        name="_Any",
        description="An entity as a router names it: its `__typename` and its key.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    )
}

Entity: TypeAlias = Annotated[
    Signal | Account | Person,
    strawberry.union("_Entity", description="What other subgraphs extend, by its id."),
]
Representations = Annotated[
    list[FederationAny],
    strawberry.argument(description=f"Type and id of each; {MOST} at most."),
]


@strawberry.type(name="_Service", description="What a router is told of the hub.")
class Service:
    @strawberry.field(description="The schema, with its directives of federation.")
    def sdl(self, info: Info) -> str:
        return info.schema.as_str()


@strawberry.type(name="Query", description="What can be asked.")
class SubgraphQuery(Query):
    @strawberry.field(name="_service", description="For a router: what this subgraph offers.")
    def federation_service(self, info: Info) -> Service:
        _ = info.context.viewer
        return Service()

    @strawberry.field(
        name="_entities",
        description="For a router: entities by type and id, in the order asked; null where one "
        "is not, for you.",
    )
    async def federation_entities(
        self, info: Info, representations: Representations
    ) -> list[Entity | None]:
        if len(representations) > MOST:
            raise Refused(
                Code.PAGE_TOO_LARGE,
                f"{len(representations)} entities are more than may be asked for at once",
                f"Ask for at most {MOST}",
                {"limit": MOST},
            )
        asked = [_key(one) for one in representations]
        ids = {name: [id_ for type_, id_ in asked if type_ == name] for name in _NAMES}
        loaded = await info.context.loaders.signal.load_many(ids["Signal"])
        signals = zip(ids["Signal"], loaded, strict=True)
        accounts, people = await find_named(info, [*ids["Account"], *ids["Person"]])
        found: Mapping[str, Mapping[str, Signal | Account | Person]] = {
            "Signal": {id_: signal_type(signal) for id_, signal in signals if signal},
            "Account": accounts,
            "Person": people,
        }
        return [found[type_].get(id_) for type_, id_ in asked]


_NAMES = ("Signal", "Account", "Person")


def _key(representation: Any) -> tuple[str, str]:
    """Read type and id. Raises Refused for what names no entity of the hub."""
    given = representation if isinstance(representation, Mapping) else {}
    type_, id_ = given.get("__typename"), given.get("id")
    if type_ not in _NAMES:
        raise Refused(
            Code.INVALID,
            f"A representation's __typename is none of {', '.join(_NAMES)}",
            "Ask the subgraph that has the type",
        )
    if isinstance(id_, bool) or not isinstance(id_, (str, int)):
        raise Refused(Code.INVALID, f"A representation of {type_} has no id", "Give its id")
    return type_, str(id_)
