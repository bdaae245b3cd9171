"""Whose eyes a stream is executed with: those of all who see alike, or of one viewer.

Who shares an execution has its roles and scopes in common, and nothing else. A resolver that asks
for more - who this is, by which key, until when - is noticed: what it made is told to nobody, and
everybody is executed for by themselves. No list of such fields is kept, which could be wrong.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from hub.access import Condition, holds
from hub.config import Config
from hub.graphql.context import Context, Identify
from hub.graphql.shelf import Shelf
from hub.live.groups import Alone
from hub.route import facts_of
from hub.signals import Relevance, Signal, Viewer
from hub.store.log import Change

Made = TypeVar("Made")
OWN: Final = frozenset({"person", "key_id", "subject", "name", "until"})


class Noticed:
    """Whether somebody asked for what is one viewer's own."""

    def __init__(self) -> None:
        self.is_so = False

    def __call__(self) -> NoReturn:
        self.is_so = True
        raise Alone("this depends on who asks")


class Anyone(Viewer):
    """Stands for all viewers with the same roles and scopes."""

    __slots__ = ("_noticed",)

    def __init__(self, alike: Viewer, noticed: Noticed) -> None:
        super().__init__(roles=alike.roles, scopes=alike.scopes)
        object.__setattr__(self, "_noticed", noticed)

    def __getattribute__(self, name: str) -> Any:
        if name in OWN:
            object.__getattribute__(self, "_noticed")()
        return super().__getattribute__(name)


class Part(NamedTuple):
    """A part of the log: after `begins`, up to `until`; `cursor` says by what scope it begins."""

    begins: int | None
    until: int | None
    cursor: str | None


@dataclass(kw_only=True)
class StreamContext(Context):
    """The context of one execution of a subscription, that ends at `until` if that is given.

    It `is_through` when it did. `place`: so far was the log looked at; None where no place in it
    was asked for.
    """

    shelf: Shelf
    place: int | None
    until: int | None
    is_through: bool = False
    noticed: Noticed = field(default_factory=Noticed)
    _config: Config | None = None
    _made: dict[str, Any] = field(default_factory=dict)

    @property
    def visible(self) -> Condition:
        return self._once("visible", lambda: super(StreamContext, self).visible)

    @property
    def readable(self) -> Condition | None:
        return self._once("readable", lambda: super(StreamContext, self).readable)

    @property
    def scope(self) -> str:
        return self._once("scope", lambda: super(StreamContext, self).scope)

    def _once(self, name: str, make: Callable[[], Made]) -> Made:
        """Make what follows from the viewer, who stays the same, once in a configuration."""
        if self.config is not self._config:
            self._config, self._made = self.config, {}
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made

    async def changed(self, change: Change) -> Signal | None:
        found = await self.shelf.signals.of(change)
        if found is None or not holds(self.visible, facts_of(found)):
            return None
        return self.shown(found)

    async def judged(self, change: Change) -> Mapping[str, Relevance]:
        return await self.shelf.relevances.of(change) or {}

    def changes(self, place: int | None) -> AsyncGenerator[Change]:
        if self.until is None or place is None:
            return self.tail.follow(place)
        return self.tail.between(place, self.until)

    def passed(self, seq: int) -> None:
        if self.place is not None:
            self.place = seq

    def ended(self) -> None:
        if self.until is not None:
            self.place, self.is_through = self.until, True

    async def renew(self) -> None:
        """Leave it to `hub.graphql.watch`: who sees alike no more, leaves this stream."""


def seen_by_one(context: Context, shelf: Shelf, part: Part) -> StreamContext:
    """Make the context of an execution that is for one viewer, and told to it alone."""
    return _made(context, shelf, part, context.identify, context.known, Noticed())


def seen_alike(context: Context, shelf: Shelf, part: Part) -> StreamContext:
    """Make the context of an execution that is for all who see what this viewer sees."""
    noticed = Noticed()

    async def identify() -> Viewer | None:
        noticed()

    return _made(context, shelf, part, identify, Anyone(context.viewer, noticed), noticed)


def _made(
    context: Context,
    shelf: Shelf,
    part: Part,
    identify: Identify,
    known: Viewer | None,
    noticed: Noticed,
) -> StreamContext:
    begins, until, cursor = part
    return StreamContext(
        runtime=context.runtime,
        tail=context.tail,
        identify=identify,
        known=known,
        resumes=cursor,
        shelf=shelf,
        place=begins,
        until=until,
        noticed=noticed,
    )


def sight(viewer: Viewer) -> tuple[frozenset[str], frozenset[str]]:
    """Give what all who see alike have in common."""
    return viewer.roles, viewer.scopes
