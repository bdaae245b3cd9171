"""What of a subscription is each subscriber's own: the cursor it goes on from, however written."""

from typing import Any

import pytest

from hub.graphql.schema import make_schema
from hub.graphql.shared import Anyone, Noticed
from hub.graphql.subscribed import Subscribed, subscribed
from hub.live.groups import Alone
from hub.signals import Scope, Viewer

SCHEMA = make_schema()
OWN = "subscription($c: String) { feed(role: %s, after: $c) { __typename } }"
TWICE = """
subscription($c: String!) {
  signals(after: $c) { ... on SignalCreated { signal { history(after: $c) { edges { cursor } } } } }
}
"""


def read(text: str, name: str | None = None) -> Subscribed:
    document = SCHEMA.documents.read(text)
    assert not document.errors, document.errors
    return subscribed(SCHEMA.documents.schema, document, name)


@pytest.mark.parametrize(
    ("text", "given", "after", "rest"),
    [
        (OWN % '"sales"', {"c": "x", "d": 1}, "x", {"d": 1}),
        (OWN % '"sales"', {}, None, {}),
        (OWN % '"sales"', {"c": None}, None, {}),
        ('subscription { feed(role: "a", after: "x") { __typename } }', {}, "x", {}),
        ('subscription { feed(role: "a") { __typename } }', {"c": 1}, None, {"c": 1}),
        (
            'subscription($c: String = "x") { signals(after: $c) { __typename } }',
            {},
            "x",
            {},
        ),
        # The variable says more than where to go on: then it is part of the question as well.
        (OWN.replace("String", "String!") % "$c", {"c": "x"}, "x", {"c": "x"}),
        (
            TWICE,
            {"c": "x"},
            "x",
            {"c": "x"},
        ),
    ],
)
def test_where_to_go_on_is_no_part_of_the_question(
    text: str, given: dict[str, Any], after: str | None, rest: dict[str, Any]
) -> None:
    asked = read(text)
    assert asked.follows_log
    assert asked.after(given) == after
    assert asked.rest(given) == rest


def test_an_operation_is_found_by_its_name() -> None:
    text = (
        'subscription A($a: String) { feed(role: "a", after: $a) { __typename } }'
        "subscription B($b: String) { signals(after: $b) { __typename } }"
    )
    assert read(text, "A").variable == "a"
    assert read(text, "B").variable == "b"
    assert read(text, "B").is_apart


def test_what_is_not_written_plainly_is_shared_by_nobody() -> None:
    text = 'subscription { ...F } fragment F on Subscription { feed(role: "a") { __typename } }'
    assert not read(text).follows_log


@pytest.mark.parametrize("own", ["name", "key_id", "subject", "person", "until", "identity"])
def test_who_stands_for_all_is_nobody(own: str) -> None:
    viewer = Viewer(
        roles=frozenset({"sales"}),
        scopes=frozenset({Scope.ADMIN}),
        person="p",
        key_id="k",
        name="n",
    )
    noticed = Noticed()
    anyone = Anyone(viewer, noticed)
    assert (anyone.roles, anyone.is_admin, anyone.may(Scope.READ)) == (viewer.roles, True, True)
    assert not noticed.is_so
    with pytest.raises(Alone):
        getattr(anyone, own)
    assert noticed.is_so


@pytest.mark.parametrize("use", [repr, hash])
def test_nor_is_it_told_from_others_unnoticed(use: Any) -> None:
    noticed = Noticed()
    with pytest.raises(Alone):
        use(Anyone(Viewer(name="n"), noticed))
    assert noticed.is_so
