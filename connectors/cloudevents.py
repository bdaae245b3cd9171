"""CloudEvents 1.0 over HTTP: structured, binary or in batches.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import unquote

from pydantic import Field

from hub.connector import (
    MAPPED_KINDS,
    Accepted,
    Bad,
    BadRecord,
    Draft,
    Fields,
    Listener,
    Page,
    Pushed,
    Reply,
    SecretStr,
    SignedBy,
    TakesNoPushes,
    Verdict,
    utc,
)

_NEEDED = ("id", "source", "specversion", "type")


class CloudEvents(Listener):
    """Events that others send to `/push/<source>`, each mapped as it is written in JSON.

    An event is what its structured form says, whichever way it came: `$.type`, `$.source`,
    `$.subject`, `$.time`, extensions by their names, and `$.data`.
    """

    kinds: ClassVar[frozenset[str]] = MAPPED_KINDS

    sign_in: ClassVar[str] = "The sender signs in here, with a bearer token unless told otherwise."
    limits: ClassVar[str] = "4 MiB a request; JSON, or data that the mapping does not look into."
    freshness: ClassVar[str] = "As soon as it is sent."

    secret: SecretStr
    """What the sender shows, or signs with."""
    signed: SignedBy = Field(default={"by": "token"}, validate_default=True)
    """How the sender shows that it has the secret."""
    fields: Fields
    """Where the fields of a signal are found in an event."""
    origins: frozenset[str] | None = None
    """The senders, as they call themselves, that may send; unset, whoever has the secret."""

    def verify(self, request: Pushed) -> Verdict:
        if request.method == "OPTIONS":
            return self._permit(request)
        self.signed.check(request, self.secret)
        names = [_name(event) for event in events(request)]
        if len(names) == 1:
            return Accepted(names[0])
        return Accepted(hashlib.sha256("\n".join(names).encode()).hexdigest())

    def read(self, event: Pushed) -> Sequence[Draft | Bad]:
        page = Page.read(events(event), partial(self.fields.draft, seen=event.received_at), {})
        return [*page.drafts, *page.bad]

    def _permit(self, request: Pushed) -> Reply:
        """Let a sender send, which asks before it does: that is no sign-in, its events still are.

        https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
        """
        origin = request.headers.get("webhook-request-origin", "")
        if not origin or (self.origins is not None and origin not in self.origins):
            raise TakesNoPushes(f"the sender {origin!r} is not among the origins of this source")
        given = {"Allow": "POST", "WebHook-Allowed-Origin": origin}
        if rate := request.headers.get("webhook-request-rate"):
            given["WebHook-Allowed-Rate"] = rate if rate.isascii() and rate.isdigit() else "*"
        return Reply(headers=given)


def events(request: Pushed) -> list[Mapping[str, Any]]:
    """Read the events of a request in their structured form. Raises BadRecord."""
    if request.media.startswith("application/cloudevents-batch"):
        found = _json(request, "application/cloudevents-batch")
        if not isinstance(found, list):
            raise BadRecord("a batch of CloudEvents is a list")
    elif request.media.startswith("application/cloudevents"):
        found = [_json(request, "application/cloudevents")]
    else:
        found = [_binary(request)]
    return [_checked(one) for one in found]


def _json(request: Pushed, media: str) -> Any:
    if request.media not in {media, f"{media}+json"}:
        raise BadRecord(f"{request.media} is a format of CloudEvents that the hub does not read")
    return request.json()


def _binary(request: Pushed) -> dict[str, Any]:
    """Put together an event whose attributes are headers and whose data is the body."""
    event: dict[str, Any] = {
        name.removeprefix("ce-"): unquote(value.strip().strip('"'))
        for name, value in request.headers.items()
        if name.startswith("ce-")
    }
    if request.media:
        event["datacontenttype"] = request.headers["content-type"]
    if not request.body:
        return event
    if request.media == "application/json" or request.media.endswith("+json") or not request.media:
        return event | {"data": request.json()}
    if request.media.startswith("text/"):
        return event | {"data": request.body.decode(errors="replace")}
    return event | {"data_base64": base64.b64encode(request.body).decode()}


def _checked(event: Any) -> Mapping[str, Any]:
    if not isinstance(event, Mapping):
        raise BadRecord("a CloudEvent is an object")
    for name in _NEEDED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise BadRecord(f"a CloudEvent needs a {name}, which is a text that is not empty")
    if event["specversion"] != "1.0":
        raise BadRecord(f"CloudEvents {event['specversion']} are not read, but those of 1.0")
    if {"data", "data_base64"} <= event.keys():
        raise BadRecord("a CloudEvent has data or data_base64, not both")
    if (time := event.get("time")) is not None:
        try:
            utc(time if "T" in time else "")
        except (TypeError, ValueError):
            raise BadRecord("the time of a CloudEvent is not of RFC 3339") from None
    return event


def _name(event: Mapping[str, Any]) -> str:
    """Name an event as its specification does, by source and id."""
    return json.dumps([event["source"], event["id"]])
