"""GitHub: what changes in a repository becomes signals, polled or pushed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from connectors.github import GitHub
from connectors.twins.github import REPOSITORY, Twin
from hub.connector import (
    Accepted,
    AuthFailed,
    Draft,
    PersonRef,
    Pushed,
    RateLimited,
    Reply,
    SourceMisbehaved,
    Status,
    now,
)
from hub.errors import PushRefused
from tests.connectors.polling import Poller, polling
from tests.servers import serve

NINE = "2026-05-04T09:00:00+00:00"
TEN = "2026-05-04T10:00:00+00:00"


def pushed(twin: Twin, event: str, action: str, **about: Any) -> Pushed:
    call = twin.call(event, action, about)
    return Pushed(call.method, "https://hub.example/push/github", call.headers, call.body, now())


def read(source: Poller, push: Pushed) -> list[Draft]:
    assert isinstance(source.connector.verify(push), Accepted)
    return [*source.connector.read(push)]


async def test_an_issue_is_one_signal_from_its_opening_to_its_end() -> None:
    twin = Twin()
    words = {"title": "The export is empty", "body": "Since this morning."}
    async with polling(twin) as source:
        issue = twin.emit({"number": 7, "labels": [{"name": "bug"}], "at": NINE} | words)
        [opened] = await source.fresh()
        twin.emit({"on": "comment", "number": 7, "body": "Looking", "at": TEN})
        found = {draft.external_id.partition("/")[0]: draft for draft in await source.fresh()}
        updated, comment = found["issue"], found["comment"]
        twin.emit({"number": 7, "state": "closed", "state_reason": "completed"})
        await source.poll()
        solved = source.current[opened.external_id]
    assert opened.external_id == f"issue/{issue['id']}"
    assert [one.kind.rpartition(".")[2] for one in (opened, updated, solved)] == [
        "opened", "updated", "solved"]  # fmt: skip
    assert [one.status for one in (opened, updated, solved)] == [
        Status.OPEN, Status.OPEN, Status.RESOLVED]  # fmt: skip
    assert (opened.title, opened.body) == ("The export is empty", "Since this morning.")
    assert opened.occurred_at == datetime(2026, 5, 4, 9, tzinfo=UTC)
    assert opened.author == PersonRef(name="robin-weber", handle="robin-weber")
    assert opened.labels == (REPOSITORY, "bug")
    assert opened.thread == updated.thread == comment.thread == f"{REPOSITORY}#7"
    assert solved.attributes["reason"] == "completed"
    assert (comment.kind, comment.body) == ("content.comment", "Looking")
    assert comment.title == f"Comment on {REPOSITORY}#7"


async def test_pull_requests_are_not_issues_nor_what_is_said_under_them() -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": NINE})
    twin.issues[1]["pull_request"] = {"url": "https://api.github.example/repos/a/b/pulls/1"}
    comment = twin.emit({"on": "comment", "number": 1, "at": NINE})
    comment["html_url"] = comment["html_url"].replace("/issues/", "/pull/")
    async with polling(twin) as source:
        assert await source.fresh() == []
        assert not source.bad


async def test_a_release_is_told_when_it_is_published_changed_and_withdrawn() -> None:
    twin = Twin()
    async with polling(twin) as source:
        release = twin.emit({"on": "release", "number": 1, "draft": True, "at": NINE})
        assert await source.fresh() == []
        twin.emit({"on": "release", "number": 1, "draft": False, "prerelease": True, "at": NINE})
        [published] = await source.fresh()
        assert await source.fresh() == []
        twin.emit({"on": "release", "number": 1, "body": "And faster", "at": TEN})
        [changed] = await source.fresh()
        twin.emit({"on": "release", "number": 1, "delete": True})
        [gone] = await source.fresh()
        assert await source.fresh() == []
        told = pushed(twin, "release", "deleted", release=release)
        [again] = read(source, told)
    assert (published.kind, published.title) == ("product.release", "Shop 1.1")
    assert published.attributes == {
        "repository": REPOSITORY,
        "version": "v1.1.0",
        "prerelease": True,
    }
    assert published.author == PersonRef(name="octavia", handle="octavia")
    assert (changed.external_id, changed.body) == (published.external_id, "And faster")
    assert (gone.external_id, gone.status) == (published.external_id, Status.DELETED)
    assert "faster" not in gone.model_dump_json()
    assert (again.external_id, again.revision) == (gone.external_id, gone.revision)


async def test_discussions_are_feedback_and_an_answer_settles_them() -> None:
    twin = Twin(page=2)
    for number in range(1, 6):
        twin.emit({"on": "discussion", "number": number, "at": NINE})
    answer = "https://github.example/acme/shop/discussions/1#discussioncomment-1"
    async with polling(twin) as source:
        assert len(await source.fresh()) == 5
        twin.emit({"on": "discussion", "number": 1, "answer_html_url": answer, "at": TEN})
        await source.poll()
        name = f"discussion/{twin.discussions[1]['id']}"
        settled = source.current[name]
        [told] = read(
            source, pushed(twin, "discussion", "answered", discussion=twin.discussions[1])
        )
    assert (settled.kind, settled.status) == ("customer.feedback", Status.RESOLVED)
    assert settled.attributes == {"repository": REPOSITORY, "number": 1, "category": "Ideas"}
    assert told.revision == settled.revision


async def test_what_may_not_be_read_is_told_and_the_rest_is_read() -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": NINE})
    twin.refusal = "FORBIDDEN"
    async with polling(twin) as source:
        with pytest.raises(SourceMisbehaved, match="forbidden by the twin"):
            await source.poll()
        assert len(source.current) == 1
        twin.refusal = "RATE_LIMITED"
        with pytest.raises(RateLimited):
            await source.poll()
    async with polling(twin, parts=["issues", "comments", "releases"]) as source:
        assert len(await source.fresh()) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for number in range(1, 6):
        twin.emit({"number": number, "at": NINE})  # one second: the order among them is nobody's
        twin.emit({"on": "release", "number": number, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.stored) == 10
    async with polling(twin) as source:
        polls = 0
        while len(source.current) < 10:
            await source.poll(stop_after=1)  # the process dies after each page
            polls += 1
            assert polls < 30
        assert not source.bad


async def test_an_issue_that_changes_while_pages_are_turned_pushes_none_over_the_edge() -> None:
    twin = Twin(page=2)
    for number in range(1, 8):
        at = datetime.fromisoformat(NINE) + timedelta(minutes=number)
        twin.emit({"number": number, "at": at.isoformat()})
    async with polling(twin, parts=["issues"]) as source:
        await source.poll(stop_after=1)
        twin.emit({"number": 1, "title": "It moves to the end", "at": TEN})
        await source.poll()
    assert len(source.current) == 7


async def test_two_changes_within_one_second_are_two_revisions() -> None:
    twin = Twin()
    async with polling(twin) as source:
        issue = twin.emit({"number": 1, "at": NINE})
        await source.poll()
        twin.emit({"number": 1, "title": "Renamed at once", "at": NINE})
        [renamed] = await source.fresh()
    assert renamed.title == "Renamed at once"
    assert source.current[f"issue/{issue['id']}"] == renamed


async def test_where_nothing_is_new_nothing_is_sent_again() -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": NINE})
    twin.emit({"on": "release", "number": 2, "at": NINE})
    async with polling(twin, parts=["issues", "releases"]) as source:
        for _ in range(3):
            await source.poll()
        asked = source.cursor
        assert await source.fresh() == []
        assert source.cursor == asked
        assert str(asked).count("etag") == 2
        twin.emit({"number": 1, "title": "Changed", "at": NINE})
        [changed] = await source.fresh()
    assert changed.title == "Changed"


@pytest.mark.parametrize("action", ["opened", "edited", "labeled", "closed"])
async def test_a_webhook_and_the_list_meet_as_one_revision(action: str) -> None:
    twin = Twin()
    issue = twin.emit(
        {"number": 1, "at": NINE, "state": "closed" if action == "closed" else "open"}
    )
    comment = twin.emit({"on": "comment", "number": 1, "at": TEN})
    async with polling(twin) as source:
        await source.poll()
        for push in (
            pushed(twin, "issues", action, issue=issue),
            pushed(twin, "issue_comment", "created", issue=issue, comment=comment),
        ):
            [told] = read(source, push)
            assert source.stored[told.external_id, told.revision] == told


@pytest.mark.parametrize("action", ["deleted", "transferred"])
async def test_only_a_webhook_tells_that_an_issue_is_gone(action: str) -> None:
    twin = Twin()
    issue = twin.emit({"number": 1, "title": "My salary", "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        twin.delete(1, now())
        assert await source.fresh() == []
        [gone] = read(source, pushed(twin, "issues", action, issue=issue))
    assert (gone.external_id, gone.status) == (f"issue/{issue['id']}", Status.DELETED)
    assert "salary" not in gone.model_dump_json()


async def test_of_a_webhook_only_what_was_asked_for_is_read() -> None:
    twin = Twin()
    issue = twin.emit({"number": 1})
    connector = GitHub(token="t", repositories=["ACME/Shop"], signing_secret=twin.signing_secret)
    other = GitHub(token="t", repositories=["acme/other"], signing_secret=twin.signing_secret)
    push = pushed(twin, "issues", "opened", issue=issue)
    draft = twin.emit({"on": "release", "number": 2, "draft": True})
    assert len(connector.read(push)) == 1
    assert other.read(push) == []
    assert connector.read(pushed(twin, "release", "created", release=draft)) == []
    assert connector.read(pushed(twin, "star", "created")) == []
    assert connector.verify(pushed(twin, "ping", "")) == Reply()
    assert connector.verify(push) == Accepted(push.headers["x-github-delivery"])
    with pytest.raises(PushRefused):
        GitHub(token="t", repositories=["a/b"], signing_secret="another").verify(push)


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    twin = Twin()
    issue = twin.emit({"number": 1, "at": NINE})
    nothing = ("user", "labels", "body", "assignee", "milestone", "author_association")
    issue |= dict.fromkeys(nothing) | {"x_new": [None], "comments": None}
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.author, draft.body, draft.labels) == (None, None, (REPOSITORY,))


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin()
    for number in range(1, 6):
        twin.emit({"number": number, "at": NINE})
    twin.issues[2]["title"] = None
    twin.issues[3]["html_url"] = "https://elsewhere.example"
    twin.issues[5]["id"] = None
    async with polling(twin) as source:
        await source.poll()
    assert source.current.keys() == {f"issue/{twin.issues[number]['id']}" for number in (1, 4)}
    assert {bad.external_id for bad in source.bad} == {
        str(twin.issues[2]["id"]), str(twin.issues[3]["id"]), None}  # fmt: skip


async def test_a_wrong_token_stops_the_source_and_is_not_repeated() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed, match="Bad credentials") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


@pytest.mark.parametrize(
    "query", ["issues?per_page=101", "issues?since=today", "issues?q=bug", "releases?since=x"]
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    twin = Twin()
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        path = f"{url}/repos/{REPOSITORY}/{query}"
        headers = {"Authorization": f"Bearer {twin.token}"}
        assert (await client.get(path, headers=headers)).status_code == 400
        assert (await client.get(path)).status_code == 401
