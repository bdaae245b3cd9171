"""Answers a document by the shortest way that says the same.

The answer that was given before, while it is still the answer (`hub.graphql.answers`); else by a
plan, which only reads rows (`hub.graphql.plans`); else by execution.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError

from hub.errors import Refused
from hub.graphql.answers import Answers, Question
from hub.graphql.context import Context
from hub.graphql.documents import Document
from hub.graphql.errors import counted, present
from hub.graphql.limits import within
from hub.graphql.plans import Plans
from hub.graphql.schema import Schema


@dataclass(frozen=True, slots=True)
class Reply:
    """`executed`: the body has data, if only of a part; `whole`: and no errors.

    `late`: it took too long, and was given up. `question`: what it is kept as the answer to.
    """

    body: bytes
    executed: bool = True
    whole: bool = True
    late: bool = False
    question: Question | None = None


@dataclass(slots=True)
class Replies:
    """`most`: bytes of answers that are kept."""

    schema: Schema
    most: int
    answers: Answers = field(init=False)
    plans: Plans = field(init=False)

    def __post_init__(self) -> None:
        self.answers = Answers(self.schema.documents.schema, self.most)
        self.plans = Plans(self.schema)

    async def of(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None = None,
        operation: str | None = None,
    ) -> Reply:
        """Answer a query or a mutation."""
        began = perf_counter()
        answers = self.answers
        question = answers.question(document, operation, variables, context)
        if question is None:
            return await self._executed(document, context, variables, operation)
        version = await context.runtime.store.version() if answers.most else None
        config = context.config
        if version is not None:
            body = answers.kept(question, version, config)
            answers.count(kept=body is not None)
            if body is not None:
                counted("query", (), perf_counter() - began)
                return Reply(body, question=question)
        try:
            async with within(self.schema.documents.limits.seconds):
                planned = await self.plans.answer(question, document, variables, context)
        except Refused as late:
            failed = present(GraphQLError(str(late), original_error=late))
            counted("query", (failed,), perf_counter() - began)
            return _written(ExecutionResult(None, [failed]))
        if planned is not None:
            counted("query", (), perf_counter() - began)
            reply = Reply(planned)
        else:
            reply = await self._executed(document, context, variables, operation)
        if version is not None and reply.whole:
            answers.keep(question, version, config, reply.body)
            return replace(reply, question=question)
        return reply

    async def _executed(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None,
        operation: str | None,
    ) -> Reply:
        result = await self.schema.run(document, context, variables, operation)
        return _written(result)


def _written(result: ExecutionResult) -> Reply:
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    executed = result.data is not None or any(e.path for e in result.errors or ())
    if executed:
        body["data"] = result.data
    late = any((e.extensions or {}).get("of") == "seconds" for e in result.errors or ())
    return Reply(orjson.dumps(body), executed, executed and not result.errors, late)
