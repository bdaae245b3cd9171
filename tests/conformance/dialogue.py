"""What every client over HTTP asks in turn, and what it has to give to who wrote the program."""

import json
from typing import Any

MINE = {
    "__typename": "Signal",
    "kind": "team.idea",
    "title": "By CLIENT: Zürich 🎈",
    "labels": ["CLIENT"],
}
PUBLISH = """mutation Publish($input: PublishSignalInput!) {
  publishSignal(input: $input) {
    __typename
    ... on PublishSignalSuccess { signal { __typename kind title labels } }
    ... on InvalidInput { code field }
  }
}"""
FIND = """query Find($first: Int!, $after: String, $filter: SignalFilter) {
  signals(first: $first, after: $after, filter: $filter) {
    __typename edges { __typename node { __typename kind title labels } }
  }
}"""
GIVEN = {name: MINE[name] for name in ("kind", "title", "labels")}
ONE = {"first": 2, "filter": {"labels": ["CLIENT"]}}
EDGE = {"__typename": "SignalEdge", "node": MINE}
# "CLIENT" stands for the client's name: what it writes is its own. Errors are told by their codes.
DIALOGUE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        PUBLISH,
        {"input": GIVEN},
        {"publishSignal": {"__typename": "PublishSignalSuccess", "signal": MINE}},
    ),
    (FIND, ONE, {"signals": {"__typename": "SignalConnection", "edges": [EDGE]}}),
    (
        PUBLISH,
        {"input": GIVEN | {"title": " "}},
        {"publishSignal": {"__typename": "InvalidInput", "code": "INVALID", "field": "title"}},
    ),
    (FIND, ONE | {"after": "elsewhere"}, {"codes": ["BAD_CURSOR"]}),
    (FIND, {"first": "two"}, {"codes": ["VALIDATION"]}),
    ("query Wrong { nothing }", {}, {"codes": ["VALIDATION"]}),
]


def asked_by(client: str) -> list[tuple[str, dict[str, Any]]]:
    return [(document, _of(client, given)) for document, given, _ in DIALOGUE]


def answers_to(client: str) -> list[dict[str, Any]]:
    return [_of(client, answer) for _, _, answer in DIALOGUE]


def _of(client: str, value: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = json.loads(json.dumps(value).replace("CLIENT", client))
    return named
