"""Assembles the schema, executes what is asked of it, and writes it as text."""

from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

import strawberry
from graphql import DocumentNode, ExecutionResult, GraphQLError, validate
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types.graphql import OperationType

import hub.graphql.enums  # noqa: F401 - makes GraphQL types of the enumerations
from hub.graphql.context import Context
from hub.graphql.documents import Document, Documents
from hub.graphql.errors import Presented, counted, present
from hub.graphql.executor import PROJECTIONS, ProjectingExecutor, Projections
from hub.graphql.federation import ANY, VERSION, SubgraphQuery
from hub.graphql.mutations import Mutation
from hub.graphql.roles import Role
from hub.graphql.subscriptions import Subscription
from hub.graphql.types import Account, Person


class Schema(strawberry.federation.Schema):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.documents = Documents(self._schema)
        self._schema.extensions[PROJECTIONS] = Projections()

    def check(self, document: DocumentNode) -> list[GraphQLError]:
        """Validate a document without executing it."""
        return validate(self._schema, document)

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
        result = await self._executed(document, context, variables, operation_name)
        if result.errors:
            result = ExecutionResult(result.data, [present(error) for error in result.errors])
        # No GraphQL, or nothing in it to execute: "unread".
        kind = "unread" if document.node is None else document.operation(operation_name).value
        counted(kind, result.errors, perf_counter() - began)
        return result

    async def _executed(
        self,
        document: Document,
        context: Context,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
    ) -> ExecutionResult:
        if document.errors:
            return ExecutionResult(None, list(document.errors))
        assert document.node is not None
        assert document.operation(operation_name) is not OperationType.SUBSCRIPTION
        built = self.execution_context_class.build(
            self._schema,
            document.node,
            None,
            context,
            raw_variable_values=dict(variables or {}),
            operation_name=operation_name,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]  # ty: ignore[invalid-argument-type]  # it is one
        )
        if isinstance(built, list):
            return ExecutionResult(None, built)
        result: Any = built.execute_operation()
        ended: ExecutionResult = await result if optimized_is_awaitable(result) else result
        return ended

    def process_errors(self, errors: Sequence[GraphQLError], execution_context: Any = None) -> None:
        """Leave logging to `hub.graphql.errors`, which knows what was expected."""


class Read(SchemaExtension):
    """Takes the document of an operation from those that were read before."""

    def on_parse(self) -> Iterator[None]:
        execution = self.execution_context
        schema = execution.schema
        assert isinstance(schema, Schema)
        document = schema.documents.read(execution.query or "")
        if document.node is not None:  # else it is parsed again, and the error told
            execution.graphql_document = document.node
            execution.pre_execution_errors = list(document.errors)
        yield


def make_schema() -> Schema:
    return Schema(
        query=SubgraphQuery,
        mutation=Mutation,
        subscription=Subscription,
        types=[Account, Person, Role],
        config=StrawberryConfig(auto_camel_case=True),
        extensions=[Presented, Read],
        execution_context_class=ProjectingExecutor,
        scalar_overrides=ANY,
        federation_version=VERSION,
    )


def schema_text() -> str:
    """Write the schema in the schema language, as schema.graphql holds it."""
    return f"{make_schema().as_str().rstrip()}\n"
