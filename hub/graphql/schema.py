"""Assembles the schema, and writes it as text."""

from collections.abc import Sequence
from typing import Any

import strawberry
from graphql import DocumentNode, GraphQLError, validate
from strawberry.schema.config import StrawberryConfig

import hub.graphql.enums  # noqa: F401 - makes GraphQL types of the enumerations
from hub.graphql.errors import Presented
from hub.graphql.mutations import Mutation
from hub.graphql.queries import Query
from hub.graphql.roles import Role
from hub.graphql.subscriptions import Subscription
from hub.graphql.types import Account, Person


class Schema(strawberry.Schema):
    def check(self, document: DocumentNode) -> list[GraphQLError]:
        """Validate a document without executing it."""
        return validate(self._schema, document)

    def process_errors(self, errors: Sequence[GraphQLError], execution_context: Any = None) -> None:
        """Leave logging to `hub.graphql.errors`, which knows what was expected."""


def make_schema() -> Schema:
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Account, Person, Role],
        config=StrawberryConfig(auto_camel_case=True),
        extensions=[Presented],
    )


def schema_text() -> str:
    """Write the schema in the schema language, as schema.graphql holds it."""
    return f"{make_schema().as_str().rstrip()}\n"
