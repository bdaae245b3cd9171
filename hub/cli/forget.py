"""`hub forget`: takes a person's words and name out of all that the hub keeps."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import prepare
from hub.cli.terminal import AsJson, as_json, note, say
from hub.errors import Code, ConfigError, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.forget import Erased
    from hub.forget.person import Person
    from hub.settings import Settings
    from hub.store import Store
    from hub.store.people import Known


def forget(
    person: Annotated[
        str | None,
        typer.Argument(help="An id, e-mail address, handle or name.", show_default=False),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Everybody who is on the list, after a backup came back."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Forget a person: what they wrote loses its words, where others name them their name goes.

    Their keys are kept as hashes, so that no source brings them back. It cannot be undone.
    """
    if (person is None) is not again:
        raise ConfigError("nobody is named", "Give a person, or --again alone")
    settings = prepare.settings()
    found = prepare.run(_find(settings, person))
    if not json:
        for one, counts in found:
            _show(one, counts)
    if found and not yes:
        _ask(json=json)
    erased = prepare.run(_forget(settings, [one for one, _ in found]))
    if json:
        as_json(
            [
                {"id": one.id, "called": sorted(one.called), "not_searched": one.too_short,
                 **asdict(what)}
                for (one, _), what in zip(found, erased, strict=True)
            ]
        )  # fmt: skip
        return
    for what in erased:
        say(
            f"forgotten: {what.written} signals lost their words, {what.mentioned} a name, "
            f"{what.elsewhere} other rows were mended",
            "green",
        )
        if what.kept_ids:
            note(
                f"The source's own id of {what.kept_ids} records has a name in it: it is kept, "
                "to know the records again"
            )
    if not found:
        say("Nobody on the list is here")


def _show(person: "Person", counts: tuple[int, int]) -> None:
    say(f"{person.id or 'no longer known; mentions only'}", "bold")
    say(f"called: {', '.join(sorted(person.called))}")
    if person.too_short:
        say(f"too short to tell from other words, not searched for: {', '.join(person.too_short)}")
    say(f"{counts[0]} signals are theirs and lose their words; {counts[1]} lose their owner")
    say("Wherever others name them, in all that is kept, the name goes. It cannot be undone.")


def _ask(*, json: bool) -> None:
    import sys

    if json or not sys.stdin.isatty():
        raise ConfigError("nobody can be asked here", "Add --yes")
    typer.confirm("Forget them?", abort=True, err=True)


async def _find(settings: "Settings", asked: str | None) -> "list[tuple[Person, tuple[int, int]]]":
    from hub.forget.person import known_as
    from hub.store.forgotten import who_came_back
    from hub.store.people import count_of, find_people

    async with prepare.store(settings) as store:
        async with store.read() as connection:
            if asked is None:
                back = await who_came_back(connection)
                known = [one for id_ in back for one in await find_people(connection, id_)]
            else:
                known = await find_people(connection, asked.strip())
        if asked is not None and len(known) != 1:
            return [(await _unknown(store, asked.strip(), known), (0, 0))]
        people = [await known_as(store, one) for one in known]
        async with store.read() as connection:
            return [(one, await count_of(connection, one.id or "")) for one in people]


async def _unknown(store: "Store", asked: str, known: "Sequence[Known]") -> "Person":
    """Take one who was forgotten before, and may be mentioned by now. Raises Refused."""
    from hub.forget.person import Person, possible_keys
    from hub.store.forgotten import forgotten
    from hub.store.sources import standings

    if known:
        who = "; ".join(f"{one.id} ({one.name}: {', '.join(one.keys)})" for one in known[:10])
        more = "; ..." if len(known) > 10 else ""
        raise Refused(
            Code.INVALID, f"{len(known)} people go by {asked!r}", f"Give an id: {who}{more}"
        )
    async with store.read() as connection:
        sources = [one.name for one in await standings(connection)]
        listed = await forgotten(connection, possible_keys(asked, sources))
    if not listed:
        raise Refused(
            Code.NOT_FOUND,
            f"nobody goes by {asked!r}",
            "Give an id (GraphQL's Person.id), an e-mail address, a handle or a whole name",
        )
    return Person(None, listed, frozenset({asked}))


async def _forget(settings: "Settings", people: "Sequence[Person]") -> "list[Erased]":
    from hub.forget import Forgetting
    from hub.route import Router

    router = Router(prepare.config(settings).roles)
    async with prepare.store(settings) as store:
        return [await Forgetting(store, router, one).run() for one in people]
