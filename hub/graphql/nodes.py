"""Relay's object identification: anything by its id, for those who may see it."""

import strawberry

from hub.errors import Code, Refused
from hub.graphql.audit import entry_type
from hub.graphql.context import Info
from hub.graphql.keys import key_type
from hub.graphql.named import Account, Person
from hub.graphql.relay import LARGEST_PAGE, Node
from hub.graphql.roles import role_type
from hub.graphql.sources import load_sources, shown_records
from hub.graphql.types import signal_type
from hub.store.audit import entry
from hub.store.identities import named
from hub.store.keys import key_of_id
from hub.store.quarantine import quarantined_by_ids


async def find_nodes(info: Info, ids: list[str]) -> list[Node | None]:
    """Find things by id, in the order asked. What may not be seen is not there."""
    _ = info.context.viewer
    if len(ids) > LARGEST_PAGE:
        raise Refused(
            Code.PAGE_TOO_LARGE,
            f"{len(ids)} ids are more than may be asked at once",
            f"Ask for at most {LARGEST_PAGE}",
            {"limit": LARGEST_PAGE},
        )
    found: dict[str, Node] = {}
    for id_, signal in zip(ids, await info.context.loaders.signal.load_many(ids), strict=True):
        if signal is not None:
            found[id_] = signal_type(signal)
    if any(id_.startswith("source:") for id_ in ids):
        found |= {str(source.id): source for source in await load_sources(info)}
    who = info.context.viewer
    found |= {
        f"role:{role.name}": role_type(role)
        for role in info.context.config.roles.values()
        if who.is_admin or role.name in who.roles
    }
    accounts, people = await find_named(info, [id_ for id_ in ids if id_ not in found])
    found |= {**accounts, **people}
    if who.is_admin:
        found |= await _of_administration(info, [id_ for id_ in ids if id_ not in found])
    return [found.get(id_) for id_ in ids]


async def find_named(info: Info, ids: list[str]) -> tuple[dict[str, Account], dict[str, Person]]:
    """Find accounts and people by id, as far as a signal that the viewer may see names them."""
    known = [id_ for id_ in ids if "\0" not in id_]  # which PostgreSQL refuses to compare with
    if not known:
        return {}, {}
    async with info.context.runtime.store.read() as connection:
        visible = info.context.visible
        accounts, people = await named(connection, known, visible, info.context.told(visible))
    return (
        {id_: Account(id=strawberry.ID(id_), name=name) for id_, name in accounts.items()},
        {id_: Person(id=strawberry.ID(id_), name=name) for id_, name in people.items()},
    )


async def _of_administration(info: Info, ids: list[str]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    ids = [id_ for id_ in ids if "\0" not in id_]
    if not ids:
        return found
    async with info.context.runtime.store.read() as connection:
        for id_ in ids:
            if (key := await key_of_id(connection, id_)) is not None:
                found[id_] = key_type(key)
            elif (act := await entry(connection, id_)) is not None:
                found[id_] = entry_type(act)
        records = await quarantined_by_ids(connection, [id_ for id_ in ids if id_ not in found])
        shown = await shown_records(info, connection, list(records.values()))
    return {**found, **{str(one.id): one for one in shown}}
