"""What an error looks like outside: a code, what to do, and nothing of the inside."""

import logging
import uuid
from collections.abc import Iterable
from functools import cache
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError

from hub import metrics
from hub.errors import Code, Refused, StoreUnavailable

logger = logging.getLogger(__name__)


def present(error: GraphQLError) -> GraphQLError:
    """Give an error its public form; what nobody expected is logged once and masked."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    match cause:
        case Refused():
            return _as(error, str(cause), {"code": cause.code, **cause.facts})
        case StoreUnavailable():
            logger.warning("a request met no database", extra={"error": str(cause)})
            message = "The database cannot be used right now. Try again shortly"
            return _as(error, message, {"code": Code.UNAVAILABLE})
        case None if isinstance(error, GraphQLSyntaxError):
            return _as(error, error.message, {"code": Code.SYNTAX})
        case None:
            code = {"code": Code.VALIDATION}
            return _as(error, error.message, code | (error.extensions or {}))
        case _:
            correlation = uuid.uuid4().hex
            logger.error("a request failed", exc_info=cause, extra={"correlation": correlation})
            message = f"Internal error. Tell your administrator this number: {correlation}"
            return _as(error, message, {"code": Code.INTERNAL, "correlation": correlation})


def _as(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={**extensions, "code": str(extensions["code"])},
    )


_OURS = frozenset({Code.INTERNAL, Code.UNAVAILABLE})


def presented(result: ExecutionResult) -> ExecutionResult:
    """Give the errors of a result their public form.

    Where the request was refused and nothing is left to answer, it is one that was not executed,
    whichever resolver it was that said so: there is no `data`, and no `path` into it.
    """
    errors = [present(error) for error in result.errors or ()]
    if result.data is None and not any(
        (one.extensions or {}).get("code") in _OURS for one in errors
    ):
        for one in errors:
            one.path = None
    return ExecutionResult(result.data, errors)


def unhinted(error: GraphQLError) -> GraphQLError:
    """Leave out which field may have been meant: who may not read the schema guesses it so."""
    said, hint, _ = error.message.partition(" Did you mean")
    if not hint:
        return error
    return GraphQLError(said, nodes=error.nodes, source=error.source, positions=error.positions)


def counted(type_: str, errors: Iterable[GraphQLError] | None, seconds: float) -> None:
    """Count an operation that ended with these errors, in their public form."""
    outcome = _outcome({(one.extensions or {}).get("code") for one in errors}) if errors else "ok"
    _counter_of(type_, outcome).inc()
    if type_ in {"query", "mutation"}:
        _seconds_of(type_).observe(seconds)


@cache
def _counter_of(type_: str, outcome: str) -> Any:
    return metrics.operations.labels(type_, outcome)


@cache
def _seconds_of(type_: str) -> Any:
    return metrics.operation_seconds.labels(type_)


def _outcome(codes: set[str | None]) -> str:
    if Code.INTERNAL in codes:
        return "failed"
    if Code.UNAVAILABLE in codes:
        return "unavailable"
    return "refused" if codes else "ok"
