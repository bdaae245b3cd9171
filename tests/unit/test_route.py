"""Relevance: bounded, additive, explained, and the same whenever it is asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config import read_config
from hub.kinds import KINDS, Department, Severity, kind_info, matches_kind
from hub.roles import default_roles
from hub.route import Router
from hub.signals import Account, Classification, Origin, Outcome, Relevance, Signal, Status

ROLES = read_config("", {}).roles
ROUTER = Router(ROLES)
T0 = datetime(2026, 11, 2, tzinfo=UTC)


def signal(kind: str = "sales.deal.won", **changes: Any) -> Signal:
    info = kind_info(kind)
    given: dict[str, Any] = {
        "id": "1",
        "source": "crm",
        "external_id": "1",
        "revision": "1",
        "kind": kind,
        "department": info.department,
        "title": "Acme",
        "summary": "",
        "body": None,
        "url": None,
        "origin": Origin.POLL,
        "occurred_at": T0,
        "received_at": T0,
        "updated_at": T0,
        "revised_at": T0,
        "severity": info.severity,
        "status": Status.INFORMATION,
        "classification": Classification.INTERNAL,
        "sentiment": None,
        "account": None,
        "author": None,
        "owner": None,
        "labels": (),
        "attributes": {},
        "thread": None,
    }
    return Signal(**(given | changes))


def judged(one: Signal, **more: Any) -> dict[str, Relevance]:
    return {relevance.role: relevance for relevance in ROUTER.audience(one, **more)}


signals = st.builds(
    signal,
    kind=st.sampled_from([*KINDS, "custom.thing"]),
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    classification=st.sampled_from(Classification),
    department=st.sampled_from(Department),
    title=st.sampled_from(["Acme", "pricing renewal contract", "Outage: all down, refund", ""]),
    account=st.none() | st.just(Account("a", "Acme")),
    attributes=st.sampled_from([{}, {"asked_of": ["sales"]}, {"asked_of": "support"}]),
)


@given(signals)
def test_a_score_is_the_sum_of_its_reasons_between_0_and_1(one: Signal) -> None:
    for relevance in ROUTER.audience(one):
        assert 0 <= relevance.score <= 1
        total = sum(reason.weight for reason in relevance.reasons)
        assert relevance.score == pytest.approx(min(1, max(0, total)), abs=1e-4)
        assert all(reason.evidence for reason in relevance.reasons)
        assert len({(r.name, r.evidence) for r in relevance.reasons}) == len(relevance.reasons)


@given(signals)
def test_every_role_gets_one_decision_and_the_same_again(one: Signal) -> None:
    first = ROUTER.audience(one)
    assert [relevance.role for relevance in first] == list(ROLES)
    assert ROUTER.audience(one) == first == Router(ROLES).audience(one)


@given(signals)
def test_worse_never_matters_less(one: Signal) -> None:
    if one.severity is Severity.CRITICAL:
        return
    worse = judged(replace(one, severity=Severity(one.severity + 1)))
    for role, relevance in judged(one).items():
        assert worse[role].score >= relevance.score


@given(signals)
def test_what_a_role_may_not_see_it_does_not_hear(one: Signal) -> None:
    for relevance in ROUTER.audience(one):
        if one.classification is Classification.RESTRICTED:
            assert relevance.outcome is Outcome.NOT_PERMITTED
        if relevance.outcome is Outcome.NOT_PERMITTED:
            assert (relevance.score, relevance.reasons) == (0, ())


def test_history_is_scored_and_not_sent() -> None:
    before = judged(signal(), notify_after=T0 + timedelta(seconds=1))["sales"]
    after = judged(signal(), notify_after=T0)["sales"]
    assert (before.outcome, after.outcome) == (Outcome.HISTORY, Outcome.SENT)
    assert before.score == after.score


def test_what_is_over_is_no_longer_urgent() -> None:
    firing = judged(signal("ops.incident.triggered", status=Status.OPEN))["support"]
    over = judged(signal("ops.incident.triggered", status=Status.RESOLVED))["support"]
    assert over.score < firing.score


def test_asking_a_role_reaches_it() -> None:
    asked = judged(signal("team.need", attributes={"asked_of": ["support"]}))
    assert asked["support"].outcome is Outcome.SENT
    assert asked["product"].outcome is Outcome.BELOW_THRESHOLD


def test_accounts_and_keywords_are_named_with_their_evidence() -> None:
    text = '[roles.sales.interests.accounts]\n"acme" = 0.3\n'
    router = Router(read_config(text, {}).roles)
    one = signal("ops.alert.firing", account=Account("a", "Acme"), title="About the renewal")
    [sales] = [r for r in router.audience(one) if r.role == "sales"]
    weights = {reason.name: reason.weight for reason in sales.reasons}
    assert (weights["account"], weights["keyword"]) == (0.3, 0.2)


def test_what_is_known_in_outline_is_not_judged_by_what_it_says() -> None:
    text = """
        [roles.sales.sees]
        kinds = ["team.*"]
        [roles.sales.outlines]
        kinds = ["sales.*"]
        [roles.sales.interests.accounts]
        "acme" = 0.1
        """
    router = Router(read_config(text, {}).roles)

    def reasons(kind: str, **said: Any) -> list[str]:
        one = signal(kind, account=Account("a", "Acme"), **said)
        [sales] = [r for r in router.audience(one) if r.role == "sales"]
        return [reason.name for reason in sales.reasons]

    said = {"title": "About the renewal", "attributes": {"asked_of": ["sales"]}}
    assert reasons("sales.deal.won", **said) == reasons("sales.deal.won")
    assert "account" in reasons("sales.deal.won")
    assert {"keyword", "addressed"} <= {*reasons("team.need", **said)}


def test_the_longest_pattern_wins() -> None:
    weights = ROLES["sales"].interests.kinds
    [kind] = [r for r in judged(signal("sales.deal.stage"))["sales"].reasons if r.name == "kind"]
    assert kind.weight == weights["sales.deal.stage"] != weights["sales.*"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_the_catalogue_concerns_somebody(kind: str) -> None:
    if kind.startswith("hub."):
        return  # about the hub itself: seen by admins, and in the health of the sources
    assert any(relevance.score > 0 for relevance in ROUTER.audience(signal(kind)))


def test_every_pattern_of_the_default_roles_names_a_kind() -> None:
    for role in default_roles().values():
        patterns = [*role["interests"]["kinds"], *role["sees"].get("except_kinds", [])]
        for pattern in patterns:
            assert any(matches_kind(pattern, kind) for kind in KINDS), pattern
