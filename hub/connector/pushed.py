"""What a vendor sends by itself: the request as it came, and what `verify` makes of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from hub.errors import BadRecord


@dataclass(frozen=True, slots=True)
class Pushed:
    """One request as a vendor made it; in `read`, as it was stored: without what signs it in."""

    method: str
    url: str
    """The public address that the vendor called, query included."""
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    received_at: datetime

    def json(self) -> Any:
        """Decode the body. Raises BadRecord."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadRecord(f"the body of a push is not JSON: {error}") from None

    def form(self) -> Mapping[str, str]:
        """Decode a body that a browser's form would send; of a field given twice the last."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))

    @property
    def query(self) -> Mapping[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def media(self) -> str:
        """The body's media type, without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request is the vendor's: the hub stores it, says so, and reads it later."""

    delivery: str | None = None
    """The vendor's own id of what it sends, stored once; else the same content is stored once."""
    poll: timedelta | None = None
    """Ask the source itself so soon: for a push that says that something changed, and not what."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the vendor waits for, and nothing to store: a challenge, a test."""

    body: bytes = b""
    content_type: str = "text/plain"
    status: int = 200
    headers: Mapping[str, str] | None = None


Verdict: TypeAlias = Accepted | Reply
