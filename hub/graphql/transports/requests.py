"""One GraphQL request as a client wrote it: read from JSON or a query string, or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from hub.errors import Code, Refused
from hub.graphql.limits import Limits, over


@dataclass(frozen=True, slots=True)
class Asked:
    """`query` is empty where the document is named, by `document_id` or by its `digest`."""

    query: str
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    document_id: str | None = None
    digest: str | None = None


def read_body(body: bytes, limits: Limits) -> Asked | tuple[Asked, ...]:
    """Read a POSTed JSON body; a tuple is of a batch. Raises Refused."""
    try:
        given = orjson.loads(body)
    except (ValueError, RecursionError):
        raise Refused(Code.INVALID, "The body is not JSON", 'Send {"query": "..."}') from None
    return _batch(given, limits) if isinstance(given, list) else read_payload(given, limits)


def _batch(given: list[Any], limits: Limits) -> tuple[Asked, ...]:
    if not limits.batch:
        raise Refused(
            Code.LIMIT_EXCEEDED,
            "Batches are not taken",
            "Send one operation per request",
            {"limit": 0, "of": "batch"},
        )
    if len(given) > limits.batch:
        raise over("batch", len(given), limits.batch)
    if not given:
        raise Refused(Code.INVALID, "The batch has no operation", 'Send [{"query": "..."}]')
    return tuple(read_payload(one, limits) for one in given)


def read_query_string(parameters: Mapping[str, str], limits: Limits) -> Asked:
    """Read a GET's parameters. Raises Refused(INVALID)."""
    given: dict[str, Any] = dict(parameters)
    for name in ("variables", "extensions"):
        if given.get(name):
            try:
                given[name] = orjson.loads(given[name])
            except ValueError:
                raise Refused(Code.INVALID, f"{name} is not JSON") from None
    return read_payload(given, limits)


def read_payload(given: Any, limits: Limits) -> Asked:
    """Check what every transport carries. Raises Refused(INVALID) that names the part."""
    if not isinstance(given, dict):
        raise Refused(Code.INVALID, "A request is a JSON object", 'Send {"query": "..."}')
    query, variables = given.get("query"), given.get("variables")
    name, extensions = given.get("operationName"), given.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise Refused(Code.INVALID, "extensions is not an object")
    document_id, digest = given.get("documentId"), _digest(extensions or {})
    if document_id is not None and not isinstance(document_id, str):
        raise Refused(Code.INVALID, "documentId is no text")
    if query is None and (document_id is not None or digest is not None):
        query = ""
    if not isinstance(query, str):
        raise Refused(
            Code.INVALID,
            "query is missing or no text",
            'Send {"query": "..."}, or {"documentId": "..."} for a registered document',
        )
    if variables is not None and not isinstance(variables, dict):
        raise Refused(Code.INVALID, "variables is not an object")
    if variables and _is_deeper(variables, limits.nesting):
        raise over("nesting", None, limits.nesting)
    if name is not None and not isinstance(name, str):
        raise Refused(Code.INVALID, "operationName is no text")
    return Asked(query, variables, name or None, document_id, digest)


def _digest(extensions: Mapping[str, Any]) -> str | None:
    """Read `persistedQuery`, as clients of Apollo's protocol send it. Raises Refused(INVALID)."""
    given = extensions.get("persistedQuery")
    if given is None:
        return None
    version, digest = (
        (given.get("version"), given.get("sha256Hash")) if isinstance(given, dict) else (None, None)
    )
    if version != 1 or not isinstance(digest, str):
        raise Refused(
            Code.INVALID,
            "extensions.persistedQuery cannot be read",
            'Send {"version": 1, "sha256Hash": "..."}',
        )
    return digest


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(
        levels == 0 or _is_deeper(one, levels - 1) for one in inner if isinstance(one, (dict, list))
    )
