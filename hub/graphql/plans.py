"""Answers that take no execution: what a question asks for is known before its rows are read.

Of a question that was asked before everything is the same but the rows. So for a document whose
one root field gives a page of signals (LISTED), and whose selection stands in columns of a row,
the arguments are read once, the statement is prepared once for the columns that are selected, and
a function is compiled that writes the answer of a page of rows (`hub.graphql.pages`).

A plan holds for one document, its variables, all who have the same roles and scopes, and the
configuration in force. All else is executed, and whatever fails here is executed too: that knows
the errors.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import orjson
from graphql import GraphQLError
from graphql.execution import Executor
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import get_argument_values
from strawberry.types.field import StrawberryField

from hub.config import Config
from hub.errors import Refused, StoreUnavailable
from hub.graphql.answers import Question
from hub.graphql.columns import Unplain
from hub.graphql.context import Context
from hub.graphql.documents import Document
from hub.graphql.listing import Listing
from hub.graphql.metadata import LISTED
from hub.graphql.pages import PageWriter
from hub.graphql.schema import Schema
from hub.signals import Viewer
from hub.store import Store
from hub.store.rows import Reading, Rows, reading

MOST_PLANS: Final = 1024
LONGEST: Final = 4096  # bytes of variables: a plan for more of them is not kept
LONGEST_TEXT: Final = 16 * 1024  # letters of a document: a longer one is executed


@dataclass(frozen=True, slots=True)
class Plan:
    """How one question is answered. `write` makes data of the rows."""

    reading: Reading
    write: Callable[[Rows], Any]

    async def answer(self, store: Store) -> bytes:
        """Write the whole answer. Raises Unplain for rows that are no plain data."""
        rows = await self.reading.read(store)
        try:
            return orjson.dumps({"data": self.write(rows)})
        except (KeyError, TypeError, ValueError) as error:
            raise Unplain from error


_Key: TypeAlias = tuple[str, str | None, bytes, frozenset[str], frozenset[str]]


@dataclass(slots=True)
class Plans:
    """The plans that were used last; None for what takes execution."""

    schema: Schema
    _kept: OrderedDict[_Key, tuple[Config, Plan | None]] = field(default_factory=OrderedDict)

    async def answer(
        self,
        question: Question,
        document: Document,
        variables: Mapping[str, Any] | None,
        context: Context,
    ) -> bytes | None:
        """Answer without execution; None where that cannot be."""
        if len(question.text) > LONGEST_TEXT:
            return None
        config, viewer = context.config, question.viewer
        asked = (question.text, question.operation, question.variables)
        key = (*asked, viewer.roles, viewer.scopes)
        held = self._kept.get(key)
        if held is not None and held[0] is config:
            self._kept.move_to_end(key)
            plan = held[1]
        else:
            # Made for nobody in particular: of a viewer it cannot have more than stands in its key.
            anybody = replace(context, known=Viewer(viewer.roles, viewer.scopes))
            plan = self._made(question, document, variables, anybody)
            self._keep(key, config, plan)
        if plan is None:
            return None
        try:
            return await plan.answer(context.runtime.store)
        except (Unplain, StoreUnavailable):
            return None

    def _keep(self, key: _Key, config: Config, plan: Plan | None) -> None:
        _, _, variables, _, _ = key
        if len(variables) <= LONGEST:
            self._kept[key] = (config, plan)
            if len(self._kept) > MOST_PLANS:
                self._kept.popitem(last=False)

    def _made(
        self,
        question: Question,
        document: Document,
        variables: Mapping[str, Any] | None,
        context: Context,
    ) -> Plan | None:
        given = dict(variables or {})
        schema, operation = self.schema, question.operation
        if document.node is None or schema.judged(document, context, given, operation):
            return None
        built = schema.execution_context_class.build(
            schema.documents.schema,
            document.node,
            context_value=context,
            raw_variable_values=given,
            operation_name=operation,
        )
        if isinstance(built, list):  # the variables do not fit
            return None
        try:
            return _plan(built, context, schema.arguments)
        except (Unplain, Refused, GraphQLError):
            return None


Listed: TypeAlias = Callable[..., Listing]
Arguments: TypeAlias = Callable[[StrawberryField, Mapping[str, Any]], dict[str, Any]]


def _plan(executor: Executor[Any], context: Context, arguments: Arguments) -> Plan:
    """Plan an operation. Raises Unplain, Refused or GraphQLError where it must be executed."""
    if context.readable is not None:
        raise Unplain  # whether a row is an outline is judged signal by signal
    root = executor.schema.query_type
    assert root is not None
    fields, deferred, _ = collect_fields(
        executor.schema, executor.fragments, executor.variable_values, root, executor.operation
    )
    if deferred or len(fields) != 1:
        raise Unplain
    ((name, details),) = fields.items()
    node = details[0].node
    declared = root.fields.get(node.name.value)
    plain = declared.extensions.get("strawberry-definition") if declared is not None else None
    if declared is None or not isinstance(plain, StrawberryField) or LISTED not in plain.metadata:
        raise Unplain
    values = get_argument_values(declared, node, executor.variable_values)
    listed: Listed = plain.metadata[LISTED]
    asked = listed(context, **arguments(plain, values))
    if asked.best is not None:
        raise Unplain
    store = context.runtime.store
    writer = PageWriter(executor, asked, context.scope, sqlite=store.is_sqlite)
    columns, page = writer.compiled(declared.type, details)
    prepared = reading(store, asked.condition, asked.order, asked.window, columns)
    return Plan(prepared, lambda rows: {name: page(rows)})
