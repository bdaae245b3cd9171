"""Mastodon and what speaks its API: who names an account, and what is said under hashtags."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import AwareDatetime, Field

from hub.connector import (
    Api,
    Batch,
    Bearer,
    Classification,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    IdWatermark,
    Page,
    PersonRef,
    Recent,
    SecretStr,
    SourceMisbehaved,
    plain,
    streams,
    utc,
)

_MENTION = "brand.mention"
_NOTIFICATIONS = "/notifications"
_NOTIFIED, _TAGGED = 80, 40  # the most that a page holds
_FOR = {
    "public": Classification.PUBLIC,
    "unlisted": Classification.PUBLIC,
    "private": Classification.CONFIDENTIAL,  # for the author's followers
    "direct": Classification.RESTRICTED,
}


class Mastodon(Connector):
    """Mentions of an account, and public posts under hashtags, as one server knows them.

    One signal per post, named by its id on that server; an edit is a revision of it. An edit, a
    deletion, or a post that another server delivers late is noticed for `look_back`, of a busy
    hashtag for the newest 200 posts. Direct messages are restricted.

    Attributes: visibility, language, reply_to (a post's id), hashtags, warning.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_MENTION})
    sign_in: ClassVar[str] = "an access token: Preferences, Development, New application"
    scopes: ClassVar[tuple[str, ...]] = ("read:notifications", "read:statuses")
    limits: ClassVar[str] = "300 requests in five minutes for all that the account does"

    url: str
    """The server: https://mastodon.social"""
    token: SecretStr
    mentions: bool = True
    """Whether to read who names the account."""
    hashtags: Annotated[frozenset[str], Field(max_length=20)] = frozenset()
    """Without `#`."""
    since: AwareDatetime | None = None
    """Read nothing older; else all that the server still shows."""
    look_back: timedelta = timedelta(hours=6)
    """How old a post may be that is looked at again at every poll."""

    per_minute: Annotated[int, Field(gt=0)] = 60
    """What the server allows: https://docs.joinmastodon.org/api/rate-limits/."""

    def endpoint(self) -> Endpoint:
        return Http(f"{self.url.rstrip('/')}/api/v1", Bearer(self.token), self.per_minute)

    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        lists: dict[str, tuple[str, Mapping[str, Any]]] = {}
        if self.mentions:
            lists["mentions"] = _NOTIFICATIONS, {"types[]": "mention", "limit": _NOTIFIED}
        for tag in sorted({tag.removeprefix("#").casefold() for tag in self.hashtags}):
            lists[f"#{tag}"] = f"/timelines/tag/{tag}", {"limit": _TAGGED}
        pulls = {name: partial(self._list, api, *where) for name, where in lists.items()}
        return streams(cursor, pulls)

    def _list(
        self, api: Api, path: str, asked: Mapping[str, Any], cursor: Cursor
    ) -> AsyncIterator[Page]:
        tells_time = path != _NOTIFICATIONS
        start = str(_id_at(self.since)) if self.since and tells_time else "0"

        def again(first: str, oldest: datetime) -> Cursor:
            # A post of another server has the id of when it was written there, and may come late.
            begin = min(int(first), _id_at(oldest)) if tells_time else int(first)
            return {"after": str(begin - 1)}

        async def ask(after: str) -> Batch:
            # `since_id` would give the newest after it, and leave a gap where there are many:
            # https://docs.joinmastodon.org/api/guidelines/#pagination
            found = await api.get(path, **asked, min_id=after)
            # A page may be short, so one with news is not the last.
            return Batch(found, next=any(_follows(record, after) for record in found) or None)

        return Recent(self.look_back).pages(
            cursor,
            ask,
            lambda place, ask, read: IdWatermark().pages(place, ask, _name, read=read, start=start),
            name=_name,
            at=lambda record: utc(record["created_at"]),
            read=self._draft,
            again=again,
            there=partial(_there, api),
        )

    def _draft(self, record: Mapping[str, Any]) -> Draft | None:
        post = record.get("status") or record
        written, author = utc(post["created_at"]), post["account"]
        if self.since and written < self.since:
            return None
        text = plain(post["content"])
        warning = post.get("spoiler_text")
        revised = post.get("edited_at") or post["created_at"]
        tags = tuple(tag["name"] for tag in post.get("tags") or ())
        facts = {
            "visibility": post.get("visibility"),
            "language": post.get("language"),
            "reply_to": post.get("in_reply_to_id"),
            "hashtags": list(tags),
            "warning": warning,
        }
        handle = author["acct"]
        return Draft(
            kind=_MENTION,
            external_id=post["id"],
            revision=revised,
            revised_at=utc(revised),
            occurred_at=written,
            title=(warning or text).partition("\n")[0][:200] or f"A post by {handle}",
            body=text or None,
            url=post.get("url") or post.get("uri"),
            classification=_FOR.get(post.get("visibility") or "", Classification.RESTRICTED),
            author=PersonRef(name=author.get("display_name") or handle, handle=handle),
            labels=tags,
            attributes={name: fact for name, fact in facts.items() if fact},
            thread=post.get("in_reply_to_id") or post["id"],
        )


async def _there(api: Api, posts: Sequence[str]) -> set[str]:
    """Tell which posts still exist: one may only have lost its hashtag."""
    found = set()
    for post in posts:
        try:
            await api.get(f"/statuses/{post}")
        except SourceMisbehaved as refusal:
            if refusal.status != 404:
                raise
        else:
            found.add(post)
    return found


def _name(record: Mapping[str, Any]) -> str:
    return str(record["id"])


def _follows(record: Any, after: str) -> bool:
    try:
        return int(record["id"]) > int(after)
    except (LookupError, TypeError, ValueError):
        return False  # set aside when it is read


def _id_at(time: datetime) -> int:
    """Give the first id of a moment: https://docs.joinmastodon.org/api/guidelines/#id."""
    return int(time.timestamp() * 1000) << 16
