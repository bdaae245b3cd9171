"""Subscriptions: one execution for all who ask the same and see alike."""

import asyncio
from collections.abc import AsyncGenerator, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from graphql import GraphQLError

from hub.ahead import end
from hub.graphql.context import Context
from hub.graphql.documents import Document
from hub.graphql.errors import counted, present
from hub.graphql.execution import Execution, Question, unexecuted
from hub.graphql.relay import log_cursor, read_log_cursor
from hub.graphql.schema import Schema
from hub.graphql.shared import Part, seen_alike, seen_by_one, sight
from hub.graphql.shelf import Shelf
from hub.graphql.subscribed import Subscribed, subscribed
from hub.graphql.watch import Rescoped, Watch
from hub.live.groups import Alone, Groups, Member
from hub.live.outlet import Line, Outlet
from hub.live.told import Behind, Told
from hub.signals import Viewer


@dataclass(slots=True)
class Streams:
    """Follows subscriptions for whichever transport.

    `_alone`: documents of which it turned out that what they say depends on who asks.
    """

    schema: Schema
    groups: Groups
    shelf: Shelf
    watch: Watch = field(default_factory=Watch)
    _asked: WeakKeyDictionary[Document, dict[str | None, Subscribed]] = field(
        default_factory=WeakKeyDictionary
    )
    _alone: WeakKeyDictionary[Document, bool] = field(default_factory=WeakKeyDictionary)

    async def deliver(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None,
        operation: str | None,
        line: Line,
        after: str | None = None,
    ) -> None:
        """Tell a subscriber over its line until the stream ends; cancelled, it is told no more.

        `after`: the cursor that a client's own transport goes on from; it wins over the document's.
        Raises Behind where the client takes nothing, and Refused.
        """
        began = perf_counter()
        try:
            member, question, asked = self._read(document, variables, operation, line, after)
            stood = member.cursor
            if stood is None and member.place is not None:
                stood = log_cursor(member.place, context.scope)
            while True:
                viewer, scope = context.viewer, context.scope
                try:
                    with self.watch.over(context, member, viewer):
                        await self._serve(question, asked, context, viewer, scope, member)
                except Rescoped:
                    line.outlet.forget(line)  # what waits was for who it was
                    if line.cursor is not None:
                        member.place, member.cursor = read_log_cursor(line.cursor), line.cursor
                    elif member.place is not None and member.cursor is None:
                        # It stands there with what it saw before: it is told to read anew.
                        member.cursor = log_cursor(member.place, scope)
                else:
                    return
        except asyncio.CancelledError:
            line.outlet.forget(line)
            raise
        except Behind as behind:
            raise Behind(behind.cursor or stood) from None  # who was told nothing stands there
        finally:
            counted("subscription", line.errors.values(), perf_counter() - began)

    async def follow(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[Told]:
        """Yield what a subscriber is told, to whoever reads at its own pace.

        As `deliver`, but what it raises is told; only Behind is raised here as well.
        """
        handed: asyncio.Queue[Any] = asyncio.Queue(1)
        outlet = Outlet(handed.put)
        line = Line(outlet, lambda told: {"told": told})

        async def serve() -> None:
            last: dict[str, Any] = {}
            try:
                await self.deliver(document, context, variables, operation_name, line, after)
            except Behind as error:
                last = {"error": error}
            except Exception as error:  # noqa: BLE001 - present() logs what nobody expected
                last = {"told": refusal(error)}
            await outlet.send(last)
            if "told" in last:
                await outlet.send({})

        # A task group may not be held open across the yields of a generator.
        serving = asyncio.create_task(serve())  # noqa: TID251
        try:
            while "told" in (message := await handed.get()):
                yield message["told"]
            if "error" in message:
                raise message["error"]
        finally:
            outlet.close()
            await end(serving)

    def _read(
        self,
        document: Document,
        variables: Mapping[str, Any] | None,
        operation: str | None,
        line: Line,
        after: str | None,
    ) -> tuple[Member, Question, Subscribed]:
        """Take apart what is asked, and where in the log a subscriber stands."""
        given = variables or {}
        known = self._asked.setdefault(document, {})
        if operation not in known:
            known[operation] = subscribed(self.schema.documents.schema, document, operation)
        asked = known[operation]
        question = Question(document, operation, asked.rest(given))
        if not asked.follows_log:
            return Member(line, None, after), question, asked
        cursor = asked.after(given) if after is None else after
        if not isinstance(cursor, str):
            return Member(line, self.groups.head()), question, asked
        return Member(line, read_log_cursor(cursor), cursor), question, asked

    async def _serve(
        self,
        question: Question,
        asked: Subscribed,
        context: Context,
        viewer: Viewer,
        scope: str,
        member: Member,
    ) -> None:
        if asked.follows_log and question.document not in self._alone:
            same = orjson.dumps(question.variables, option=orjson.OPT_SORT_KEYS)
            # Whenever a group begins again, it is where its members began to see what they see.
            key = (question.document.text, question.operation, same, sight(viewer), scope)
            start = partial(self._start, question, context, scope, alike=True)
            try:
                return await self.groups.serve(key, start, member)
            except Alone:
                self._alone[question.document] = True
        own: Hashable = object()
        start = partial(self._start, question, context, scope, alike=False)
        return await self.groups.serve(own, start, member)

    def _start(
        self,
        question: Question,
        context: Context,
        scope: str,
        begins: int | None,
        until: int | None,
        cursor: str | None = None,
        *,
        alike: bool,
    ) -> Execution:
        seen = seen_alike if alike else seen_by_one
        if cursor is None and begins is not None:
            cursor = log_cursor(begins, scope)
        part = Part(begins, until, cursor)
        return Execution(self.schema, question, seen(context, self.shelf, part))


def refusal(refused: Exception) -> Told:
    """Write an exception as the errors of an operation that it keeps from being executed."""
    return unexecuted([present(GraphQLError(str(refused), original_error=refused))])
