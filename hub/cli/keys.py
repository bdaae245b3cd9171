"""`hub keys`: API keys, shown once when they are made."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, moment, note, say, table
from hub.errors import Code, ConfigError, Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from hub.settings import Settings
    from hub.store.keys import Key

app = typer.Typer(no_args_is_help=True, help="API keys: make, list, revoke.")


class KeyState(StrEnum):
    OK = "ok"
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeyScope(StrEnum):
    READ = "read"
    PUBLISH = "publish"


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Who or what will use it.")],
    role: Annotated[
        list[str] | None, typer.Option(help="A role whose signals it sees; again for more.")
    ] = None,
    person: Annotated[
        str | None, typer.Option(help="Whose it is: the e-mail address or name on posts.")
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Sees all, and may change things.")
    ] = False,
    scope: Annotated[
        list[KeyScope] | None,
        typer.Option(help="What it may do; again for more. Both unless given."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 12h, 90d. Never unless given.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a key, which is shown once.

    Standard output gets the key alone; the hub keeps a hash of it.
    """
    from hub.signals import now
    from hub.store.audit import operator
    from hub.store.keys import add_key, new_key

    settings = prepare.settings()
    roles = sorted(set(role or []))
    scopes = sorted({*(scope or []), *(["admin"] if admin else [])})
    known = _roles(settings)
    for one in roles:
        if one not in known:
            raise ConfigError(f"no role named {one!r}", f"There are: {', '.join(known)}")
    if not name.strip():
        raise ConfigError("the name is empty", "Say who or what will use the key")
    if not roles and not admin:
        raise ConfigError(
            "a key without a role sees nothing",
            f"Add --admin, or --role with one of: {', '.join(known)}",
        )
    at = now()
    expires_at = _expiry(expires, at) if expires else None
    key = new_key()

    async def store_key() -> str:
        async with prepare.store(settings) as store, store.write() as connection:
            return await add_key(
                connection,
                key,
                name=name.strip(),
                roles=roles,
                scopes=scopes,
                person=person,
                at=at,
                expires_at=expires_at,
                by=operator("hub keys create"),
            )

    id_ = prepare.run(store_key())
    if json:
        as_json(
            {
                "id": id_,
                "key": key,
                "name": name.strip(),
                "roles": roles,
                "scopes": scopes,
                "person": person,
                "expires_at": expires_at,
            }
        )
        return
    typer.echo(key)
    what = ", ".join([*roles, *_special(scopes)])
    until = f", until {moment(expires_at)} UTC" if expires_at else ""
    note(f"This key of {name.strip()!r} ({what}{until}) is shown only now: keep it safe.")


def _roles(settings: "Settings") -> "Collection[str]":
    """Name the roles there are; without a file those that are stored."""
    if settings.config.exists():
        return prepare.config(settings).roles

    async def stored() -> "Collection[str]":
        async with prepare.store(settings) as store:
            return (await prepare.found(settings, store)).roles

    return prepare.run(stored())


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List keys by their first letters."""
    from hub.signals import now
    from hub.store.keys import keys

    settings = prepare.settings()

    async def read() -> "list[Key]":
        async with prepare.store(settings) as store, store.read() as connection:
            return await keys(connection)

    found = prepare.run(read())
    at = now()
    if json:
        as_json([{**_facts(one), "state": _state(one, at)} for one in found])
        return
    if not found:
        say("No keys yet. Make one: hub keys create --name me --role sales")
        return
    table(
        ["key", "name", "roles", "person", "expires", "state"],
        [
            [
                f"{one.prefix}…",
                one.name,
                ", ".join([*one.roles, *_special(one.scopes)]),
                one.person,
                one.expires_at.date() if one.expires_at else "never",
                _state(one, at),
            ]
            for one in found
        ],
        whole={"key", "expires", "state"},
    )


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, or its first letters as `list` shows them.")],
    json: AsJson = False,
) -> None:
    """End a key: a running hub refuses it within seconds."""
    from hub.signals import now
    from hub.store.audit import operator
    from hub.store.keys import PREFIX, SHOWN
    from hub.store.keys import revoke as revoke_key

    settings = prepare.settings()
    key = key.strip().removesuffix("…")
    if key.startswith(PREFIX):
        key = key[:SHOWN]  # of a whole key the rest is secret, and not needed

    async def work() -> bool:
        async with prepare.store(settings) as store, store.write() as connection:
            return bool(await revoke_key(connection, key, now(), operator("hub keys revoke")))

    if not prepare.run(work()):
        raise Refused(
            Code.NOT_FOUND, "there is no such key in force", "See them with: hub keys list"
        )
    if json:
        as_json({"revoked": key})
    else:
        say(f"revoked {key}: a running hub refuses it within seconds")


def _special(scopes: "Sequence[str]") -> list[str]:
    """Name what a key may beside what is usual; or what it may where that is less."""
    usual = {KeyScope.READ, KeyScope.PUBLISH}
    return [one for one in scopes if not (usual <= set(scopes) and one in usual)]


def _expiry(expires: str, at: datetime) -> datetime:
    from pydantic import TypeAdapter, ValidationError

    from hub.connector import Duration

    try:
        lasts = TypeAdapter(Duration).validate_python(expires)
        if lasts.total_seconds() <= 0:
            raise ConfigError("--expires is not after now", "Write 12h or 90d")
        return at + lasts
    except (ValidationError, OverflowError):
        raise ConfigError(f"--expires: {expires!r} is not a duration", "Write 12h or 90d") from None


def _facts(key: "Key") -> dict[str, object]:
    return {
        "id": key.id,
        "prefix": key.prefix,
        "name": key.name,
        "roles": key.roles,
        "scopes": key.scopes,
        "person": key.person,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


def _state(key: "Key", at: datetime) -> KeyState:
    if key.revoked_at:
        return KeyState.REVOKED
    return KeyState.EXPIRED if key.expires_at and key.expires_at <= at else KeyState.OK
