"""What hub.toml says to read the tracker of the twin `rest`, in every shape that its list has."""

from collections.abc import Mapping
from typing import Any

PAGES: Mapping[str, Mapping[str, Any] | None] = {
    "none": None,
    "page": {"by": "page", "size_parameter": "per_page", "size": 100},
    "offset": {"by": "offset", "size_parameter": "limit", "size": 100, "total": "$.total"},
    "cursor": {"by": "cursor", "next": "$.next", "size_parameter": "limit", "size": 100},
    "link": {"by": "link", "size_parameter": "per_page", "size": 100},
    "next_url": {"by": "next_url", "next": "$.next", "size_parameter": "per_page", "size": 100},
}
CURSORS: Mapping[str, Mapping[str, Any]] = {
    "modified_since": {"since": "updated_since"},
    "opaque_token": {"parameter": "token", "token": "$.token", "more": "$.more"},
    "id_watermark": {"parameter": "after_id", "id": "$.event", "start": 0},
    "newest_first": {"since": "since"},
    "event_log": {"since": "since", "until": "until"},
    "snapshot": {"gone": {"status": "deleted"}},
}
FIELDS: Mapping[str, Any] = {
    "id": "issue/{id}",
    "kind": {
        "path": "$.state",
        "map": {"open": "support.ticket.opened", "closed": "support.ticket.solved"},
        "default": "support.ticket.updated",
    },
    "title": "$.title",
    "body": {"path": "$.text", "html": True},
    "url": "$.html_url",
    "revised_at": "$.updated_at",
    "status": {
        "path": "$.state",
        "map": {"open": "open", "closed": "resolved", "deleted": "deleted"},
        "default": "open",
    },
    "severity": {"path": "$.priority", "map": {"urgent": "critical"}, "default": "low"},
    "author": {"name": "$.reporter.name", "email": "$.reporter.email"},
    "account": {"name": "$.reporter.company", "domain": "$.reporter.email"},
    "labels": "$.labels[*].name",
    "attributes": {"number": "$.id", "priority": "$.priority"},
    "skip": "@.internal == true",
}
