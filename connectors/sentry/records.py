"""What the records of Sentry say: issues and releases, and the alerts and comments of webhooks."""

from datetime import datetime
from typing import Any, TypeAlias

from hub.connector import Department, Draft, PersonRef, Severity, Status, now, utc

Record: TypeAlias = dict[str, Any]
Known: TypeAlias = dict[str, str]
"""Of each open issue, by its id, what became of it last: new, regressed, escalating."""

NEW, BACK, FIRING, CLEARED = (
    f"ops.{name}" for name in ("error.new", "error.regressed", "alert.firing", "alert.resolved")
)
COMMENT, RELEASE = "content.comment", "product.release"
_STATUS = {"unresolved": Status.OPEN, "resolved": Status.RESOLVED}
_SEVERITY = {"fatal": Severity.CRITICAL, "high": Severity.HIGH, "medium": Severity.MEDIUM,
             "low": Severity.LOW, "error": Severity.MEDIUM, "warning": Severity.LOW}  # fmt: skip
_FACTS = {"number": "shortId", "level": "level", "priority": "priority", "state": "substatus",
          "platform": "platform", "first_seen_at": "firstSeen", "last_seen_at": "lastSeen",
          "users": "userCount"}  # fmt: skip


def last_seen(record: Record) -> datetime:
    return utc(record["lastSeen"])


def released(record: Record) -> datetime:
    return utc(record.get("dateReleased") or record["dateCreated"])


def listed(record: Record, known: Known) -> Draft:
    """Read an issue as a list shows it, or what is told of one that is in none."""
    if not (name := str(record["id"] or "")):
        raise ValueError("an issue without an id")
    seen = now()
    before = known.pop(name, "")
    if record.get("is_gone"):
        return Draft(
            kind=NEW,
            external_id=f"issue/{name}",
            revision="deleted",
            revised_at=seen,
            occurred_at=seen,
            title="An issue was deleted",
            status=Status.DELETED,
            thread=f"issue/{name}",
        )
    phase = record.get("substatus") or "new"
    if phase == "ongoing":  # for that it goes on is no news
        phase = before.partition(" ")[0] or "new"
    draft = issue(record, phase, seen)
    if record["status"] == "unresolved":
        known[name] = phase
    return draft


def issue(record: Record, phase: str | None, seen: datetime) -> Draft:
    phase = phase or record.get("substatus")
    is_back, is_open = phase in {"regressed", "escalating"}, record["status"] == "unresolved"
    first, last = utc(record["firstSeen"]), utc(record["lastSeen"])
    to = record.get("assignedTo") or {}
    facts = {fact: record.get(name) for fact, name in _FACTS.items()} | {
        "count": int(record.get("count") or 0),  # a string
        "team": to.get("name") if to.get("type") == "team" else None,
    }
    level, priority = record.get("level") or "", record.get("priority") or ""
    severity = _SEVERITY.get("fatal" if level == "fatal" else priority) or _SEVERITY.get(level)
    owner = PersonRef(name=to["name"], email=to.get("email")) if to.get("type") == "user" else None
    return Draft(
        kind=BACK if is_back else NEW,
        external_id=f"issue/{record['id']}",
        revision="of its time",
        # No time of a change is told: a state goes on until another is seen, by list or webhook.
        revised_at=seen,
        goes_on=True,
        occurred_at=(last if is_back else first) if is_open else seen,
        title=record["title"],
        summary=record.get("culprit") or "",
        url=record.get("permalink") or record.get("web_url"),
        severity=severity if is_open else None,
        status=_STATUS.get(record["status"], Status.ACKNOWLEDGED),
        owner=owner,
        labels=(record["project"]["slug"],),
        attributes={name: fact for name, fact in facts.items() if fact is not None},
        thread=f"issue/{record['id']}",
    ).by_content()


def release(record: Record) -> Draft:
    at = released(record)
    return Draft(
        kind=RELEASE,
        external_id=f"release/{record['version']}",
        revision="of its time",
        revised_at=at,
        occurred_at=at,
        title=record.get("shortVersion") or record["version"],
        url=record.get("url"),
        labels=tuple(project["slug"] for project in record.get("projects") or ()),
        attributes={"version": record["version"]},
    ).by_content()


def alert(_: str, data: Record, seen: datetime) -> Draft:
    event = data["event"]
    return Draft(
        kind=FIRING,
        external_id=f"alert/{event['event_id']}",
        revision="1",
        revised_at=seen,
        occurred_at=utc(event["datetime"]),
        title=f"{data['triggered_rule']}: {event['title']}",
        url=event.get("web_url"),
        severity=_SEVERITY.get(event.get("level") or ""),
        thread=f"issue/{event['issue_id']}",
    )


def metric(action: str, data: Record, seen: datetime) -> Draft:
    alert, is_over = data["metric_alert"], action == "resolved"
    return Draft(
        kind=CLEARED if is_over else FIRING,
        external_id=f"metric_alert/{alert['id']}",
        revision=f"{action}@{seen.isoformat()}",
        revised_at=seen,
        occurred_at=seen if is_over else utc(alert["date_started"]),
        title=data.get("description_title") or alert["title"],
        summary=data.get("description_text") or "",
        url=data.get("web_url"),
        severity={"critical": Severity.CRITICAL, "warning": Severity.MEDIUM}.get(action),
        status=Status.RESOLVED if is_over else Status.OPEN,
    )


def comment(action: str, data: Record, _: datetime) -> Draft:
    at = utc(data["timestamp"])
    draft = Draft(
        kind=COMMENT,
        external_id=f"comment/{data['comment_id']}",
        revision=at.isoformat(),
        revised_at=at,
        occurred_at=at,
        title="Comment on an error",
        body=data.get("comment") or None,
        department=Department.ENGINEERING,
        thread=f"issue/{data['issue_id']}",
    )
    return draft.deleted("A comment was deleted") if action == "deleted" else draft
