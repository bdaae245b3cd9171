"""GitHub: issues, their comments, releases and discussions of some repositories.

An issue, comment or discussion that is deleted only vanishes from its list: nothing but a webhook
tells of it. A release is missed in its list.
https://docs.github.com/en/rest/issues/issues#list-repository-issues
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import AwareDatetime, Field

from connectors.github.records import (
    COMMENT,
    FEEDBACK,
    OPENED,
    PUSHED,
    RELEASE,
    SOLVED,
    UPDATED,
    Read,
    Record,
    comment,
    discussion,
    issue,
    release,
    updated,
)
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
    Pushed,
    RateLimited,
    Reply,
    SecretStr,
    Seen,
    Snapshot,
    SourceError,
    SourceMisbehaved,
    conditional,
    streams,
)

Part: TypeAlias = Literal["issues", "comments", "releases", "discussions"]

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
_SIGNED = Hmac("X-Hub-Signature-256", prefix="sha256=")
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
        {OPENED, UPDATED, SOLVED, COMMENT, RELEASE, FEEDBACK}
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
            "issues": partial(self._changed, "issues", issue, {"state": "all"}),
            "comments": partial(self._changed, "issues/comments", comment, {}),
            "releases": self._releases,
            "discussions": self._discussions,
        }

    async def _changed(
        self, what: str, read: Read, params: Record, api: Api, path: str, cursor: Cursor
    ) -> AsyncIterator[Page]:
        validators: list[Mapping[str, Json]] = []

        async def ask(since: datetime | None, place: Json) -> Batch:
            asked = {"sort": "updated", "direction": "asc", "since": since, "page": place}
            headers = {} if validators else conditional(cursor)
            answer = await _fetch(api, f"{path}/{what}", params | asked, headers)
            found = () if answer.not_modified else answer.json()
            # What joins a full page stands on the next one, and leaves this one as it was.
            validators.append(answer.validators if len(found) < _PAGE else {})
            return Batch(found, _next(answer, place))

        # A change while pages are turned moves an issue to the end, and those after it one up.
        family = ModifiedSince(moving=True)
        async for page in family.pages(cursor, ask, updated, read=read, since=self.since):
            # Where one answer held all and nothing new, the next question is the same as this one.
            same = len(validators) == 1 and page.cursor == {"since": cursor.get("since")}
            at = {**page.cursor, **validators[0]} if same else page.cursor
            yield Page(page.drafts, at, page.bad, page.more)

    async def _releases(self, api: Api, path: str, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(known: Mapping[str, Json]) -> Seen | None:
            answer = await _fetch(api, f"{path}/releases", {}, conditional(known))
            if answer.not_modified:
                return None
            validators, found, place = answer.validators, answer.json(), _next(answer, 1)
            while place is not None:
                answer = await _fetch(api, f"{path}/releases", {"page": place}, {})
                found += (listed := answer.json())
                place = _next(answer, place) if listed else None
            return Seen([one for one in found if not one.get("draft")], validators)

        async for page in Snapshot().pages(
            cursor,
            ask,
            key=lambda one: str(one["id"]),
            version=lambda one: release(one).revision,
            keep=lambda one: one | {"body": None},
            gone=lambda _, kept: kept | {"gone": True},
            read=lambda one, _: release(one),
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

        walk = NewestFirst().pages(cursor, ask, updated, read=discussion, since=self.since)
        async for page in walk:
            yield page

    def verify(self, request: Pushed) -> Accepted | Reply:
        _SIGNED.check(request, self.signing_secret)
        is_ping = request.headers.get("x-github-event") == "ping"
        return Reply() if is_ping else Accepted(request.headers.get("x-github-delivery"))

    def read(self, event: Pushed) -> Sequence[Draft]:
        name, read = PUSHED.get(event.headers["x-github-event"], ("", None))
        told, wanted = event.json(), {one.lower() for one in self.repositories}
        if read is None or told["repository"]["full_name"].lower() not in wanted:
            return []  # another event, or a webhook of the whole organization
        if name == "release" and told[name].get("draft"):
            return []
        gone = {"gone": True} if told["action"] in {"deleted", "transferred"} else {}
        return [draft] if (draft := read(told[name] | gone)) else []


async def _fetch(
    api: Api, path: str, params: Mapping[str, Any], headers: Mapping[str, str]
) -> Answer:
    return await api.fetch(path, params={**params, "per_page": _PAGE}, headers=headers)


def _next(answer: Answer, place: Any) -> int | None:
    return int(place or 1) + 1 if 'rel="next"' in answer.headers.get("link", "") else None


def _refusal(body: Any) -> SourceError | None:  # of GraphQL's, which comes with status 200
    if not isinstance(body, dict) or not (errors := body.get("errors")):
        return None
    refusal = RateLimited if errors[0].get("type") == "RATE_LIMITED" else SourceMisbehaved
    return refusal(f"GitHub says {errors[0].get('message')}")
