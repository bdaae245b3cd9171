"""One GraphQL request as a client wrote it: read from JSON or a query string, or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from graphql import GraphQLError, OperationDefinitionNode, parse
from strawberry.types.graphql import OperationType

from hub.errors import Code, Refused


@dataclass(frozen=True, slots=True)
class Asked:
    query: str
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None


def read_body(body: bytes) -> Asked:
    """Read a POSTed JSON body. Raises Refused(INVALID)."""
    try:
        given = orjson.loads(body)
    except (ValueError, RecursionError):
        raise Refused(Code.INVALID, "The body is not JSON", 'Send {"query": "..."}') from None
    return read_payload(given)


def read_query_string(parameters: Mapping[str, str]) -> Asked:
    """Read a GET's parameters. Raises Refused(INVALID)."""
    given: dict[str, Any] = dict(parameters)
    for name in ("variables", "extensions"):
        if given.get(name):
            try:
                given[name] = orjson.loads(given[name])
            except ValueError:
                raise Refused(Code.INVALID, f"{name} is not JSON") from None
    return read_payload(given)


def read_payload(given: Any) -> Asked:
    """Check what every transport carries. Raises Refused(INVALID) that names the part."""
    if isinstance(given, list):
        raise Refused(Code.INVALID, "Batches are not taken", "Send one operation per request")
    if not isinstance(given, dict):
        raise Refused(Code.INVALID, "A request is a JSON object", 'Send {"query": "..."}')
    query, variables = given.get("query"), given.get("variables")
    name, extensions = given.get("operationName"), given.get("extensions")
    if not isinstance(query, str):
        raise Refused(Code.INVALID, "query is missing or no text", 'Send {"query": "..."}')
    if variables is not None and not isinstance(variables, dict):
        raise Refused(Code.INVALID, "variables is not an object")
    if name is not None and not isinstance(name, str):
        raise Refused(Code.INVALID, "operationName is no text")
    if extensions is not None and not isinstance(extensions, dict):
        raise Refused(Code.INVALID, "extensions is not an object")
    return Asked(query, variables, name or None)


def operation_of(asked: Asked) -> OperationType | None:
    """Find what kind of operation is asked for; None where the document is no GraphQL.

    Raises Refused(INVALID) when the document has no operation of that name.
    """
    operations = _operations(asked.query)
    if operations is None:
        return None  # executing it says where it is wrong
    if asked.operation_name is not None:
        found = [kind for name, kind in operations if name == asked.operation_name]
        if not found:
            names = ", ".join(name for name, _ in operations if name) or "none with a name"
            raise Refused(
                Code.INVALID,
                f"There is no operation named {asked.operation_name!r}",
                f"The document has: {names}",
            )
        return found[0]
    if len(operations) != 1:
        raise Refused(
            Code.INVALID,
            f"The document has {len(operations)} operations",
            "Say which with operationName" if operations else "Write one: { viewer { name } }",
        )
    return operations[0][1]


@lru_cache(maxsize=256)
def _operations(query: str) -> list[tuple[str | None, OperationType]] | None:
    try:
        document = parse(query)
    except (GraphQLError, RecursionError):
        return None
    return [
        (node.name.value if node.name else None, OperationType(node.operation.value))
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    ]
