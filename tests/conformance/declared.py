"""Hooks of schemathesis: what the hub says it refuses is no failure, everything else is one.

schemathesis takes any error for a failure, of who asked or of the server, by codes of others. Ours
are those of docs/errors.md. It runs this as a file of its own; OUTCOMES names the file to write to.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import schemathesis
from schemathesis.graphql.checks import GraphQLClientError, GraphQLServerError

from hub.errors import Code

# What may be said to somebody who is signed in, while nothing is broken.
DECLARED: Final = frozenset(Code) - {
    Code.UNAUTHENTICATED,
    Code.INTERNAL,
    Code.UNAVAILABLE,
    Code.PERSISTED_QUERY_NOT_FOUND,
    Code.DOCUMENT_NOT_REGISTERED,
}
INSIDE: Final = re.compile(
    r"Traceback|File \"|\.py\b|sqlalchemy|asyncpg|sqlite|SELECT |object at 0x|strawberry|Exception"
)
# In messages of graphql-core stands what was sent, which may be any of these words.
OURS: Final = frozenset(Code) - {Code.VALIDATION, Code.SYNTAX, Code.INVALID, Code.NOT_FOUND}


def errors_of(response: Any) -> list[dict[str, Any]]:
    body = response.json()
    return list(body.get("errors") or ()) if isinstance(body, dict) else []


def codes(errors: Iterable[dict[str, Any]]) -> set[str]:
    return {str(one.get("extensions", {}).get("code")) for one in errors}


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """Keep a failure unless each of its errors is one that the manual declares."""
    if not isinstance(failure, (GraphQLClientError, GraphQLServerError)):
        return True
    errors = errors_of(response)
    return not errors or not codes(errors) <= DECLARED


@schemathesis.check
def errors_are_told(_context: Any, response: Any, _case: Any) -> None:
    """Hold every error to the manual: a code of its table, what to do, nothing of the inside."""
    for one in errors_of(response):
        code = one.get("extensions", {}).get("code")
        assert code in DECLARED, f"{code} is not declared: {one}"
        assert one["message"].strip(), one
        assert code not in OURS or not INSIDE.search(one["message"]), one


@schemathesis.hook
def after_call(_context: Any, _case: Any, response: Any) -> None:
    """Write down what the hub said: so who reads it knows what was tried in vain."""
    told = sorted(codes(errors_of(response))) or ["ok"]
    with Path(os.environ["OUTCOMES"]).open("a", encoding="utf-8") as file:
        file.write(",".join(told) + "\n")
