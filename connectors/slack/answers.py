"""What Slack's methods answer: a page at a time, and refusals with status 200."""

from collections.abc import AsyncIterator
from typing import Any

from connectors.slack.messages import State
from hub.connector import (
    Api,
    AuthFailed,
    RateLimited,
    SourceError,
    SourceMisbehaved,
)

_PAGE = 200  # what Slack recommends; how many come is for Slack to say
_SIGN_IN = {"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"}


async def pages(api: Api, method: str, **params: Any) -> AsyncIterator[State]:
    after: str | None = None
    while True:
        body = await api.get(method, limit=_PAGE, cursor=after, **params)
        before, after = after, (body.get("response_metadata") or {}).get("next_cursor")
        yield body | {"after": after}
        if not after:  # the only sign of the end: a short or an empty page is none
            return
        if after == before:
            raise SourceMisbehaved(f"{method} sends the same page again and again")


def refusal(body: Any) -> SourceError | None:
    """Find a refusal: https://docs.slack.dev/apis/web-api/#responses."""
    told = body if isinstance(body, dict) else {"error": "what is no object"}
    error = str(told.get("error"))
    if told.get("ok") or error == "thread_not_found":  # just deleted: a thread without messages
        return None
    if error == "ratelimited":
        return RateLimited("Slack says ratelimited")
    if error in _SIGN_IN:
        return AuthFailed(f"Slack says {error}", "Install the app again and give its new bot token")
    return SourceMisbehaved(f"Slack says {error} {told.get('needed') or ''}".strip())
