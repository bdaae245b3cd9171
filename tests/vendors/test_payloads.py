"""What vendors really sent, read by their connectors: nothing lost, nothing set aside.

Each file of the folder is read here, or by another check, or has a reason in `UNREAD`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from connectors.twins.github import Twin as GitHub
from connectors.twins.rss import Twin as Rss
from connectors.twins.slack import Twin as Slack
from hub import registry
from hub.connector import Pushed
from hub.http import Clients
from hub.testing.recorded import Recording
from tests.connectors.polling import poller
from tests.described import DESCRIPTIONS
from tests.servers import serve
from tests.vendors.folder import CONTRACTS, files
from tests.vendors.test_examples import EXAMPLES
from tests.vendors.vectors import ANY_TIME, FILE, URL

pytestmark = pytest.mark.vendors

Json = Any
FEEDS = [
    f"rss/fixtures/huginn/{name}"
    for name in (
        "cdata_rss.atom",
        "github_rss.atom",
        "iso-8859-1.rss",
        "onethingwell.rss",
        "podcast.rss",
        "youtube.xml",
    )
]
ISSUES = "github/fixtures/octokit/paginate-issues.raw.json"
FOUND = "github/fixtures/octokit/search-issues.raw.json"
HOOKS = {
    "github/fixtures/webhooks/issue_comment/created.payload.json": "issue_comment",
    "github/fixtures/webhooks/issues/assigned.payload.json": "issues",
}
EVENTS = [
    f"slack/fixtures/java-sdk/{name}Payload.json"
    for name in (
        "AppMention",
        "AppRateLimited",
        "MessageChanged",
        "MessageDeleted",
        "Message",
        "ReactionAdded",
    )
]
_NO_ANSWER = "a description of what may be asked, with no answers that a connector reads"
_NO_EVENT = "the shapes of events, of which none is shown"
UNREAD: Mapping[str, str] = {
    "github/fixtures/octokit/errors.raw.json": "writes alone: repositories and labels are made",
    "hubspot/spec/contacts.v3.json": "of contacts, which no signal is made of",
    "hubspot/spec/tickets.v3.json": "of tickets, which the connector does not read",
    "hubspot/spec/webhooks.v3.json": "how subscriptions are managed; the hub manages none",
    "mattermost/spec/source/channels.yaml": _NO_ANSWER,
    "mattermost/spec/source/definitions.yaml": _NO_ANSWER,
    "mattermost/spec/source/posts.yaml": _NO_ANSWER,
    "pipedrive/spec/webhooks-v2.asyncapi.yml": _NO_EVENT,
    "slack/fixtures/java-sdk/users.list.json": "a template: it says ok: false, and no words",
    "slack/spec/slack_events_api_async_v1.json": _NO_EVENT,
    "statuspage/spec/statuspage-io.openapi.json": "rebuilt by others: none of its answers is real",
    "tools/mini_contract.py": "a program",
    "tools/subset.py": "a program",
    "wordpress/spec/default-routes.json": _NO_ANSWER,
    "wordpress/spec/posts-collection-route-definition.json": _NO_ANSWER,
    "zendesk/spec/incremental.openapi.yml": "the export shown is that of tickets.openapi.yml",
    "zendesk/spec/search.openapi.yml": "of searches, which the connector does not ask",
    **{
        f"mastodon/fixtures/mastodonpy/test_{name}.yaml": why
        for name, why in {
            "fetch_next_previous": "an account's own posts and their making, which are not read",
            "notifications": "of all types at once, where the connector asks for mentions",
            "notifications_mentions_only": "certification replays it: twins/recorded/mastodon.json",
            "notifications_types": "certification replays it: twins/recorded/mastodon.json",
            "search": "searches, which the connector does not ask",
            "status_edit": "one post, its edit and its history, which are not read",
            "status_reply": "a person's own post and reply, which are not read",
        }.items()
    },
}


def content(name: str) -> Json:
    return json.loads((CONTRACTS / name).read_bytes())


def test_every_file_is_read_or_has_its_reason() -> None:
    described = {
        file for each in DESCRIPTIONS.values() for description in each for file in description.files
    }
    shown = {file for one in EXAMPLES.values() for file, _, _ in one.asked}
    used = {FILE, ISSUES, FOUND, *FEEDS, *HOOKS, *EVENTS, *described, *shown}
    assert not used & UNREAD.keys()
    assert used | UNREAD.keys() == files()


@pytest.mark.parametrize("name", FEEDS)
async def test_every_item_of_a_real_feed_becomes_a_signal(name: str) -> None:
    raw = (CONTRACTS / name).read_bytes()
    count = len(re.findall(rb"<(?:item|entry)[\s>]", raw))

    async def app(scope: Json, receive: Json, send: Json) -> None:
        # The bytes as they came: a recording holds text alone.
        del scope, receive
        head = [(b"content-type", b"application/xml")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": raw})

    async with serve(app) as url, Clients() as clients:
        source = poller(Rss(), url, clients)
        await source.poll()
    assert not source.bad
    assert count
    assert len(source.current) == count
    assert all(one.title for one in source.current.values())


@pytest.mark.parametrize("name", [ISSUES, FOUND])
async def test_every_issue_that_github_really_listed_becomes_a_signal(name: str) -> None:
    path = next(one["path"] for one in content(name) if one["path"].endswith("/issues"))
    pages = [
        one["response"] if isinstance(one["response"], list) else one["response"]["items"]
        for one in content(name)
        if one["method"] == "get"
    ]
    count = len({issue["number"] for page in pages for issue in page})
    more = {"link": '<https://api.github.com/x?page=2>; rel="next"'}
    exchanges = [
        {"path": path, "body": page, "headers": more if number < len(pages) else {}}
        for number, page in enumerate(pages, 1)
    ]
    recording = Recording.model_validate(
        {"source": name, "licence": "MIT", "signals": count, "exchanges": exchanges}
    )
    repository = "/".join(path.split("/")[2:4])
    async with serve(recording.app("")) as url, Clients() as clients:
        source = poller(GitHub(), url, clients, repositories=[repository], parts=["issues"])
        await source.poll()
    assert not source.bad
    assert len(source.current) == count > 1


@pytest.mark.parametrize("name", HOOKS)
def test_what_github_really_pushed_becomes_a_signal(name: str) -> None:
    said = content(name)
    given = GitHub().settings("http://127.0.0.1:9")
    given["repositories"] = [said["repository"]["full_name"]]
    source = registry.find("github").model_validate(given)
    [draft] = source.read(_pushed(name, {"x-github-event": HOOKS[name]}))
    assert draft.title
    assert draft.kind in source.kinds


@pytest.mark.parametrize("name", EVENTS)
def test_events_in_slacks_shapes_are_taken_and_read(name: str) -> None:
    """Templates, without words: each is an event for the hub, and none stumbles over it."""
    given = Slack().settings("http://127.0.0.1:9")
    source = registry.find("slack").model_validate(given)
    # Each asks for a poll, but of reactions; of a channel without a name nothing is read at once.
    assert list(source.read(_pushed(name, {}))) == []


def _pushed(name: str, headers: Mapping[str, str]) -> Pushed:
    return Pushed("POST", URL, headers, (CONTRACTS / name).read_bytes(), ANY_TIME)
