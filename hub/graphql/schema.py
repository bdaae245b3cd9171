"""Assembles the schema, executes what is asked of it, and writes it as text."""

from collections.abc import Mapping
from copy import copy
from functools import cache
from time import perf_counter
from typing import Any, Literal, Self

import strawberry
from graphql import DocumentNode, ExecutionResult, GraphQLError, validate
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField
from strawberry.types.graphql import OperationType

import hub.graphql.enums  # noqa: F401 - makes GraphQL types of the enumerations
from hub.errors import Code, Refused
from hub.graphql.context import Context
from hub.graphql.documents import Document, Documents
from hub.graphql.errors import counted, presented, unhinted
from hub.graphql.executor import PROJECTIONS, ProjectingExecutor, Projections
from hub.graphql.federation import ANY, VERSION, SubgraphQuery
from hub.graphql.limits import limits_of, within
from hub.graphql.measure import afford
from hub.graphql.mutations import Mutation
from hub.graphql.named import Account, Person
from hub.graphql.roles import Role
from hub.graphql.subscriptions import Subscription
from hub.settings import Settings


class Schema(strawberry.federation.Schema):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.documents = Documents(self._schema)
        self.introspection: Literal["admins", "everyone"] = "admins"
        self._schema.extensions[PROJECTIONS] = Projections()

    def limited(self, settings: Settings | None) -> Self:
        """Give one of the same types that has documents and limits of its own."""
        schema = copy(self)
        schema.documents = Documents(self._schema)
        if settings is not None:
            schema.documents.limits = limits_of(settings)
            schema.introspection = settings.introspection
        return schema

    def check(self, document: DocumentNode) -> list[GraphQLError]:
        """Validate a document without executing it."""
        return validate(self._schema, document)

    def arguments(self, field: StrawberryField, values: Mapping[str, Any]) -> dict[str, Any]:
        """Turn coerced arguments into what the field's resolver is called with."""
        return convert_arguments(
            dict(values),
            field.arguments,
            scalar_registry=self.schema_converter.scalar_registry,
            config=self.config,
        )

    async def run(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None = None,
        operation_name: str | None = None,
    ) -> ExecutionResult:
        """Execute a query or a mutation once; its errors are in their public form.

        `strawberry.Schema.execute` does the same for any schema: it opens three contexts for each
        extension, and reads the document anew.
        """
        began = perf_counter()
        # No GraphQL, or nothing in it to execute: "unread".
        kind = "unread" if document.node is None else document.operation(operation_name).value
        try:
            async with within(self.documents.limits.seconds):
                result = await self._executed(document, context, variables, operation_name)
        except Refused as late:
            if kind == "mutation":
                late.suggestion = "It may have been done all the same: look before you ask again"
            result = ExecutionResult(None, [GraphQLError(str(late), original_error=late)])
        if result.errors:
            result = presented(result)
        counted(kind, result.errors, perf_counter() - began)
        return result

    async def _executed(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
    ) -> ExecutionResult:
        if errors := self.judged(document, context, variables or {}, operation_name):
            return ExecutionResult(None, errors)
        assert document.operation(operation_name) is not OperationType.SUBSCRIPTION
        built = self.executor(document, context, variables, operation_name)
        if isinstance(built, list):
            return ExecutionResult(None, built)
        result: Any = built.execute_operation()
        ended: ExecutionResult = await result if optimized_is_awaitable(result) else result
        return ended

    def executor(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
    ) -> Any:
        """Make what executes an operation of a document without errors, or list what forbids it."""
        assert document.node is not None
        return self.execution_context_class.build(
            self._schema,
            document.node,
            None,
            context,
            raw_variable_values=dict(variables or {}),
            operation_name=operation_name,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # ty: ignore[invalid-argument-type]  # it is one
        )

    def judged(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any],
        operation_name: str | None,
    ) -> list[GraphQLError]:
        """Find what keeps this viewer from executing a document with these variables."""
        may_introspect = self.introspection == "everyone" or (
            context.known is not None and context.known.is_admin
        )
        if document.errors:
            return list(document.errors if may_introspect else map(unhinted, document.errors))
        if document.introspects and not may_introspect:
            refused = Refused(
                Code.FORBIDDEN,
                "Asking for the schema takes a key with the admin scope",
                "Read schema.graphql, or set HUB_INTROSPECTION=everyone",
            )
            return [GraphQLError(str(refused), original_error=refused)]
        try:
            if document.sizes and document.node is not None:
                limits = self.documents.limits
                afford(self._schema, document.node, operation_name, variables, limits)
        except Refused as refused:
            return [GraphQLError(str(refused), original_error=refused)]
        return []


def make_schema(settings: Settings | None = None) -> Schema:
    """Make the schema; `settings` have the limits of what may be asked of it."""
    return _types().limited(settings)


@cache
def _types() -> Schema:
    return Schema(
        query=SubgraphQuery,
        mutation=Mutation,
        subscription=Subscription,
        types=[Account, Person, Role],
        config=StrawberryConfig(auto_camel_case=True),
        execution_context_class=ProjectingExecutor,
        scalar_overrides=ANY,
        federation_version=VERSION,
    )


def schema_text() -> str:
    """Write the schema in the schema language, as schema.graphql holds it."""
    return f"{make_schema().as_str().rstrip()}\n"
