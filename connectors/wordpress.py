"""WordPress: what a blog publishes and changes, and what readers say about it."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias
from zlib import crc32

from pydantic import AwareDatetime, Field, model_validator

from hub.connector import (
    Api,
    Basic,
    Batch,
    Classification,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Json,
    ModifiedSince,
    NewestFirst,
    Page,
    PersonRef,
    Recent,
    SecretStr,
    SourceMisbehaved,
    Status,
    line,
    now,
    plain,
    streams,
    utc,
)

_COMMENT, _PAGE, _SECOND = "content.comment", 100, timedelta(seconds=1)
# A site compares its local times, and an hour of them comes twice when summer time ends.
_OVERLAP = timedelta(hours=1, minutes=2)
Record: TypeAlias = Mapping[str, Any]


class WordPress(Connector):
    """Posts and approved comments of a WordPress site, through its REST API (5.7 or newer).

    One signal per post (`post/<id>`) and per comment (`comment/<id>`), which share a thread. An
    edited post is a revision whenever it is edited; an edited comment, a late approval, and what
    is no longer there, are noticed for `look_back`. With a user the trash is read, too, so that
    a post is withdrawn however old it is. Private and protected posts are restricted.

    Attributes of a post: categories, tags, format; of a comment: post (its title), parent, type.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {"content.post", "community.event", "product.release", "team.post", _COMMENT}
    )
    every: ClassVar[timedelta] = timedelta(minutes=5)
    sign_in: ClassVar[str] = "none, or a user and an application password (Users, Profile)"
    scopes: ClassVar[tuple[str, ...]] = ("the role Editor, to see the trash and private posts",)
    limits: ClassVar[str] = "none of WordPress's own; a host may have some"

    url: str
    """The site: https://blog.example.com"""
    user: str | None = None
    password: SecretStr | None = None
    """An application password of `user`."""
    kind: Literal["content.post", "community.event", "product.release", "team.post"] = (
        "content.post"
    )
    """What a post is."""
    internal: bool = False
    """Whether the site is for colleagues only: its posts are then internal, not public."""
    private: bool = False
    """Whether to read private posts: for those who may see this source's restricted signals."""
    comments: bool = True
    since: AwareDatetime | None = None
    """Read nothing that is older; else all that there is."""
    look_back: timedelta = timedelta(days=7)
    per_minute: Annotated[int, Field(gt=0)] = 60

    @model_validator(mode="after")
    def _signs_in_whole(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if self.private and self.user is None:
            raise ValueError("private posts are shown to a user only")
        return self

    def endpoint(self) -> Endpoint:
        # https://developer.wordpress.org/rest-api/using-the-rest-api/authentication/
        auth = Basic(self.user, self.password) if self.user and self.password else None
        return Http(f"{self.url.rstrip('/')}/wp-json/wp/v2", auth, self.per_minute)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        await self._sign_in(api)
        pulls = {"changed": partial(self._changed, api), "young": partial(self._young, api)}
        if self.comments:
            pulls["comments"] = partial(self._said, api)
        async for page in streams(cursor, pulls):
            yield page

    async def _sign_in(self, api: Api) -> None:
        """Ask who we are: with a wrong password one is nobody, and is shown what everybody is."""
        if self.user:
            await api.get("/users/me")

    def _changed(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, place: Json) -> Batch:
            asked = {"modified_after": _after(since), "orderby": "modified", "order": "asc"}
            return await self._posts(api, place, asked)

        return ModifiedSince(_OVERLAP, moving=True).pages(
            cursor, ask, lambda post: utc(post["modified_gmt"]), read=self._post, since=self.since
        )

    def _young(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, until: datetime | None, place: Json) -> Batch:
            del until  # pages are counted: only an answer with a cap needs an upper bound
            return await self._posts(api, place, {"after": _after(since), "orderby": "date"})

        begin = now() - self.look_back  # what is older the other list brings
        return self._recent(cursor, ask, self._post, max(begin, self.since or begin))

    def _said(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, until: datetime | None, place: Json) -> Batch:
            del until
            asked = {"after": _after(since), "orderby": "date_gmt", "_embed": "up"}
            batch = await self._list(api, "/comments", place, asked)
            under = sorted({comment["post"] for comment in batch.records if self.user})
            # A user's answer holds what is said under private posts, and does not say so.
            asked = {"include": ",".join(map(str, under)), "_fields": "id,content.protected"}
            found = await self._list(api, "/posts", None, asked) if under else Batch(())
            shown = {post["id"] for post in found.records if not post["content"]["protected"]}
            hidden = set(under) - shown
            told = [{**one, "hidden": one["post"] in hidden} for one in batch.records]
            return Batch(told, batch.next)

        return self._recent(cursor, ask, self._comment, self.since)

    def _recent(
        self, cursor: Cursor, ask: Any, read: Any, since: datetime | None
    ) -> AsyncIterator[Page]:
        def at(record: Record) -> datetime:
            return utc(record["date_gmt"])

        return Recent(self.look_back).pages(
            cursor,
            ask,
            lambda place, ask, read: NewestFirst(self.look_back).pages(
                place, ask, at, read=read, since=since
            ),
            name=lambda record: str(record["id"]),
            at=at,
            read=read,
        )

    async def _posts(self, api: Api, place: Json, asked: Record) -> Batch:
        status = "publish,private,trash" if self.private else "publish,trash"
        asked = {**asked, "status": status if self.user else None, "_embed": "author,wp:term"}
        return await self._list(api, "/posts", place, asked)

    async def _list(self, api: Api, path: str, place: Json, asked: Record) -> Batch:
        # https://developer.wordpress.org/rest-api/using-the-rest-api/pagination/
        page = place if isinstance(place, int) else 1
        try:
            answer = await api.fetch(path, params={**asked, "per_page": _PAGE, "page": page})
        except SourceMisbehaved as refusal:
            if refusal.status != 400:
                raise
            await self._sign_in(api)  # to nobody the trash is refused with 400, too
            if page == 1:
                raise
            return Batch(())  # the list has become shorter: this page is past its end
        pages = int(answer.headers.get("x-wp-totalpages", 1))
        return Batch(answer.json(), page + 1 if page < pages else None)

    def _post(self, post: Record) -> Draft | None:
        written, changed = utc(post["date_gmt"]), utc(post["modified_gmt"])
        if self.since and changed < self.since:
            return None
        title, content = line(post["title"]["rendered"]), post["content"]["rendered"]
        terms = [term for group in _embedded(post, "wp:term") for term in group]
        named = {
            name: [line(term["name"]) for term in terms if term["taxonomy"] == taxonomy]
            for name, taxonomy in (("categories", "category"), ("tags", "post_tag"))
        }
        state = [title, content, post["status"], named]
        draft: dict[str, Any] = {
            "kind": self.kind,
            "external_id": f"post/{post['id']}",
            # Two edits may have the same second.
            "revision": f"{post['modified_gmt']}/{crc32(json.dumps(state).encode()):08x}",
            "revised_at": changed,
            "occurred_at": written,
            "thread": f"post/{post['id']}",
        }
        if post["status"] == "trash":
            return Draft(**draft, title="Deleted", status=Status.DELETED)
        hidden = post["status"] != "publish" or post["content"].get("protected")
        author = next((one["name"] for one in _embedded(post, "author") if one.get("name")), None)
        facts = named | {"format": post.get("format")}
        return Draft(
            **draft,
            title=title or f"Post {post['id']}",
            summary=plain((post.get("excerpt") or {}).get("rendered") or ""),
            body=plain(content) or None,
            url=post.get("link"),
            classification=Classification.RESTRICTED if hidden else self._shown(),
            author=PersonRef(name=author) if author else None,
            labels=tuple(named["categories"] + named["tags"]),
            attributes={name: fact for name, fact in facts.items() if fact},
        )

    def _comment(self, comment: Record) -> Draft | None:
        number, text = comment["id"], plain(comment["content"]["rendered"])
        seen, written, author = now(), utc(comment["date_gmt"]), comment.get("author_name")
        if self.since and written < self.since:
            return None  # of a time when the site was in another zone
        post = next((line(one["title"]["rendered"]) for one in _embedded(comment, "up")), None)
        facts = {"post": post, "parent": comment.get("parent"), "type": comment.get("type")}
        return Draft(
            kind=_COMMENT,
            external_id=f"comment/{number}",
            # A comment does not tell when it was edited, nor that it is as it was once before.
            revision=f"{seen:%Y%m%dT%H%M%S.%fZ}/{crc32(json.dumps([text, author]).encode()):08x}",
            goes_on=True,
            revised_at=seen if written > seen - self.look_back else written,
            occurred_at=written,
            title=text.partition("\n")[0][:200] or f"Comment {number}",
            summary=f"On {post}" if post else "",
            body=text or None,
            url=comment.get("link"),
            classification=Classification.RESTRICTED if comment["hidden"] else self._shown(),
            author=PersonRef(name=author) if author else None,
            attributes={name: fact for name, fact in facts.items() if fact},
            thread=f"post/{comment['post']}",
        )

    def _shown(self) -> Classification:
        return Classification.INTERNAL if self.internal else Classification.PUBLIC


def _embedded(record: Record, name: str) -> list[Any]:
    """List what an answer brought along; of what may not be seen it holds an error instead."""
    found = (record.get("_embedded") or {}).get(name) or ()
    return [one for one in found if isinstance(one, list) or "code" not in one]


def _after(since: datetime | None) -> str | None:
    """Ask from a second earlier: the bound is exclusive, and seconds are all that is kept."""
    return (since - _SECOND).strftime("%Y-%m-%dT%H:%M:%SZ") if since else None
