"""Subscriptions: each event is executed, and written with the cursor that goes on after it."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import orjson
from graphql import (
    ExecutionResult,
    GraphQLError,
    create_source_event_stream,
    execute_subscription_event,
)
from strawberry.execution import optimized_is_awaitable

from hub.graphql.context import Context
from hub.graphql.documents import Document
from hub.graphql.errors import counted, present
from hub.graphql.schema import Schema
from hub.live.told import Told


@dataclass(frozen=True, slots=True)
class Streams:
    """Follows subscriptions for whichever transport."""

    schema: Schema

    async def follow(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[Told]:
        """Yield what a subscription tells, until it ends or this is closed.

        `after`: the cursor that a client's own transport goes on from; it wins over the document's.
        """
        began = perf_counter()
        failed: dict[str | None, GraphQLError] = {}  # one of each code

        def presented(errors: Iterable[GraphQLError] | None) -> list[GraphQLError]:
            public = [present(one) for one in errors or ()]
            failed.update({(one.extensions or {}).get("code"): one for one in public})
            return public

        context = replace(context, resumes=after)
        try:
            events = await self._events(document, context, variables, operation_name)
            if isinstance(events, ExecutionResult):
                yield _unexecuted(presented(events.errors))
                return
            executor, source = events
            async with aclosing(source):
                async for event in source:
                    ran: Any = execute_subscription_event(executor.build_per_event_executor(event))
                    result: ExecutionResult = await ran if optimized_is_awaitable(ran) else ran
                    body: dict[str, Any] = {"data": result.data}
                    if result.errors:
                        body["errors"] = [one.formatted for one in presented(result.errors)]
                    yield Told(orjson.dumps(body).decode(), getattr(event, "cursor", None))
        except Exception as error:  # noqa: BLE001 - present() logs what nobody expected
            yield _unexecuted(presented([GraphQLError(str(error), original_error=error)]))
        finally:
            counted("subscription", failed.values(), perf_counter() - began)

    async def _events(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
    ) -> ExecutionResult | tuple[Any, Any]:
        """Give the executor and its source of events, or what keeps it from having one."""
        if errors := self.schema.judged(document, context, variables or {}, operation_name):
            return ExecutionResult(None, errors)
        executor = self.schema.executor(document, context, variables, operation_name)
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        source: Any = create_source_event_stream(executor)
        if optimized_is_awaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            return source
        assert isinstance(source, AsyncIterable)
        return executor, source


def _unexecuted(errors: Iterable[GraphQLError]) -> Told:
    """Write why an operation was not executed, or goes on no more; the errors are public."""
    written = []
    for one in errors:
        one.path = None
        written.append(one.formatted)
    return Told(orjson.dumps({"errors": written}).decode(), executed=False)


def refusal(refused: Exception) -> Told:
    """Write an exception as the errors of an operation that it keeps from being executed."""
    return _unexecuted([present(GraphQLError(str(refused), original_error=refused))])
