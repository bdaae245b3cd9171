"""The shapes of kinds: one declaration, which GraphQL, JSON Schemas and reading follow."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types

from hub.details import SHAPES, details_of, misfits, schema_of, shape_of
from hub.graphql.details import details_type
from hub.kinds import KINDS, Family

DATA: dict[str, Any] = {
    "id": "0198", "kind": "sales.deal.won", "family": "DEAL", "department": "SALES",
    "title": "Won", "summary": "", "body": None, "url": None, "severity": "LOW", "status": "OPEN",
    "classification": "INTERNAL", "sentiment": 0.5, "occurredAt": "2026-01-01T00:00:00+00:00",
    "updatedAt": "2026-01-01T00:00:00+00:00", "externalId": "1", "revision": "1", "labels": [],
    "account": {"id": "1", "name": "Acme"}, "author": None, "owner": {"id": "2", "name": "Ann"},
    "source": {"name": "crm", "connector": "hubspot"}, "role": "sales", "relevance": None,
}  # fmt: skip
"""An event's data, as an endpoint without a selection of its own is told."""

NAMES = sorted({name for shape in SHAPES for name in shape.model_fields} | {"source", "tag"})
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2026-01-01T10:00:00Z", "2026-01-01", "0001-01-01T00:00:00+14:00", "1e999"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_every_family_but_the_unknown_has_a_shape() -> None:
    assert {info.family for kind, info in KINDS.items() if shape_of(kind) is None} == set()
    assert shape_of("acme.custom.thing") is None
    assert set(Family) - {info.family for info in KINDS.values()} == {Family.GENERIC}


def test_a_name_has_one_type_wherever_it_stands() -> None:
    """One query may then select it from several members of the union."""
    types: dict[str, set[str]] = {}
    for shape in SHAPES:
        for name, said in shape.model_fields.items():
            types.setdefault(name, set()).add(str(said.annotation))
    assert {name: found for name, found in types.items() if len(found) > 1} == {}


@pytest.mark.parametrize("kind", [*KINDS, "acme.custom.thing"])
def test_the_schema_of_a_kind_is_valid_and_takes_an_event(kind: str) -> None:
    schema = schema_of(kind)
    assert schema is not None
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    shape = shape_of(kind)
    names = set(shape.model_fields) if shape else set()
    assert set(schema["properties"]) == names | {"attributes"}
    assert all(field["description"] for field in schema["properties"].values())
    assert list(validator.iter_errors(DATA | {"kind": kind, "attributes": {"x": {"y": 1}}})) == []
    for name in names:
        assert not validator.is_valid({"attributes": {name: {"no": "such"}}}), name


def test_there_is_no_schema_of_what_is_no_kind() -> None:
    assert schema_of("sales.deal.won", "v2") is None
    for kind in ("Sales.Deal", "deal", "sales..won", "a.b\n", f"a.{'b' * 80}", "../etc.passwd"):
        assert schema_of(kind) is None, kind


@given(
    st.sampled_from(sorted(KINDS)), st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=8)
)
def test_reading_never_fails_and_what_fits_the_schema_is_shown(
    kind: str, attributes: dict[str, Any]
) -> None:
    found = details_of(kind, attributes)
    assert found is not None
    assert details_type(kind, attributes) is not None
    schema = schema_of(kind)
    assert schema is not None
    shown = found.model_dump(mode="json", exclude_defaults=True)
    assert Draft202012Validator(schema).is_valid(shown)
    assert set(misfits(kind, attributes)).isdisjoint(shown)


@pytest.mark.parametrize(
    ("kind", "attributes", "shown"),
    [
        ("sales.deal.won", {"amount": "1200.50"}, {"amount": 1200.5}),
        ("sales.deal.won", {"amount": True, "stage": 3}, {}),
        ("sales.deal.won", {"source": "web"}, {"channel": "web"}),
        ("sales.deal.won", {"source": "web", "channel": "fair"}, {"channel": "fair"}),
        ("support.ticket.opened", {"number": 7}, {"number": "7"}),
        ("ops.error.new", {"count": 2**31, "userCount": "12"}, {"users": 12}),
        ("goal.sales", {"due_at": "2026-01-01T10:00:00+02:00"}, {"due_at": "2026-01-01T08:00:00Z"}),
        ("meeting.agenda", {"starts_at": "2026-01-01T10:00:00"}, {}),
        ("team.need", {"asked_of": "support"}, {"asked_of": ["support"]}),
        ("team.need", {"asked_of": ["support", None, {}]}, {"asked_of": ["support"]}),
    ],
)  # fmt: skip
def test_attributes_are_read_by_their_types(
    kind: str, attributes: dict[str, Any], shown: dict[str, Any]
) -> None:
    found = details_of(kind, attributes)
    assert found is not None
    assert found.model_dump(mode="json", exclude_defaults=True) == shown


def test_what_does_not_fit_is_named() -> None:
    assert misfits("goal.sales", {"target": "much", "unit": "EUR", "other": {}}) == ["target"]
    assert misfits("acme.custom.thing", {"target": "much"}) == []
