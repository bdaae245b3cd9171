"""One execution of a subscription: each event is executed, and written, once."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import (
    ExecutionResult,
    GraphQLError,
    create_source_event_stream,
    execute_subscription_event,
)
from strawberry.execution import optimized_is_awaitable

from hub.errors import StoreUnavailable
from hub.graphql.documents import Document
from hub.graphql.errors import present
from hub.graphql.relay import read_log_cursor
from hub.graphql.schema import Schema
from hub.graphql.shared import StreamContext
from hub.live.groups import Alone
from hub.live.told import Told


@dataclass(frozen=True, slots=True)
class Question:
    """What a group is told the answer to, whoever is in it."""

    document: Document
    operation: str | None
    variables: Mapping[str, Any]


@dataclass(slots=True)
class Execution:
    """With the eyes of its context, from a place in the log to another or on and on."""

    schema: Schema
    question: Question
    context: StreamContext

    @property
    def place(self) -> int | None:
        return self.context.place

    @place.setter
    def place(self, seq: int | None) -> None:
        self.context.place = seq

    @property
    def is_through(self) -> bool:
        return self.context.is_through

    async def told(self) -> AsyncGenerator[Told]:
        """Yield what the subscription tells. Raises StoreUnavailable, and Alone."""
        try:
            events = await self._events()
            if isinstance(events, ExecutionResult):
                yield self._failed(events.errors or ())
                return
            executor, source = events
            async with aclosing(source):
                async for event in source:
                    ran: Any = execute_subscription_event(executor.build_per_event_executor(event))
                    yield self._told(await ran if optimized_is_awaitable(ran) else ran, event)
        except (StoreUnavailable, Alone):
            raise
        except Exception as error:  # noqa: BLE001 - present() logs what nobody expected
            yield self._failed([GraphQLError(str(error), original_error=error)])
        self._check(())

    async def _events(self) -> ExecutionResult | tuple[Any, Any]:
        """Give the executor and its source of events, or what keeps it from having one."""
        asked, context = self.question, self.context
        if errors := self.schema.judged(asked.document, context, asked.variables, asked.operation):
            return ExecutionResult(None, errors)
        executor = self.schema.executor(asked.document, context, asked.variables, asked.operation)
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        source: Any = create_source_event_stream(executor)
        if optimized_is_awaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            return source
        assert isinstance(source, AsyncIterable)
        return executor, source

    def _told(self, result: ExecutionResult, event: Any) -> Told:
        errors = self._check(result.errors or ())
        body: dict[str, Any] = {"data": result.data}
        if errors:
            body["errors"] = [one.formatted for one in errors]
        cursor = getattr(event, "cursor", None)
        seq = None if cursor is None else read_log_cursor(cursor)
        return Told(orjson.dumps(body).decode(), cursor, seq, errors=errors)

    def _failed(self, errors: Iterable[GraphQLError]) -> Told:
        return unexecuted(self._check(errors))

    def _check(self, errors: Iterable[GraphQLError]) -> list[GraphQLError]:
        """Give errors their public form. Raises what nobody is told of: it is tried otherwise."""
        if self.context.noticed.is_so:
            raise Alone("this depends on who asks")
        public = []
        for error in errors:
            cause: BaseException | None = error.original_error
            while isinstance(cause, GraphQLError):
                cause = cause.original_error
            if isinstance(cause, StoreUnavailable):
                raise cause
            public.append(present(error))
        return public


def unexecuted(errors: Iterable[GraphQLError]) -> Told:
    """Write why an operation was not executed, or goes on no more; the errors are public."""
    known = tuple(errors)
    for one in known:
        one.path = None
    text = orjson.dumps({"errors": [one.formatted for one in known]}).decode()
    return Told(text, executed=False, errors=known)
