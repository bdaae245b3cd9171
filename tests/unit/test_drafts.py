"""Drafts: what names a version where a vendor tells only seconds, and what a deletion repeats."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.connector import Classification, Draft, PersonRef, Severity, Status, now

NINE = datetime(2026, 5, 4, 9, tzinfo=UTC)


def draft(**changes: Any) -> Draft:
    given = {
        "kind": "support.ticket.opened",
        "external_id": "issue/1",
        "revision": "of its time",
        "revised_at": NINE,
        "occurred_at": NINE,
        "title": "The export is empty",
        "body": "Since this morning",
        "classification": Classification.RESTRICTED,
        "thread": "issue/1",
    }
    return Draft.model_validate(given | changes)


def test_what_says_the_same_is_the_same_revision_whoever_tells_it() -> None:
    polled = draft(url="https://acme.example/1", attributes={"count": 3}).by_content()
    pushed = draft(author=PersonRef(name="Robin"), occurred_at=NINE + timedelta(1)).by_content()
    assert polled.revision == pushed.revision
    assert polled.revision.startswith("20260504T090000Z/")
    assert polled.by_content().revision == polled.revision


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "The export is full"},
        {"body": None},
        {"status": Status.RESOLVED},
        {"severity": Severity.LOW},
        {"labels": ("csv",)},
        {"kind": "support.ticket.solved"},
        {"owner": PersonRef(name="Sam")},
        {"revised_at": NINE + timedelta(seconds=1)},
    ],
)
def test_two_changes_within_one_second_are_two_revisions(changes: dict[str, Any]) -> None:
    assert draft(**changes).by_content().revision != draft().by_content().revision


def test_what_is_deleted_is_said_without_a_word_of_it() -> None:
    before = now()
    gone = draft(owner=PersonRef(name="Sam"), labels=("csv",)).deleted("issue/1 was deleted")
    assert (gone.external_id, gone.status) == ("issue/1", Status.DELETED)
    assert (gone.revision, gone.title) == ("deleted", "issue/1 was deleted")
    assert gone.revised_at >= before
    # Who may see that it is gone are those who saw it.
    assert (gone.classification, gone.thread) == (Classification.RESTRICTED, "issue/1")
    for word in ("export", "morning", "Sam", "csv"):
        assert word not in gone.model_dump_json()
