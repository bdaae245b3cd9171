"""Mattermost: what is said in channels and their threads, edited and deleted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AwareDatetime, Field, StringConstraints

from hub.connector import (
    Accepted,
    Api,
    Batch,
    Bearer,
    BodyToken,
    Classification,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Json,
    ModifiedSince,
    Page,
    PersonRef,
    Pushed,
    SecretStr,
    Status,
    Verdict,
    streams,
)

_MESSAGE, _DECISION = "chat.message", "chat.decision"
_MOST, _PAGE = 1000, 200
_SECONDS = 10**11  # no time in seconds is so great, no time in milliseconds so small
_SIGNED = BodyToken("token")
Record: TypeAlias = Mapping[str, Any]
Channel: TypeAlias = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]{26}|[^/\s]+/[^/\s]+)$")]


class Mattermost(Connector):
    """Posts and replies of Mattermost channels, as the token's account sees them.

    One signal per post, named by its id. An edit is a revision, a deletion withdraws it, however
    old it is; where more than 1,000 posts changed between two polls the channel is read whole, and
    a deletion among them can be missed. Public channels are internal, all others restricted.
    An outgoing webhook brings the posts of public channels at once; it does not say which thread
    a post belongs to.

    Attributes: channel (its name), channel_id, files (how many), pinned.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_MESSAGE, _DECISION})
    every: ClassVar[timedelta] = timedelta(seconds=30)
    sign_in: ClassVar[str] = "the access token of a bot account or of a user"
    scopes: ClassVar[tuple[str, ...]] = ("a member of each channel: read_channel",)
    limits: ClassVar[str] = "ten requests a second, where a server limits them"

    url: str
    """The server: https://chat.example.com"""
    token: SecretStr
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, examples=[["team/channel"]])]
    """By id, or as in its address: `team/town-square`."""
    since: AwareDatetime | None = None
    """Read nothing that was posted earlier; else all that there is."""
    decision_markers: tuple[str, ...] = ("decision:", ":decision:", "#decision")
    """A post that starts with one of these is a decision."""
    bots: bool = False
    """Whether to read what bots and webhooks write, too."""
    signing_secret: SecretStr | None = None
    """The token of the outgoing webhook that pushes here."""
    per_minute: Annotated[int, Field(gt=0)] = 300

    def endpoint(self) -> Endpoint:
        return Http(f"{self.url.rstrip('/')}/api/v4", Bearer(self.token), self.per_minute)

    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        return streams(cursor, {name: partial(self._posts, api, name) for name in self.channels})

    async def _posts(self, api: Api, name: str, cursor: Cursor) -> AsyncIterator[Page]:
        team, _, channel = name.rpartition("/")
        path = f"/teams/name/{team}/channels/name/{channel}" if team else f"/channels/{channel}"
        about = await api.get(path)
        people: dict[str, Record] = {}

        async def ask(since: datetime | None, place: Json) -> Batch:
            walk = place if isinstance(place, dict) else None
            # https://api.mattermost.com/#tag/posts/operation/GetPostsForChannel
            if since is not None and walk is None:
                asked: dict[str, Any] = {"since": int(since.timestamp() * 1000) - 1}
            else:
                asked = {"per_page": _PAGE, "before": walk and walk["before"]}
            found = await api.get(f"/channels/{about['id']}/posts", **asked)
            posts = [found["posts"][one] for one in found["order"]]
            following: Json = None
            if "since" in asked:
                # Which thousand of more came is not said: then the channel is walked down.
                following = {"before": None} if len(posts) >= _MOST else None
            elif posts and not self._is_old(posts[-1]) and found.get("prev_post_id") != "":
                following = {"before": found["order"][-1]}
            people.update(await _people(api, posts, people))
            return Batch(posts, following)

        family = ModifiedSince(overlap=timedelta(minutes=1))
        read = partial(self._draft, about, people)
        async for page in family.pages(cursor, ask, _changed, read=read):
            yield page

    def verify(self, request: Pushed) -> Verdict:
        _SIGNED.check(request, self.signing_secret)
        is_form = request.media.endswith("-urlencoded")
        return Accepted((request.form() if is_form else request.json()).get("post_id"))

    def read(self, event: Pushed) -> Sequence[Draft]:
        # https://developers.mattermost.com/integrate/webhooks/outgoing/
        post = event.form() if event.media.endswith("-urlencoded") else event.json()
        channel = post["channel_id"], f"{post.get('team_domain')}/{post.get('channel_name')}"
        if not set(channel) & set(self.channels):
            return []
        written, user = int(post["timestamp"]), post.get("user_name")
        written *= 1 if written > _SECONDS else 1000  # a form has seconds, JSON milliseconds
        if self._is_old({"create_at": written}):
            return []
        draft = self._said(
            {"id": post["post_id"], "message": post["text"], "create_at": written},
            {"id": post["channel_id"], "name": post.get("channel_name"), "type": "O"},
            PersonRef(name=user, handle=user) if user else None,
        )
        return [draft.model_copy(update={"thread": None})]

    def _draft(self, about: Record, people: Mapping[str, Record], post: Record) -> Draft | None:
        props, user = post.get("props") or {}, people.get(post.get("user_id") or "", {})
        is_bot = "true" in {str(props.get(name)) for name in ("from_bot", "from_webhook")}
        if str(post.get("type") or "").startswith("system_") or (is_bot and not self.bots):
            return None
        if post.get("original_id") or self._is_old(post):
            return None  # the former text of a post that was edited, kept as if it were deleted
        names = " ".join(filter(None, map(user.get, ("first_name", "last_name"))))
        name = props.get("override_username") or names or user.get("username")
        author = PersonRef(name=name, handle=user.get("username")) if name else None
        return self._said(post, about, author)

    def _is_old(self, post: Record) -> bool:
        at = post.get("create_at")
        return self.since is not None and isinstance(at, int) and _when(at) < self.since

    def _said(self, post: Record, about: Record, author: PersonRef | None) -> Draft:
        deleted, edited = post.get("delete_at") or 0, post.get("edit_at") or 0
        text = "" if deleted else post["message"].strip()
        start = post.get("message", "").lstrip("*_~ ").casefold()
        decided = start.startswith(tuple(one.casefold() for one in self.decision_markers))
        facts = {
            "channel": about.get("name"),
            "channel_id": about["id"],
            "files": len(post.get("file_ids") or ()),
            "pinned": post.get("is_pinned"),
        }
        place = about.get("display_name") or about.get("name")
        return Draft(
            kind=_DECISION if decided else _MESSAGE,
            external_id=post["id"],
            # Not `update_at`: replies and reactions move it, too.
            revision=f"{deleted}/deleted" if deleted else str(edited),
            revised_at=_when(deleted or edited or post["create_at"]),
            occurred_at=_when(post["create_at"]),
            title="Deleted" if deleted else text.partition("\n")[0][:200] or "A post without text",
            body=text or None,
            url=f"{self.url.rstrip('/')}/_redirect/pl/{post['id']}",
            status=Status.DELETED if deleted else Status.INFORMATION,
            classification=Classification.INTERNAL
            if about.get("type") == "O"
            else Classification.RESTRICTED,
            author=author,
            labels=(place,) if place else (),
            attributes={name: fact for name, fact in facts.items() if fact},
            thread=post.get("root_id") or post["id"],
        )


def _when(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _changed(post: Record) -> datetime:
    return _when(post["update_at"])


async def _people(
    api: Api, posts: Sequence[Record], known: Mapping[str, Record]
) -> Mapping[str, Record]:
    """Look up who wrote, once each; of whom nobody knows anything, nothing."""
    unknown = {str(post["user_id"]) for post in posts if post.get("user_id")} - known.keys()
    users = await api.post("/users/ids", sorted(unknown)) if unknown else ()
    return {one: {} for one in unknown} | {user["id"]: user for user in users}
