"""API keys through the API: listed, made and revoked by who has the admin scope."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import strawberry

from hub.errors import Code
from hub.graphql.context import Info
from hub.graphql.enums import Scope
from hub.graphql.relay import Node
from hub.graphql.results import Forbidden, InvalidInput, NotFound
from hub.signals import now
from hub.store import keys

LONGEST_NAME = 200


@strawberry.type(description="An API key: who or what comes with it, and as what. Never the key.")
class ApiKey(Node):
    prefix: str = strawberry.field(description="Its first letters, to recognise it by.")
    name: str = strawberry.field(description="Who or what uses it.")
    roles: list[str] = strawberry.field(description="The roles whose signals it sees.")
    scopes: list[Scope] = strawberry.field(description="What it may do.")
    person: str | None = strawberry.field(description="The person it belongs to.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it ends; null: never.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked.")


@strawberry.input(description="An API key to be made.")
class CreateKeyInput:
    name: str = strawberry.field(description="Who or what will use it.")
    roles: list[str] = strawberry.field(
        default_factory=list, description="The roles whose signals it sees."
    )
    scopes: list[Scope] = strawberry.field(
        default_factory=lambda: [Scope.READ, Scope.PUBLISH],
        description="What it may do. READ and PUBLISH unless given.",
    )
    person: str | None = strawberry.field(
        default=None, description="Whose it is: the e-mail address or name on posts."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it ends. Never unless given."
    )


@strawberry.type(description="The key was made.")
class CreateKeySuccess:
    key: ApiKey = strawberry.field(description="What is kept of it.")
    secret: str = strawberry.field(description="The key itself: shown only now.")


@strawberry.type(description="The key is revoked: every process refuses it within seconds.")
class RevokeKeySuccess:
    key: ApiKey = strawberry.field(description="The key.")


CreateKeyResult = Annotated[
    CreateKeySuccess | InvalidInput | Forbidden,
    strawberry.union("CreateKeyResult", description="What became of a key to be made."),
]
RevokeKeyResult = Annotated[
    RevokeKeySuccess | NotFound | Forbidden,
    strawberry.union("RevokeKeyResult", description="What became of a key to be revoked."),
]
KeyToMake = Annotated[CreateKeyInput, strawberry.argument(description="The key to be made.")]
KeyId = Annotated[strawberry.ID, strawberry.argument(description="The key's id.")]

_NOT_ADMIN = "This takes the admin scope"


async def list_keys(info: Info) -> list[ApiKey]:
    info.context.admin()
    async with info.context.runtime.store.read() as connection:
        return [key_type(one) for one in await keys.keys(connection)]


async def create_key(
    info: Info,
    input: KeyToMake,  # noqa: A002 - the API's name
) -> CreateKeyResult:
    if not info.context.viewer.is_admin:
        return Forbidden(code=Code.FORBIDDEN, message=_NOT_ADMIN)
    at = now()
    if problem := next(_problems(info, input, at), None):
        return problem
    secret = keys.new_key()
    async with info.context.runtime.store.write() as connection:
        id_ = await keys.add_key(
            connection,
            secret,
            name=input.name.strip(),
            roles=input.roles,
            scopes=input.scopes,
            person=(input.person or "").strip() or None,
            at=at,
            expires_at=input.expires_at,
            by=info.context.actor,
        )
        made = await keys.key_of_id(connection, id_)
    assert made is not None, "it was stored just now"
    return CreateKeySuccess(key=key_type(made), secret=secret)


async def revoke_key(info: Info, id: KeyId) -> RevokeKeyResult:  # noqa: A002 - the API's name
    if not info.context.viewer.is_admin:
        return Forbidden(code=Code.FORBIDDEN, message=_NOT_ADMIN)
    key_id = str(id)
    async with info.context.runtime.store.write() as connection:
        known = "\0" not in key_id and await keys.key_of_id(connection, key_id)
        revoked = known and await keys.revoke(connection, key_id, now(), info.context.actor)
        found = await keys.key_of_id(connection, key_id) if revoked else None
    if found is None:
        message = "There is no such key in force. See them with: { keys { id name } }"
        return NotFound(code=Code.NOT_FOUND, message=message)
    return RevokeKeySuccess(key=key_type(found))


def _problems(info: Info, given: CreateKeyInput, at: datetime) -> Iterator[InvalidInput]:
    known = info.context.config.roles
    if not given.name.strip():
        yield _invalid("name", "Say who or what will use the key")
    for field in ("name", "person"):
        text = getattr(given, field) or ""
        if len(text) > LONGEST_NAME or not text.isprintable():
            yield _invalid(field, f"At most {LONGEST_NAME} letters that can be printed")
    for role in given.roles:
        if role not in known:
            yield _invalid("roles", f"No role named {role!r}. There are: {', '.join(known)}")
    if not given.scopes:
        yield _invalid("scopes", "A key without a scope may do nothing. Leave it out, or name some")
    elif not given.roles and Scope.ADMIN not in given.scopes:
        yield _invalid("roles", "A key without a role sees nothing. Name one")
    if given.expires_at is not None:
        yield from _end(given.expires_at, at)


def _end(ends: datetime, at: datetime) -> Iterator[InvalidInput]:
    if ends.tzinfo is None:
        yield _invalid("expiresAt", "It has no time zone. Write 2026-11-24T09:00:00Z")
    elif ends <= at:
        yield _invalid("expiresAt", "That is over. Give a time to come")


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(code=Code.INVALID, message=message, field=field)


def key_type(key: keys.Key) -> ApiKey:
    return ApiKey(
        id=strawberry.ID(key.id),
        prefix=key.prefix,
        name=key.name,
        roles=list(key.roles),
        scopes=[Scope(one) for one in key.scopes],
        person=key.person,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )
