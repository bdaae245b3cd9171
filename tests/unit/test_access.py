"""One rule, judged in memory and compiled to SQL: the two agree on every role and signal."""

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select
from sqlmodel import col

from hub.access import (
    AllOf,
    Always,
    AnyOf,
    AtLeast,
    AtMost,
    Before,
    Condition,
    HasLabel,
    In,
    Never,
    Not,
    Sees,
    Since,
    all_of,
    any_of,
    closed_to,
    holds,
    may_read,
    may_see,
    reads,
    sees,
)
from hub.kinds import matches_kind
from hub.signals import Classification, Facts, Viewer, iso
from hub.store import Store
from hub.store.migrate import migrate
from hub.store.tables import SignalRow
from hub.store.visible import compile_condition
from tests.engines import Postgres
from tests.examples import examples

KINDS = [
    "sales.deal.won",
    "sales.deal.lost",
    "sales_x.y",
    "support.ticket.opened",
    "Sales.deal.won",
]
PATTERNS = [*KINDS, "*", "sales.*", "sales.deal.*", "s%.*", "sales_.*"]
VALUES: dict[str, list[str]] = {
    "department": ["sales", "support", "legal"],
    "source": ["crm", "chat", "mail"],
    "status": ["open", "resolved"],
    "account": ["a1", "a2"],
}
LABELS = ["vip", "it's", 'q"uote', "ünï", ""]
TIMES = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2, 3)]

facts = st.builds(
    Facts,
    kind=st.sampled_from(KINDS),
    department=st.sampled_from(VALUES["department"]),
    classification=st.integers(0, 3),
    source=st.sampled_from(VALUES["source"]),
    severity=st.integers(0, 4),
    status=st.sampled_from(VALUES["status"]),
    occurred_at=st.sampled_from([iso(at) for at in TIMES]),
    account=st.none() | st.sampled_from(VALUES["account"]),
    labels=st.lists(st.sampled_from(LABELS), max_size=3, unique=True).map(tuple),
)
some = {name: st.frozensets(st.sampled_from(values), max_size=3) for name, values in VALUES.items()}
leaf: st.SearchStrategy[Condition] = st.one_of(
    st.just(Always()),
    st.just(Never()),
    st.builds(In, st.just("kind"), st.frozensets(st.sampled_from(PATTERNS), max_size=3)),
    *(st.builds(In, st.just(name), values) for name, values in some.items()),
    st.builds(AtMost, st.sampled_from(["classification", "severity"]), st.integers(-1, 5)),
    st.builds(AtLeast, st.sampled_from(["classification", "severity"]), st.integers(-1, 5)),
    st.builds(HasLabel, st.frozensets(st.sampled_from(LABELS), max_size=2)),
    st.builds(Since, st.sampled_from([iso(at) for at in TIMES])),
    st.builds(Before, st.sampled_from([iso(at) for at in TIMES])),
)
conditions = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
kinds = st.frozensets(st.sampled_from(PATTERNS), max_size=3)
audiences = st.dictionaries(
    st.sampled_from(PATTERNS), st.frozensets(st.sampled_from("abc*"), max_size=2), max_size=4
)
plain = st.builds(
    Sees,
    classification=st.sampled_from(list(Classification)),
    kinds=kinds,
    except_kinds=kinds,
    departments=st.frozensets(st.sampled_from([*VALUES["department"], "*"]), max_size=3),
    sources=st.frozensets(st.sampled_from([*VALUES["source"], "*"]), max_size=3),
    restricted=st.frozensets(st.sampled_from([*VALUES["source"], "*"]), max_size=2),
    closed=st.builds(closed_to, st.just("a"), audiences),
)
rules = st.builds(lambda of, outlines: replace(of, outlines=outlines), plain, st.none() | plain)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Generator[tuple[asyncio.Runner, Store]]:
    """Open a store of the module's own, in a loop of its own that Hypothesis can drive."""
    if request.param == "sqlite":
        url = f"sqlite:///{request.getfixturevalue('tmp_path_factory').mktemp('access')}/hub.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.url  # the server's own database: this module is the only one to use it
    with asyncio.Runner() as runner:
        store = Store(url)
        runner.run(migrate(store))
        yield runner, store
        runner.run(store.close())


def row(one: Facts, number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "source": one.source,
        "external_id": str(number),
        "revision": "1",
        "kind": one.kind,
        "department": one.department,
        "title": "x",
        "summary": "",
        "origin": "poll",
        "occurred_at": datetime.fromisoformat(one.occurred_at),
        "received_at": TIMES[0],
        "updated_at": TIMES[0],
        "revised_at": TIMES[0],
        "severity": one.severity,
        "status": one.status,
        "classification": one.classification,
        "account_id": one.account,
        "labels": list(one.labels or ()),
        "attributes": {},
    }


