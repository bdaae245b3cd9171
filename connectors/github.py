"""GitHub: issues, their comments, releases and discussions of some repositories.

An issue, comment or discussion that is deleted only vanishes from its list: nothing but a webhook
tells of it. A release is missed in its list.
https://docs.github.com/en/rest/issues/issues#list-repository-issues
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import AwareDatetime, Field

from hub.connector import (
    Accepted,
    Answer,
    Api,
    Batch,
    Bearer,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Hmac,
    Http,
    Json,
    ModifiedSince,
    NewestFirst,
    Page,
    PersonRef,
    Pushed,
    RateLimited,
    Reply,
    SecretStr,
    Seen,
    Snapshot,
    SourceError,
    SourceMisbehaved,
    Status,
    streams,
    utc,
)

Record: TypeAlias = dict[str, Any]
Part: TypeAlias = Literal["issues", "comments", "releases", "discussions"]
Read: TypeAlias = Callable[[Record], Draft | None]

_OPENED, _UPDATED, _SOLVED = (f"support.ticket.{name}" for name in ("opened", "updated", "solved"))
# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
_SIGNED = Hmac("X-Hub-Signature-256", prefix="sha256=")
_ADDRESS = re.compile(r"//[^/]+/([^/]+/[^/]+)/(?:issues|pull|discussions|releases/tag)/([^#?]+)")
_PAGE = 100
# https://docs.github.com/en/graphql/guides/using-the-graphql-api-for-discussions
_DISCUSSIONS = """
query($owner: String!, $name: String!, $first: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    discussions(first: $first, after: $after, orderBy: {field: UPDATED_AT, direction: DESC}) {
      nodes {
        id: databaseId number title body html_url: url created_at: createdAt
        updated_at: updatedAt closed user: author { login } category { name } answer { url }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


class GitHub(Connector):
    """Issues, comments, releases and discussions of repositories on GitHub; no pull requests.

    One signal per issue (`issue/<id>`), opened until somebody comments, solved when it is closed;
    per comment (`comment/<id>`), release (`release/<id>`) and discussion (`discussion/<id>`).

    Attributes: repository, number; of an issue state_reason and author_association, of a release
    tag and prerelease, of a discussion category.
    """

    kinds: ClassVar[frozenset[str]] = frozenset(
        {_OPENED, _UPDATED, _SOLVED, "content.comment", "product.release", "customer.feedback"}
    )
    sign_in: ClassVar[str] = "A fine-grained personal access token of the repositories."
    scopes: ClassVar[tuple[str, ...]] = ("Issues: read", "Contents: read", "Discussions: read")
    limits: ClassVar[str] = "5,000 requests an hour; what brings nothing new counts none."

    token: SecretStr
    repositories: Annotated[tuple[str, ...], Field(min_length=1)]
    """`owner/name` of each."""
    parts: frozenset[Part] = frozenset(get_args(Part))
    """What to read of each."""
    url: str = "https://api.github.com"
    """Of an Enterprise Server: https://<host>/api/v3"""
    since: AwareDatetime | None = None
    """Where the first sync begins; None reads everything there is."""
    signing_secret: SecretStr | None = None
    """The secret of the webhook (events: issues, issue comments, releases, discussions)."""
    per_minute: Annotated[int, Field(gt=0)] = 80

    def endpoint(self) -> Endpoint:
        # https://docs.github.com/en/rest/about-the-rest-api/api-versions
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        return Http(self.url, Bearer(self.token), self.per_minute, headers, says_no=_refusal)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        every = {
            f"{repository}/{part}": partial(pull, api, f"repos/{repository}")
            for repository in self.repositories
            for part, pull in self._pulls().items()
            if part in self.parts
        }
        async for page in streams(cursor, every):
            yield page

    def _pulls(self) -> Mapping[str, Callable[[Api, str, Cursor], AsyncIterator[Page]]]:
        return {
            "issues": partial(self._changed, "issues", _issue, {"state": "all"}),
            "comments": partial(self._changed, "issues/comments", _comment, {}),
            "releases": self._releases,
            "discussions": self._discussions,
        }

    async def _changed(
        self, what: str, read: Read, params: Record, api: Api, path: str, cursor: Cursor
    ) -> AsyncIterator[Page]:
        etags = [cursor.get("etag")]

        async def ask(since: datetime | None, place: Json) -> Batch:
            asked = {"sort": "updated", "direction": "asc", "since": since, "page": place}
            known = etags[0] if len(etags) == 1 else None
            answer = await _fetch(api, f"{path}/{what}", params | asked, known)
            found = () if answer.not_modified else answer.json()
            # What joins a full page stands on the next one, and leaves this one as it was.
            etags.append((answer.headers.get("etag") or known) if len(found) < _PAGE else None)
            return Batch(found, _next(answer, place))

        # A change while pages are turned moves an issue to the end, and those after it one up.
        family = ModifiedSince(moving=True)
        async for page in family.pages(cursor, ask, _updated, read=read, since=self.since):
            # Where one answer held all and nothing new, the next question is the same as this one.
            same = len(etags) == 2 and page.cursor == {"since": cursor.get("since")}
            at = {**page.cursor, "etag": etags[-1]} if same and etags[-1] else page.cursor
            yield Page(page.drafts, at, page.bad, page.more)

    async def _releases(self, api: Api, path: str, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(known: Mapping[str, Json]) -> Seen | None:
            found: list[Record] = []
            place, etag, now = 1, known.get("etag"), None
            while place:
                answer = await _fetch(api, f"{path}/releases", {"page": place}, etag)
                if answer.not_modified:
                    return None
                found += [release for release in answer.json() if not release.get("draft")]
                etag, now = None, now or answer.headers.get("etag")
                place = _next(answer, place) or 0
            return Seen(found, {"etag": now})

        async for page in Snapshot().pages(
            cursor,
            ask,
            key=lambda release: str(release["id"]),
            version=lambda release: _release(release).revision,
            keep=lambda release: release | {"body": None},
            gone=lambda _, kept: kept | {"gone": True},
            read=lambda release, _: _release(release),
        ):
            yield page

    async def _discussions(self, api: Api, path: str, cursor: Cursor) -> AsyncIterator[Page]:
        _, owner, name = path.split("/")
        graphql = f"{self.url.rstrip('/').removesuffix('/v3')}/graphql"  # beside /api/v3

        async def ask(_: datetime | None, __: datetime | None, place: Json) -> Batch:
            asked = {"owner": owner, "name": name, "first": _PAGE, "after": place}
            body = await api.post(graphql, {"query": _DISCUSSIONS, "variables": asked})
            found = body["data"]["repository"]["discussions"]
            info = found["pageInfo"]
            return Batch(found["nodes"], info["endCursor"] if info["hasNextPage"] else None)

        walk = NewestFirst().pages(cursor, ask, _updated, read=_discussion, since=self.since)
        async for page in walk:
            yield page

    def verify(self, request: Pushed) -> Accepted | Reply:
        _SIGNED.check(request, self.signing_secret)
        is_ping = request.headers.get("x-github-event") == "ping"
        return Reply() if is_ping else Accepted(request.headers.get("x-github-delivery"))

    def read(self, event: Pushed) -> Sequence[Draft]:
        name, read = _PUSHED.get(event.headers["x-github-event"], ("", None))
        told, wanted = event.json(), {one.lower() for one in self.repositories}
        if read is None or told["repository"]["full_name"].lower() not in wanted:
            return []  # another event, or a webhook of the whole organization
        if name == "release" and told[name].get("draft"):
            return []
        gone = {"gone": True} if told["action"] in {"deleted", "transferred"} else {}
        return [draft] if (draft := read(told[name] | gone)) else []


def _issue(issue: Record) -> Draft | None:
    if issue.get("pull_request"):
        return None
    is_open = issue["state"] == "open"
    is_new = is_open and not issue.get("comments")
    return _draft(
        issue,
        f"issue/{issue['id']}",
        {name: issue.get(name) for name in ("state_reason", "author_association")},
        kind=_OPENED if is_new else _UPDATED if is_open else _SOLVED,
        occurred_at=utc(issue["created_at" if is_new else "updated_at"]),
        title=issue["title"],
        status=Status.OPEN if is_open else Status.RESOLVED,
        owner=_person(issue.get("assignee")),
    )


def _comment(comment: Record) -> Draft | None:
    if "/pull/" in comment["html_url"]:
        return None
    return _draft(comment, f"comment/{comment['id']}", {}, kind="content.comment")


def _release(release: Record) -> Draft:
    return _draft(
        release | {"user": release.get("author")},
        f"release/{release['id']}",
        {"tag": release["tag_name"], "prerelease": release.get("prerelease")},
        kind="product.release",
        occurred_at=utc(release.get("published_at") or release["created_at"]),
        title=release.get("name") or release["tag_name"],
    )


def _discussion(discussion: Record) -> Draft:
    is_closed = discussion.get("closed") or discussion.get("state") == "closed"
    is_done = is_closed or discussion.get("answer") or discussion.get("answer_html_url")
    return _draft(
        discussion | {"labels": ()},  # which only a webhook tells
        f"discussion/{discussion['id']}",
        {"category": (discussion.get("category") or {}).get("name")},
        kind="customer.feedback",
        title=discussion["title"],
        status=Status.RESOLVED if is_done else Status.OPEN,
    )


_PUSHED: Mapping[str, tuple[str, Read]] = {
    "issues": ("issue", _issue),
    "issue_comment": ("comment", _comment),
    "release": ("release", _release),
    "discussion": ("discussion", _discussion),
}


def _draft(record: Record, name: str, facts: Record, **about: Any) -> Draft:
    repository, place = _ADDRESS.findall(record["html_url"])[0]
    thread, labels = f"{repository}#{place}", record.get("labels") or ()
    facts |= {"repository": repository, "number": record.get("number")}
    given: Record = {
        "external_id": name,
        "revision": "of its time",
        "revised_at": _updated(record),
        "occurred_at": utc(record["created_at"]),
        "title": f"Comment on {thread}",
        "body": record.get("body") or None,
        "url": record["html_url"],
        "author": _person(record.get("user")),
        "labels": (repository, *(label["name"] for label in labels)),
        "attributes": {fact: value for fact, value in facts.items() if value is not None},
        "thread": thread,
    }
    draft = Draft(**given | about)
    return draft.deleted(f"{thread} was deleted") if "gone" in record else draft.by_content()


def _updated(record: Record) -> datetime:
    return utc(record.get("updated_at") or record.get("published_at") or record["created_at"])


def _person(user: Record | None) -> PersonRef | None:
    login = (user or {}).get("login")
    return PersonRef(name=login, handle=login) if login else None


async def _fetch(api: Api, path: str, params: Mapping[str, Any], etag: Any) -> Answer:
    # https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
    headers = {"If-None-Match": str(etag)} if etag else {}
    return await api.fetch(path, params={**params, "per_page": _PAGE}, headers=headers)


def _next(answer: Answer, place: Any) -> int | None:
    return int(place or 1) + 1 if 'rel="next"' in answer.headers.get("link", "") else None


def _refusal(body: Any) -> SourceError | None:  # of GraphQL's, which comes with status 200
    if not isinstance(body, dict) or not (errors := body.get("errors")):
        return None
    refusal = RateLimited if errors[0].get("type") == "RATE_LIMITED" else SourceMisbehaved
    return refusal(f"GitHub says {errors[0].get('message')}")
