"""What a request may be, before anybody looks for its document."""

from typing import Any

import pytest

from hub.errors import Code, Refused
from hub.graphql.limits import Limits
from hub.graphql.transports.requests import Asked, read_payload, read_query_string

HASH = "0" * 64
PERSISTED = {"persistedQuery": {"version": 1, "sha256Hash": HASH}}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"query": "{ a }"}, Asked("{ a }")),
        ({"query": "{ a }", "extensions": {}, "documentId": None}, Asked("{ a }")),
        ({"query": "{ a }", "extensions": {"persistedQuery": None}}, Asked("{ a }")),
        ({"documentId": "a", "operationName": ""}, Asked("", document_id="a")),
        ({"query": None, "documentId": "a"}, Asked("", document_id="a")),
        ({"query": "", "documentId": "a"}, Asked("", document_id="a")),
        ({"extensions": PERSISTED}, Asked("", digest=HASH)),
        ({"query": "{ a }", "extensions": PERSISTED}, Asked("{ a }", digest=HASH)),
    ],
)
def test_a_document_is_sent_or_named(given: Any, asked: Asked) -> None:
    assert read_payload(given, Limits()) == asked


def test_a_query_string_names_it_too() -> None:
    text = '{"persistedQuery": {"version": 1, "sha256Hash": "' + HASH + '"}}'
    assert read_query_string({"extensions": text}, Limits()) == Asked("", digest=HASH)
    assert read_query_string({"documentId": "a"}, Limits()) == Asked("", document_id="a")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"query": None},
        {"query": 5, "documentId": "a"},
        {"documentId": 5},
        {"documentId": ["a"]},
        {"extensions": []},
        {"extensions": {"persistedQuery": "a"}},
        {"extensions": {"persistedQuery": {}}},
        {"extensions": {"persistedQuery": {"version": 2, "sha256Hash": HASH}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": 5}}},
        {"query": "{ a }", "extensions": {"persistedQuery": {"version": 1}}},
    ],
)
def test_what_is_no_request(given: Any) -> None:
    with pytest.raises(Refused) as refused:
        read_payload(given, Limits())
    assert refused.value.code is Code.INVALID