async def found(store: Store, rows: Sequence[Facts], wanted: Sequence[Condition]) -> list[set[int]]:
    """Let the database judge: which of the rows each condition lets through."""
    async with store.write() as connection:
        await connection.execute(
            insert(SignalRow), [row(one, number) for number, one in enumerate(rows)]
        )
        answers = [
            await connection.execute(
                select(col(SignalRow.id)).where(
                    compile_condition(condition, sqlite=store.is_sqlite)
                )
            )
            for condition in wanted
        ]
        await connection.execute(delete(SignalRow))
    return [{int(one.id) for one in answer} for answer in answers]


many_facts = st.lists(facts, min_size=8, max_size=24)


@examples(60)
@given(many_facts, st.lists(conditions, min_size=1, max_size=6))
def test_sql_and_predicate_agree_on_any_condition(
    store: tuple[asyncio.Runner, Store], rows: list[Facts], wanted: list[Condition]
) -> None:
    runner, database = store
    for condition, by_sql in zip(wanted, runner.run(found(database, rows, wanted)), strict=True):
        in_memory = {number for number, one in enumerate(rows) if holds(condition, one)}
        assert by_sql == in_memory, condition


@examples(60)
@given(many_facts, st.dictionaries(st.sampled_from("abc"), rules, min_size=1), st.booleans())
def test_sql_and_predicate_agree_on_who_may_see_what(
    store: tuple[asyncio.Runner, Store], rows: list[Facts], roles: dict[str, Sees], admin: bool
) -> None:
    scopes = frozenset({"admin"} if admin else ())
    viewer = Viewer(roles=frozenset(roles), scopes=scopes)
    conditions = [may_see(viewer, roles), may_read(viewer, roles)]
    runner, database = store
    by_sql = runner.run(found(database, rows, conditions))
    for condition, let_through in zip(conditions, by_sql, strict=True):
        assert let_through == {number for number, one in enumerate(rows) if holds(condition, one)}
    seen, read = by_sql
    assert read <= seen


@given(facts, rules)
def test_restricted_is_seen_only_where_its_source_is_named(one: Facts, rule: Sees) -> None:
    if one.classification == Classification.RESTRICTED and holds(reads(rule), one):
        assert rule.restricted & {one.source, "*"}
    if one.classification == Classification.RESTRICTED and holds(sees(rule), one):
        known = rule.outlines.restricted if rule.outlines else frozenset()
        assert (rule.restricted | known) & {one.source, "*"}


@given(facts, plain, plain)
def test_outlines_show_more_and_let_nothing_more_be_read(
    one: Facts, rule: Sees, outlines: Sees
) -> None:
    both = replace(rule, outlines=outlines)
    assert holds(reads(both), one) == holds(sees(rule), one)
    assert holds(sees(both), one) == (holds(sees(rule), one) or holds(sees(outlines), one))


@given(facts, rules)
def test_a_rule_looks_at_nothing_but_kind_place_and_secrecy(one: Facts, rule: Sees) -> None:
    """`hub.route` judges all signals that agree in these at once."""
    names = {"classification", "kinds", "except_kinds", "departments", "sources", "restricted"}
    assert {field.name for field in fields(Sees)} == {*names, "closed", "outlines"}
    bare = replace(one, status="", occurred_at="", account=None, author=None, labels=(), scores={})
    assert holds(sees(rule), bare) == holds(sees(rule), one)


@given(facts, plain, audiences, st.sampled_from("abc"))
def test_the_longest_pattern_that_takes_a_kind_names_its_audience(
    one: Facts, rule: Sees, closing: dict[str, frozenset[str]], role: str
) -> None:
    taking = [pattern for pattern in closing if matches_kind(pattern, one.kind)]
    for_it = closing[max(taking, key=len)] if taking else {"*"}
    without = holds(sees(replace(rule, closed=frozenset())), one)
    expected = without and bool(for_it & {role, "*"})
    assert holds(sees(replace(rule, closed=closed_to(role, closing))), one) == expected


@given(facts, rules, rules)
def test_another_role_never_hides_anything(one: Facts, first: Sees, second: Sees) -> None:
    both = may_see(Viewer(roles=frozenset("ab")), {"a": first, "b": second})
    assert holds(both, one) == (holds(sees(first), one) or holds(sees(second), one))


@given(facts)
def test_without_a_role_nothing_is_seen(one: Facts) -> None:
    assert not holds(may_see(Viewer(), {"a": Sees()}), one)
    assert not holds(may_see(Viewer(roles=frozenset({"gone"})), {"a": Sees()}), one)


@given(st.lists(conditions, max_size=4), facts)
def test_simplified_conditions_mean_the_same(parts: list[Condition], one: Facts) -> None:
    assert holds(all_of(*parts), one) == all(holds(part, one) for part in parts)
    assert holds(any_of(*parts), one) == any(holds(part, one) for part in parts)


@given(conditions, facts, st.lists(st.sampled_from(LABELS), max_size=3, unique=True))
def test_what_may_have_been_shown_before_labels_were_erased_is_told(
    condition: Condition, one: Facts, labels: list[str]
) -> None:
    erased = replace(one, labels=None)
    if holds(condition, replace(one, labels=tuple(labels))):
        assert holds(condition, erased)
    elif not holds(condition, erased, unknown=False):
        return
    else:
        pytest.fail("it holds for certain, and does not")
