"""Writes a change as a structured CloudEvents 1.0 body (https://github.com/cloudevents/spec)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from hub.details import schema_path
from hub.signals import Signal

TYPE = "io.teamsignals.{kind}.v1"


def cloud_event(
    signal: Signal, seq: int, data: Mapping[str, Any], public_url: str | None = None
) -> bytes:
    """Write the event of one change of a signal; `sequence` orders the changes."""
    base = (public_url or "").rstrip("/")
    event = {
        "specversion": "1.0",
        "id": f"{signal.id}.{seq}",
        "source": f"/sources/{quote(signal.source)}",
        "type": TYPE.format(kind=signal.kind),
        "subject": signal.id,
        "time": signal.revised_at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": base + schema_path(signal.kind),
        "sequence": str(seq),
        "data": data,
    }
    return orjson.dumps(event)
