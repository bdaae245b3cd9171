"""Bluesky: who names, answers or quotes an account, what is said of a word, what we post."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AwareDatetime, Field

from hub.connector import (
    Api,
    Batch,
    Classification,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Json,
    Login,
    NewestFirst,
    Page,
    PersonRef,
    Recent,
    SecretStr,
    streams,
    utc,
)

_MENTION, _POST, _PAGE = "brand.mention", "content.post", 100
_AT_ONCE = 25
_TID = "234567abcdefghijklmnopqrstuvwxyz"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Record: TypeAlias = Mapping[str, Any]
There: TypeAlias = Callable[[Sequence[str]], Awaitable[set[str]]]
Ask: TypeAlias = Callable[[datetime | None, datetime | None, Json], Awaitable[Batch]]


class Bluesky(Connector):
    """Mentions, replies and quotes of an account, posts that hold certain words, and its own.

    One signal per post, named by its address (`at://...`); its content's hash is the revision. A
    deletion or an edit is noticed for `look_back`. Times that a post's author made up do not
    count: none is later than when Bluesky saw the post.

    Attributes: languages, hashtags, reply_to, quotes (addresses of posts).
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_MENTION, _POST})
    sign_in: ClassVar[str] = "the account's handle and an app password (Settings, Privacy)"
    scopes: ClassVar[tuple[str, ...]] = ("an app password; direct messages are not needed",)
    limits: ClassVar[str] = "3,000 requests in five minutes; a search shows what its index holds"

    url: str = "https://bsky.social"
    """The account's own server (PDS)."""
    handle: str
    """acme.bsky.social"""
    password: SecretStr
    """An app password."""
    mentions: bool = True
    """Whether to read who names, answers or quotes the account."""
    searches: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    """What to search for, in Bluesky's own syntax: `"Acme Robotics" lang:en`."""
    posts: bool = False
    """Whether to read what the account posts itself."""
    since: AwareDatetime | None = None
    """Read nothing older; else all that is shown."""
    look_back: timedelta = timedelta(hours=6)
    """How old a post may be that is looked at again at every poll."""
    per_minute: Annotated[int, Field(gt=0)] = 300

    def endpoint(self) -> Endpoint:
        # https://docs.bsky.app/docs/api/com-atproto-server-create-session
        auth = Login(
            "com.atproto.server.createSession",
            {"identifier": self.handle, "password": self.password},
            renew="com.atproto.server.refreshSession",
            access="accessJwt",
            refresh="refreshJwt",
        )
        return Http(f"{self.url.rstrip('/')}/xrpc", auth, self.per_minute)

    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        lists: dict[str, tuple[Ask, Callable[[Any], datetime], There | None]] = {}
        there = partial(_there, api)
        if self.mentions:
            lists["mentions"] = partial(self._named, api), _indexed, there
        for words in dict.fromkeys(self.searches):
            lists[f"search {words}"] = partial(self._found, api, words), _sorted, there
        if self.posts:
            lists["posts"] = partial(self._own, api), _numbered, None
        return streams(cursor, {name: partial(self._list, *one) for name, one in lists.items()})

    def _list(
        self, ask: Ask, at: Callable[[Any], datetime], there: There | None, cursor: Cursor
    ) -> AsyncIterator[Page]:
        # The cursor of a search need not lead to its end, so a full page is asked from by time.
        family = NewestFirst(self.look_back, cap=_PAGE if at is _sorted else None)
        return Recent(self.look_back).pages(
            cursor,
            ask,
            lambda place, ask, read: family.pages(place, ask, at, read=read, since=self.since),
            name=lambda record: str(record["uri"]),
            at=at,
            read=self._draft,
            there=there,
        )

    async def _named(self, api: Api, *where: Any) -> Batch:
        # https://docs.bsky.app/docs/api/app-bsky-notification-list-notifications
        reasons = ("mention", "reply", "quote")
        body = await api.get(
            "app.bsky.notification.listNotifications",
            reasons=reasons,
            limit=_PAGE,
            cursor=where[2],
        )
        return Batch(body["notifications"], body.get("cursor"))

    async def _found(
        self, api: Api, words: str, since: datetime | None, until: datetime | None, place: Json
    ) -> Batch:
        # https://docs.bsky.app/docs/api/app-bsky-feed-search-posts: `until` is exclusive
        asked = {"since": since, "until": until and until + timedelta(milliseconds=1)}
        path, limit = "app.bsky.feed.searchPosts", {"sort": "latest", "limit": _PAGE}
        body = await api.get(path, q=words, **limit, **asked, cursor=place)
        return Batch(body["posts"], body.get("cursor"))

    async def _own(self, api: Api, *where: Any) -> Batch:
        # https://docs.bsky.app/docs/api/com-atproto-repo-list-records
        what = {"repo": self.handle, "collection": "app.bsky.feed.post"}
        path = "com.atproto.repo.listRecords"
        body = await api.get(path, **what, limit=_PAGE, cursor=where[2])
        return Batch(body["records"], body.get("cursor"))

    def _draft(self, record: Record) -> Draft | None:
        is_own = "value" in record
        post, author = (record["value"], {}) if is_own else (record["record"], record["author"])
        handle = self.handle if is_own else author["handle"]
        if not is_own and handle == self.handle:
            return None  # our own words under a search are no mention
        seen = _numbered(record) if is_own else _indexed(record)
        written = min(utc(post["createdAt"]), seen)
        if self.since and written < self.since:
            return None
        reply, embed = post.get("reply") or {}, post.get("embed") or {}
        features = (one for facet in post.get("facets") or () for one in facet["features"])
        tags = [*(one["tag"] for one in features if "tag" in one), *(post.get("tags") or ())]
        facts = {
            "language": next(iter(post.get("langs") or ()), None),
            "hashtags": tags,
            "reply_to": (reply.get("parent") or {}).get("uri"),
            "quotes": (embed.get("record") or {}).get("uri"),
        }
        text = post["text"].strip()
        return Draft(
            kind=_POST if is_own else _MENTION,
            external_id=record["uri"],
            revision=record["cid"],
            revised_at=seen,
            occurred_at=written,
            title=text.partition("\n")[0] or f"A post by {handle}",
            body=text or None,
            url=f"https://bsky.app/profile/{handle}/post/{record['uri'].rpartition('/')[2]}",
            classification=Classification.PUBLIC,
            author=PersonRef(name=author.get("displayName") or handle, handle=handle),
            labels=tuple(tags),
            attributes={name: fact for name, fact in facts.items() if fact},
            thread=(reply.get("root") or {}).get("uri") or record["uri"],
        )


async def _there(api: Api, posts: Sequence[str]) -> set[str]:
    """Tell which posts still exist, for a search may lose some for a while."""
    found: set[str] = set()
    for start in range(0, len(posts), _AT_ONCE):
        # https://docs.bsky.app/docs/api/app-bsky-feed-get-posts
        uris = posts[start : start + _AT_ONCE]
        body = await api.get("app.bsky.feed.getPosts", uris=uris)
        found |= {post["uri"] for post in body["posts"]}
    return found


def _indexed(record: Record) -> datetime:
    return utc(record["indexedAt"])


def _sorted(record: Record) -> datetime:
    """Tell by what a search is sorted: what an author claims, unless it is yet to come."""
    return min(utc(record["record"]["createdAt"]), _indexed(record))


def _numbered(record: Record) -> datetime:
    """Read the time in a record's name, a TID: https://atproto.com/specs/tid."""
    number = 0
    for letter in record["uri"].rpartition("/")[2][:13]:
        number = number * 32 + _TID.index(letter)
    return _EPOCH + timedelta(microseconds=number >> 10)
