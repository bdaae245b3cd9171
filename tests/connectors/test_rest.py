"""Lists of every shape are read by configuration alone, page by page, each change once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from connectors.rest import Rest
from connectors.twins.rest import Twin
from connectors.twins.tracker import CURSORS, PAGES
from hub.connector import (
    AccountRef,
    AuthFailed,
    PersonRef,
    Severity,
    SourceError,
    SourceMisbehaved,
    Status,
)
from hub.http import Clients
from tests.connectors.answering import Server
from tests.connectors.polling import Poller, polling
from tests.servers import serve

# Ids and tokens are a way to page already; links in headers are followed after a GET only.
SHAPES = [
    (family, paging, post)
    for family in CURSORS
    for paging in PAGES
    for post in (False, True)
    if family not in {"id_watermark", "opaque_token"} or paging == "none"
    if paging != "link" or not post
]
LEAST = {"id": "$.id", "kind": "team.post", "title": "{id}"}


@pytest.mark.parametrize(("family", "paging", "post"), SHAPES)
async def test_every_shape_brings_each_change_once_and_resumes_anywhere(
    family: str, paging: str, post: bool
) -> None:
    twin = Twin(family, paging, post=post)
    twin.page = 2
    before = twin.now() - timedelta(hours=1)
    for number in range(1, 6):
        twin.create(number, before)  # in one second
    async with polling(twin, since=before - timedelta(days=1)) as source:
        for _ in range(12):
            await source.poll(stop_after=1)  # the process dies after each page
        assert sorted(source.current) == [f"issue/{number}" for number in range(1, 6)]
        await source.poll()
        twin.emit({"id": 3, "title": "Edited"})
        twin.create(6, twin.now())
        await source.poll()
        assert source.current["issue/3"].title == "Edited"
        assert len(source.current) == 6
        assert len(source.stored) == 7, "each version once"
        twin.delete(2, twin.now())
        await source.poll()
        assert source.current["issue/2"].status is Status.DELETED
        known = len(source.stored)
        await source.poll()
        assert len(source.stored) == known
        assert not source.bad


async def test_a_record_becomes_a_signal_as_hub_toml_says() -> None:
    twin = Twin()
    issue = twin.emit({"title": "No export", "priority": "urgent"})
    twin.emit({"internal": True})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.external_id, draft.kind) == ("issue/1", "support.ticket.opened")
    assert (draft.title, draft.body) == ("No export", "It does not work.")
    assert (draft.severity, draft.status) == (Severity.CRITICAL, Status.OPEN)
    assert draft.author == PersonRef(name="Robin", email="robin@acme.example")
    assert draft.account == AccountRef(name="Acme", domain="acme.example")
    assert (draft.url, draft.labels) == (issue["html_url"], ("export",))
    assert draft.attributes == {"number": 1, "priority": "urgent"}


@pytest.mark.parametrize("paging", ["cursor", "link", "next_url"])
async def test_an_empty_page_that_names_another_is_not_the_last(paging: str) -> None:
    twin = Twin(paging=paging)
    twin.page = 2
    for number in range(1, 6):
        twin.create(number, twin.now())
    twin.blank()
    async with polling(twin) as source:
        await source.poll()
    assert len(source.current) == 5


@pytest.mark.parametrize(
    ("family", "paging"), [("opaque_token", "none"), ("modified_since", "link")]
)
async def test_where_a_place_is_kept_no_longer_all_is_read_again_and_nothing_lost(
    family: str, paging: str
) -> None:
    twin = Twin(family, paging)
    twin.page = 2
    for number in range(1, 6):
        twin.create(number, twin.now())
    async with polling(twin) as source:
        await source.poll(stop_after=1)
        twin.forget()
        await source.poll()
        twin.forget()
        twin.create(6, twin.now())
        await source.poll()
    assert len(source.current) == len(source.stored) == 6


async def test_what_vanished_from_a_snapshot_is_over_and_may_come_back_as_it_was() -> None:
    twin = Twin("snapshot", "none")
    for number in (1, 2):
        twin.create(number, twin.now())
    async with polling(
        twin, streams=_gone(twin, status="resolved", kind="ops.alert.resolved")
    ) as source:
        await source.poll()
        was = twin.issues.pop(2)
        [over] = await source.fresh()
        assert (over.external_id, over.kind) == ("issue/2", "ops.alert.resolved")
        assert (over.status, over.title, over.labels) == (Status.RESOLVED, "Issue 2", ("export",))
        assert (over.severity, over.body) == (None, None)
        twin.issues[2] = was
        await source.poll()
        assert source.current["issue/2"].status == "open"
        del twin.issues[2]
        await source.poll()
        assert source.current["issue/2"].status is Status.RESOLVED
    assert len(source.stored) == 5


async def test_a_record_that_was_no_signal_does_not_end_as_one() -> None:
    twin = Twin("snapshot", "none")
    twin.create(1, twin.now())
    twin.emit({"internal": True})
    twin.emit({"title": None})
    async with polling(twin) as source:
        await source.poll()
        assert [bad.reason for bad in source.bad] == ["title: the record has none"]
        twin.issues.clear()
        assert [draft.external_id for draft in await source.fresh()] == ["issue/1"]


def _gone(twin: Twin, **gone: str) -> Any:
    streams = twin.settings("")["streams"]
    streams["issues"]["cursor"]["gone"] = gone
    return streams


async def test_a_snapshot_is_asked_for_only_if_it_changed() -> None:
    twin = Twin("snapshot", "none")
    twin.create(1, twin.now())
    async with polling(twin) as source:
        await source.poll()
        before = source.cursor
        [page] = await source.poll()
        assert (list(page.drafts), source.cursor) == ([], before), "it answered 304"
        twin.create(2, twin.now())
        assert len(await source.fresh()) == 1


async def test_several_lists_are_one_source_and_one_that_fails_stops_no_other() -> None:
    twin = Twin()
    twin.create(1, twin.now())
    streams = twin.settings("")["streams"]
    streams["gone"] = {**streams["issues"], "path": "nothing/here"}
    async with polling(twin, streams=streams) as source:
        with pytest.raises(SourceMisbehaved, match="404"):
            await source.poll()
        assert list(source.current) == ["issue/1"]
        twin.create(2, twin.now())
        with pytest.raises(SourceMisbehaved, match="404"):
            await source.poll()
        assert list(source.current) == ["issue/1", "issue/2"]


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin("snapshot", "none")
    for number in range(1, 5):
        twin.create(number, twin.now())
    twin.issues[2]["updated_at"] = "yesterday"
    twin.issues[3]["title"] = {"text": "x"}
    async with polling(twin) as source:
        await source.poll()
    assert sorted(source.current) == ["issue/1", "issue/4"]
    assert [(bad.external_id, bad.reason.partition(":")[0]) for bad in source.bad] == [
        ("2", "revised_at"),
        ("3", "title"),
    ]


async def test_a_wrong_token_stops_the_source_and_is_not_repeated() -> None:
    async with polling(Twin(), auth={"bearer": "stolen-token"}) as source:
        with pytest.raises(AuthFailed, match="opens nothing") as refused:
            await source.poll()
        assert "stolen-token" not in str(refused.value) + repr(source.connector)


# Below, a server answers what a test gives it: shapes that a tracker would not have at once.


async def read(server: Server, stream: Mapping[str, Any], **settings: Any) -> Poller:
    async with serve(server.app) as url, Clients() as clients:
        given = {"url": f"{url}/api", "streams": {"list": stream}, **settings}
        source = Poller(Rest.model_validate(given), clients)
        await source.poll()
        return source


def stream(**changes: Any) -> dict[str, Any]:
    return {"cursor": {"family": "snapshot"}, "fields": LEAST, **changes}


@pytest.mark.parametrize(
    ("auth", "headers", "sent"),
    [
        ({"bearer": "abc"}, {}, {"authorization": "Bearer abc"}),
        ({"user": "me", "password": "pw"}, {}, {"authorization": "Basic bWU6cHc="}),
        ({"header": "X-Key", "value": "abc"}, {"X-Tenant": "7"}, {"x-key": "abc", "x-tenant": "7"}),
        (None, {"X-Version": "2"}, {"x-version": "2"}),
    ],
)
async def test_it_signs_in_as_the_api_wants_it(
    auth: Any, headers: dict[str, str], sent: dict[str, str]
) -> None:
    server = Server([{"id": 1}])
    await read(server, stream(), auth=auth, headers=headers)
    assert sent.items() <= dict(server.asked[0].headers).items()


async def test_it_signs_in_by_oauth() -> None:
    granted = {"access_token": "abc", "token_type": "bearer", "expires_in": 3600}
    server = Server(granted, [{"id": 1}])
    async with serve(server.app) as url, Clients() as clients:
        auth = {
            "token_url": f"{url}/token",
            "client_id": "hub",
            "client_secret": "s3cret",
            "scopes": ["read"],
        }
        given = {"url": f"{url}/api", "streams": {"list": stream()}, "auth": auth}
        source = Poller(Rest.model_validate(given), clients)
        await source.poll()
    assert list(source.current) == ["1"]
    assert server.asked[1].headers["authorization"] == "Bearer abc"


async def test_a_template_says_since_when_in_the_vendors_own_words() -> None:
    server = Server([{"id": 1, "at": "04.05.2026 11:30"}], [])
    since = {
        "parameter": "filter",
        "value": "changed ge '{since}'",
        "format": "%d.%m.%Y %H:%M",
        "zone": "Europe/Berlin",
    }
    fields = LEAST | {
        "revised_at": {"path": "$.at", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}
    }
    paging = {"by": "page", "size_parameter": "n", "size": 5}
    cursor = {"family": "modified_since", "since": since, "overlap": "0s"}
    given = stream(cursor=cursor, fields=fields, paging=paging, params={"sort": "changed"})
    await read(server, given, since="2026-05-01T00:00:00Z")
    first, second = (dict(one.query_params) for one in server.asked)
    assert first == {
        "sort": "changed",
        "filter": "changed ge '01.05.2026 02:00'",
        "page": "1",
        "n": "5",
    }
    # Pages that move are not counted on: what follows is asked for from the newest change.
    assert second == {**first, "filter": "changed ge '04.05.2026 11:30'"}


async def test_what_a_post_asks_for_stands_in_its_body() -> None:
    server = Server({"hits": [{"id": 1, "at": 1777885200.5}]})
    since = {"parameter": "query.range.from", "format": "seconds"}
    given = stream(
        method="POST",
        path="search",
        params={"index": "a b", "full": True},
        body={"query": {"range": {"field": "at"}}, "size": 5},
        records="$.hits[*]",
        cursor={"family": "newest_first", "since": since},
        fields=LEAST | {"occurred_at": {"path": "$.at", "format": "seconds"}},
    )
    await read(server, given, since="2026-05-01T00:00:00.900Z")
    assert server.asked[0].url.path == "/api/search"
    assert dict(server.asked[0].query_params) == {"index": "a b", "full": "true"}
    assert server.bodies[0] == {
        "query": {"range": {"field": "at", "from": 1777593600}},
        "size": 5,
    }


@pytest.mark.parametrize(
    ("paging", "answers"),
    [
        ({"by": "page", "last": "$.pages"}, [{"pages": 2}, {"pages": 2}]),
        ({"by": "page", "first": 0, "more": "$.more"}, [{"more": True}, {"more": False}]),
        ({"by": "offset", "total": "$.total"}, [{"total": 2}, {"total": 2}]),
        ({"by": "cursor", "next": "$.c", "more": "$.m"}, [{"c": 7, "m": True}, {"c": 8, "m": 0}]),
        ({"by": "cursor", "next": "$.c"}, [{"c": "x"}, {"c": ""}]),
        ({"by": "next_url", "next": "$.n"}, [{"n": "/api/list?p=2"}, {"n": None}]),
        ({"by": "next_url", "next": "$.n"}, [{"n": "?p=2"}, {}]),
    ],
)
async def test_the_last_page_is_the_one_that_says_so(
    paging: dict[str, Any], answers: list[dict[str, Any]]
) -> None:
    pages = [{**answer, "items": [{"id": number}]} for number, answer in enumerate(answers)]
    server = Server(*pages)
    source = await read(server, stream(path="list", records="$.items", paging=paging))
    assert sorted(source.current) == ["0", "1"]
    assert len(server.asked) == 2
    assert {one.url.path for one in server.asked} == {"/api/list"}


async def test_a_short_page_is_not_the_last() -> None:
    server = Server([{"id": 1}], [{"id": 2}, {"id": 3}], [])
    paging = {"by": "page", "size_parameter": "n", "size": 50}
    assert len((await read(server, stream(paging=paging))).current) == 3


async def test_a_link_is_kept_without_the_key_that_each_request_has() -> None:
    server = Server([{"id": 1, "at": "2026-05-04T09:00:00Z"}])
    cursor = {"family": "modified_since", "since": "since"}
    fields = LEAST | {"revised_at": "$.at"}
    given = stream(
        params={"api_key": "s3cret-key"}, cursor=cursor, fields=fields, paging={"by": "link"}
    )
    async with serve(server.app) as url, Clients() as clients:
        link = f"{url}/api?api_key=s3cret-key&cursor=2"
        answer = JSONResponse(server.answers[0], headers={"link": f"<{link}>;rel=next"})
        server.answers = [answer, []]
        given = {"url": f"{url}/api", "streams": {"list": given}}
        source = Poller(Rest.model_validate(given), clients)
        await source.poll(stop_after=1)
        assert "s3cret-key" not in str(source.cursor)
        assert f"{url}/api?cursor=2" in str(source.cursor)
        await source.poll()
    assert dict(server.asked[1].query_params) == {"api_key": "s3cret-key", "cursor": "2"}


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"items": 3}, SourceMisbehaved, "the answer has no list at \\$.items"),
        ({"errors": ["x"]}, SourceMisbehaved, "the answer has nothing at \\$.items"),
        ("<html>", SourceMisbehaved, "nothing at"),
        (Response("<html>", media_type="text/html"), SourceMisbehaved, "answered with text/html"),
        ({"ok": False, "error": "bad query"}, SourceMisbehaved, "The API refused: bad query"),
        ({"ok": False, "error": "token_revoked"}, AuthFailed, "The API refused: token_revoked"),
        ({"items": [], "next": "https://evil.example/2"}, SourceMisbehaved, "another host, evil"),
        ({"items": [], "next": "//evil.example/2"}, SourceMisbehaved, "another host, evil"),
        (JSONResponse({"message": "no"}, 400), SourceMisbehaved, "400 Bad Request for /api: no"),
    ],
)
async def test_an_answer_that_is_no_list_is_not_an_empty_one(
    answer: Any, error: type[SourceError], said: str
) -> None:
    refusal = {"when": "@.ok == false", "auth": "@.error == 'token_revoked'", "message": "$.error"}
    given = stream(records="$.items", paging={"by": "next_url", "next": "$.next"})
    with pytest.raises(error, match=said):
        await read(Server(answer), given, refusal=refusal)


async def test_null_is_an_empty_list_and_a_table_one_record() -> None:
    assert not (await read(Server({"items": None}), stream(records="$.items"))).current
    found = await read(Server({"item": {"id": 1}}), stream(records="$.item"))
    assert list(found.current) == ["1"]
    found = await read(
        Server({"byid": {"a": {"id": 1}, "b": {"id": 2}}}), stream(records="$.byid[*]")
    )
    assert list(found.current) == ["1", "2"]


async def test_a_token_may_be_a_link_and_have_pages_before_it() -> None:
    cursor = {"family": "opaque_token", "token": "$.delta", "start": {"from": "all"}}
    given = stream(records="$.v", cursor=cursor, paging={"by": "next_url", "next": "$.next"})
    server = Server(
        {"v": [{"id": 1}], "next": "?page=2"},
        {"v": [{"id": 2}], "delta": "?delta=A"},
        {"v": [], "delta": "?delta=B"},
    )
    async with serve(server.app) as url, Clients() as clients:
        settings = {"url": f"{url}/api", "streams": {"list": given}}
        source = Poller(Rest.model_validate(settings), clients)
        await source.poll()
        server.answers = [{"v": [{"id": 3}], "delta": "?delta=C"}, {"v": [], "delta": "?delta=C"}]
        await source.poll()
    assert list(source.current) == ["1", "2", "3"]
    asked = [one.url.query for one in server.asked]
    assert asked == ["from=all", "page=2", "delta=A", "delta=B", "delta=C"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cursor": {"family": "modified_since", "since": "s"}}, "needs fields.revised_at, or at"),
        ({"cursor": {"family": "newest_first"}}, "newest_first needs fields.occurred_at"),
        ({"cursor": {"family": "newest_first", "cap": 9}}, "a cap needs until"),
        ({"cursor": {"family": "event_log", "since": "s"}}, "say until, or {until} in since"),
        (
            {
                "cursor": {"family": "id_watermark", "parameter": "a", "id": "$.id"},
                "paging": {"by": "page"},
            },
            "id_watermark pages by ids",
        ),
        ({"cursor": {"family": "guess"}}, "Input tag 'guess' found using 'family'"),
        ({"paging": {"by": "cursor"}}, "Field required"),
        ({"paging": {"by": "cursor", "next": "next"}}, "'next' is not a JSONPath"),
        ({"records": "items"}, "'items' is not a JSONPath"),
        ({"body": {"a": 1}}, "only a POST has a body"),
        (
            {"method": "POST", "paging": {"by": "link"}},
            "links in a header are followed after a GET",
        ),
        ({"fields": {**LEAST, "kind": "support.tickets"}}, "there is no kind 'support.tickets'"),
        ({"cursor": {"family": "snapshot", "gone": {"kind": "x.y"}}}, "there is no kind 'x.y'"),
    ],
)
def test_what_does_not_fit_together_is_refused_when_hub_toml_is_read(
    changes: dict[str, Any], said: str
) -> None:
    given = {"url": "https://a.example", "streams": {"list": stream(**changes)}}
    with pytest.raises(ValidationError) as wrong:
        Rest.model_validate(given)
    assert said in str(wrong.value)


@pytest.mark.parametrize(
    "auth", [{}, {"bearer": "a", "user": "b"}, {"user": "b"}, {"header": "X-Key"}, {"token": "a"}]
)
def test_one_way_in_is_said_whole(auth: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Rest.model_validate({"url": "https://a.example", "streams": {"l": stream()}, "auth": auth})
