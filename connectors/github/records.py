"""What the records of GitHub say: the same, whether they were listed or pushed."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from hub.connector import Draft, PersonRef, Status, utc

Record: TypeAlias = dict[str, Any]
Read: TypeAlias = Callable[[Record], Draft | None]

OPENED, UPDATED, SOLVED = (f"support.ticket.{name}" for name in ("opened", "updated", "solved"))
COMMENT, RELEASE, FEEDBACK = "content.comment", "product.release", "customer.feedback"

_ADDRESS = re.compile(r"//[^/]+/([^/]+/[^/]+)/(?:issues|pull|discussions|releases/tag)/([^#?]+)")


def issue(record: Record) -> Draft | None:
    if record.get("pull_request"):
        return None
    is_open = record["state"] == "open"
    is_new = is_open and not record.get("comments")
    return _draft(
        record,
        "issue",
        {
            "reason": record.get("state_reason"),
            "author_association": record.get("author_association"),
        },
        kind=OPENED if is_new else UPDATED if is_open else SOLVED,
        occurred_at=utc(record["created_at" if is_new else "updated_at"]),
        title=record["title"],
        status=Status.OPEN if is_open else Status.RESOLVED,
        owner=_person(record.get("assignee")),
    )


def comment(record: Record) -> Draft | None:
    if "/pull/" in record["html_url"]:
        return None
    return _draft(record, "comment", {}, kind=COMMENT)


def release(record: Record) -> Draft:
    return _draft(
        record | {"user": record.get("author")},
        "release",
        {"version": record["tag_name"], "prerelease": record.get("prerelease")},
        kind=RELEASE,
        occurred_at=utc(record.get("published_at") or record["created_at"]),
        title=record.get("name") or record["tag_name"],
    )


def discussion(record: Record) -> Draft:
    is_closed = record.get("closed") or record.get("state") == "closed"
    is_done = is_closed or record.get("answer") or record.get("answer_html_url")
    return _draft(
        record | {"labels": ()},  # which only a webhook tells
        "discussion",
        {"category": (record.get("category") or {}).get("name")},
        kind=FEEDBACK,
        title=record["title"],
        status=Status.RESOLVED if is_done else Status.OPEN,
    )


PUSHED: Mapping[str, tuple[str, Read]] = {
    "issues": ("issue", issue),
    "issue_comment": ("comment", comment),
    "release": ("release", release),
    "discussion": ("discussion", discussion),
}
"""By the name of a webhook's event: where in it the record is, and what reads it."""


def _draft(record: Record, what: str, facts: Record, **about: Any) -> Draft:
    name, found = record["id"], _ADDRESS.search(record["html_url"])
    if not name or not found:
        raise ValueError(f"{name} at {record['html_url']} is nothing of a repository")
    repository, place = found.groups()
    thread, labels = f"{repository}#{place}", record.get("labels") or ()
    facts |= {"repository": repository, "number": record.get("number")}
    given: Record = {
        "external_id": f"{what}/{name}",
        "revision": "of its time",
        "revised_at": updated(record),
        "occurred_at": utc(record["created_at"]),
        "title": f"Comment on {thread}",
        "body": record.get("body") or None,
        "url": record["html_url"],
        "author": _person(record.get("user")),
        "labels": (repository, *(label["name"] for label in labels)),
        "attributes": {fact: value for fact, value in facts.items() if value is not None},
        "thread": thread,
    }
    draft = Draft(**given | about)
    return draft.deleted(f"{thread} was deleted") if "gone" in record else draft.by_content()


def updated(record: Record) -> datetime:
    return utc(record.get("updated_at") or record.get("published_at") or record["created_at"])


def _person(user: Record | None) -> PersonRef | None:
    login = (user or {}).get("login")
    return PersonRef(name=login, handle=login) if login else None
