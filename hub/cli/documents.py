"""`hub documents`: GraphQL documents that clients use by name, and what may be executed at all."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, moment, note, say, table
from hub.errors import Code, ConfigError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.cli.manifest import Given
    from hub.graphql.documents import Document, Documents
    from hub.settings import Settings
    from hub.store.documents import Registered

app = typer.Typer(no_args_is_help=True, help="Registered documents: add, list, remove.")


class DocumentState(StrEnum):
    OK = "ok"
    FAILING = "failing"


@app.command()
def add(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="GraphQL, named by its file (feed.graphql: feed), or JSON of a client's build.",
            metavar="FILE...",
        ),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="A name that is taken gets the new text.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Register documents: all of them, or none where one does not fit the schema.

    A running hub takes them at once.
    """
    from hub.cli.manifest import read_files
    from hub.signals import now
    from hub.store.audit import operator
    from hub.store.documents import HASHED, digest, register

    settings = prepare.settings()
    given = read_files(files)
    _judge(_reader(settings), given)
    texts = {one.name: one.text for one in given}

    async def work() -> list[str]:
        async with prepare.store(settings) as store, store.write() as connection:
            by = operator("hub documents add")
            return await register(connection, texts, now(), by, replace=replace)

    changed = set(prepare.run(work()))
    if json:
        as_json(
            [
                {"name": name, "id": f"{HASHED}{digest(text)}", "changed": name in changed}
                for name, text in texts.items()
            ]
        )
        return
    for name, text in texts.items():
        said = "registered" if name in changed else "registered already:"
        say(f"{said} {name} ({HASHED}{digest(text)})")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List documents, and what of them does not fit the schema of this version."""
    from hub.store.documents import HASHED, registered

    settings = prepare.settings()

    async def read() -> "list[Registered]":
        async with prepare.store(settings) as store, store.read() as connection:
            return await registered(connection)

    found = prepare.run(read())
    if not found and not json:
        say("No documents yet. Register them: hub documents add feed.graphql")
        return
    reader = _reader(settings)
    documents = [(one, reader.read(one.text)) for one in found]
    if json:
        as_json(
            [
                {
                    "name": one.name,
                    "id": f"{HASHED}{one.digest}",
                    "registered_at": one.at,
                    "operations": _operations(document),
                    "errors": _errors("", document),
                    "text": one.text,
                }
                for one, document in documents
            ]
        )
        return
    table(
        ["name", "hash", "operations", "registered", "state", "why"],
        [
            [
                one.name,
                f"{one.digest[:8]}…",
                ", ".join(_operations(document)),
                moment(one.at),
                DocumentState.FAILING if document.errors else DocumentState.OK,
                next(iter(_errors("", document)), None),
            ]
            for one, document in documents
        ],
        whole={"name", "hash", "registered", "state"},
    )


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="Its name, as `list` shows it.")],
    json: AsJson = False,
) -> None:
    """Remove a document: a running hub knows it no more within seconds.

    Subscriptions that were opened with it go on until their clients close them.
    """
    from hub.store.audit import operator
    from hub.store.documents import remove as remove_document

    settings = prepare.settings()

    async def work() -> bool:
        async with prepare.store(settings) as store, store.write() as connection:
            return await remove_document(connection, name, operator("hub documents remove"))

    if not prepare.run(work()):
        raise Refused(
            Code.NOT_FOUND, f"no document is named {name!r}", "See them with: hub documents list"
        )
    if json:
        as_json({"removed": name})
    else:
        say(f"removed {name}: a running hub knows it no more within seconds")


def _reader(settings: "Settings") -> "Documents":
    from hub.graphql.schema import make_schema

    return make_schema(settings).documents


def _judge(reader: "Documents", given: "Iterable[Given]") -> None:
    """Say every error of every document with its place. Raises ConfigError where there is one."""
    wrong = [error for one in given for error in _errors(one.place, reader.read(one.text))]
    if not wrong:
        return
    for error in wrong[:-1]:
        note(error)
    raise ConfigError(wrong[-1], "Compare it with: hub schema. Nothing was registered")


def _errors(place: str, document: "Document") -> list[str]:
    """Write the errors of a document as compilers do: place:line:column: message."""
    said = []
    for error in document.errors:
        where = f":{error.locations[0].line}:{error.locations[0].column}" if error.locations else ""
        said.append(f"{place}{where}: {error.message}".removeprefix(":").strip())
    return said


def _operations(document: "Document") -> list[str]:
    return [f"{kind.value} {name or ''}".strip() for name, kind in document.operations]
