"""A build server that sends a webhook of everything that happens, signed with the time.

There is no vendor behind it: it signs as many do, with a keyed hash of time and body.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from connectors import twins
from connectors.twins import Allowed, Call, Excuse, Fault, moment

# The specification that most senders' webhooks resemble says what they do and do not.
_SPEC = "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"
ASKED = (
    Fault.TOKEN_EXPIRED,
    Fault.LIMITED,
    Fault.BROKEN,
    Fault.FORBIDDEN,
    Fault.SHORT_PAGES,
    Fault.EMPTY_PAGE,
    Fault.DUPLICATE_PAGE,
    Fault.LARGE_BODY,
    Fault.CUT_SHORT,
    Fault.OTHER_HOST,
    Fault.CURSOR_EXPIRED,
)
"""What can only happen to who asks."""


class Twin(twins.Twin):
    connector: ClassVar[str] = "webhook"
    excused: ClassVar[Mapping[Fault, Excuse]] = dict.fromkeys(
        ASKED, Excuse("The sender calls the hub; the hub asks it nothing and gets no answer", _SPEC)
    )

    def __init__(self) -> None:
        super().__init__()
        self.secret = "the-secret-of-the-twins-builds"  # noqa: S105 - it opens only this twin
        self.builds: dict[int, dict[str, Any]] = {}

    def table(self) -> tuple[Allowed, ...]:
        return ()

    def settings(self, url: str) -> dict[str, Any]:
        del url
        return {
            "secret": self.secret,
            "signed": {
                "by": "hmac",
                "header": "X-Build-Signature",
                "prefix": "sha256=",
                "signed": "{timestamp}.{body}",
                "timestamp": "X-Build-Timestamp",
            },
            "records": "$.builds[*]",
            "fields": {
                "id": "$.number",
                "kind": {
                    "path": "$.state",
                    "map": {"red": "ops.alert.firing", "green": "ops.alert.resolved"},
                    "default": "ops.alert.firing",
                },
                "status": {
                    "path": "$.state",
                    "map": {"red": "open", "green": "resolved", "gone": "deleted"},
                },
                "title": "$.title",
                "revised_at": "$.at",
                "author": {"name": "$.by.name", "email": "$.by.email"},
            },
        }

    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Let a build turn red, or change it by its "number": "title", "state"."""
        at = moment(record)
        number = int(record.get("number", len(self.builds) + 1))
        blank = {"number": number, "title": f"Build {number} is red", "state": "red"}
        said = {name: record[name] for name in ("title", "state") if name in record}
        by = {"by": {"name": "Jane Doe", "email": "jane@acme.example"}}
        self.builds[number] = blank | by | self.builds.get(number, {}) | said
        self.builds[number]["at"] = at.isoformat()
        return self.builds[number]

    def create(self, number: int, at: datetime) -> str:
        self.emit({"number": number, "at": at.isoformat()})
        return str(number)

    def edit(self, number: int, at: datetime) -> None:
        words = {"title": f"Edited at {at}", "state": "green"}
        self.emit({"number": number, **words, "at": at.isoformat()})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"number": number, "state": "gone", "at": at.isoformat()})

    def push(self, number: int) -> Call:
        body = json.dumps({"builds": [self.builds[number]]}).encode()
        stamp = str(int(self.now().timestamp()))
        digest = hmac.new(self.secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
        return Call(
            body,
            {
                "content-type": "application/json",
                "x-build-timestamp": stamp,
                "x-build-signature": f"sha256={digest.hexdigest()}",
            },
        )
