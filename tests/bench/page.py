"""The page that every contender answers: the same document, variables, rows, filter and JSON."""

from itertools import product
from typing import Any

import orjson

ROLE = "support"
"""The viewer's role, whose access rule (hub/roles.toml) the baselines have written out by hand:
no confidential signals, no sales leads, departures or goals."""

FIRST = 50

_FIELDS = (
    *("id", "kind", "department", "title", "summary", "url", "severity", "status", "sentiment"),
    *("occurredAt", "account { name }", "author { name }", "source { name }"),
)


def _document(turn: int) -> str:
    """Write the page with its fields in an order of its own."""
    at = turn % len(_FIELDS)
    fields = " ".join((*_FIELDS[at:], *_FIELDS[:at]))
    return (
        f"query Page{turn}($filter: SignalFilter, $first: Int!) {{\n"
        f"  signals(filter: $filter, first: $first) {{ edges {{ node {{ {fields} }} }} }}\n}}"
    )


DOCUMENTS = tuple(map(_document, range(15)))  # with 8 filters each: 120 questions
DOCUMENT = DOCUMENTS[0]

FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"departments": ["SUPPORT", "ENGINEERING"]},
    {"kinds": ["ops.*"]},
    {"kinds": ["support.ticket.opened", "brand.mention"]},
    {"minSeverity": "MEDIUM"},
    {"sources": ["zendesk", "slack"], "statuses": ["OPEN", "INFORMATION"]},
    {"occurredAfter": "2026-10-05T12:00:00Z", "occurredBefore": "2026-10-15T00:00:00Z"},
    {"departments": ["MARKETING"], "occurredBefore": "2026-10-17T00:00:00Z"},
)


def requests(port: int, key: str) -> list[str]:
    """Write the whole HTTP request of each document with each filter."""
    written = []
    for document, narrowed in product(DOCUMENTS, FILTERS):
        variables = {"filter": narrowed, "first": FIRST}
        body = orjson.dumps({"query": document, "variables": variables}).decode()
        written.append(
            "POST /graphql HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\n"
            "Accept: application/json\r\n"
            f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
        )
    return written
