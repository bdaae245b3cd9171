"""What Slack pushes by its Events API, and what of that can be read without asking.

https://docs.slack.dev/apis/events-api
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connectors.slack.messages import State
from hub.connector import Accepted, BadRecord, Hmac, Pushed, Reply, Verdict

# https://docs.slack.dev/authentication/verifying-requests-from-slack
SIGNED = Hmac(
    "X-Slack-Signature",
    prefix="v0=",
    signed="v0:{timestamp}:{body}",
    timestamp="X-Slack-Request-Timestamp",
)
_TOLD = {"message", "app_mention", "app_rate_limited"}
_SOON = timedelta(seconds=2)  # one look for all that is said in that time


def verdict(request: Pushed) -> Verdict:
    """Answer Slack's question whether the address is ours; take in all the rest."""
    said = request.json()
    if not isinstance(said, Mapping):
        raise BadRecord("an event of Slack is an object")
    if said.get("type") == "url_verification":
        return Reply(str(said.get("challenge") or "").encode())
    kinds = {said.get("type"), (said.get("event") or {}).get("type")}
    return Accepted(said.get("event_id"), None if _TOLD.isdisjoint(kinds) else _SOON)


def deleted(event: Pushed) -> tuple[State, State] | None:
    """Give (the event, the message) where an event says that a message was deleted.

    Of one that has replies Slack leaves a tombstone, and tells of that as of an edit.
    https://docs.slack.dev/reference/events/message/message_deleted
    """
    said: Any = event.json()["event"]
    is_gone = said.get("subtype") == "message_deleted" or (
        said.get("subtype") == "message_changed" and said["message"].get("subtype") == "tombstone"
    )
    return (said, said["previous_message"]) if is_gone and said.get("previous_message") else None
