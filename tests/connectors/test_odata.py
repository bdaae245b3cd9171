"""OData services of both versions, read by time of change and by delta links."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.responses import JSONResponse

from connectors.odata import OData
from connectors.twins.odata import FIELDS, Twin
from hub.connector import AccountRef, AuthFailed, SourceMisbehaved, Status
from hub.http import Clients
from tests.connectors.answering import Server
from tests.connectors.polling import Poller, polling
from tests.servers import serve

ALL = [(4, True), (4, False), (2, True), (2, False)]
AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("version", "delta"), ALL)
async def test_each_change_comes_once_and_every_cursor_resumes(version: int, delta: bool) -> None:
    twin = Twin(version, delta=delta)
    twin.page = 2
    before = twin.now() - AN_HOUR
    for number in range(1, 6):
        twin.create(number, before)  # in one second
    async with polling(twin) as source:
        for _ in range(12):
            await source.poll(stop_after=1)  # the process dies after each page
        assert sorted(source.current) == [f"opportunity/{number}" for number in range(1, 6)]
        await source.poll()
        twin.emit({"Id": 3, "StatusCode": 1})
        twin.create(6, twin.now())
        await source.poll()
        won = source.current["opportunity/3"]
        assert (won.kind, won.status) == ("sales.deal.won", Status.RESOLVED)
        known = len(source.stored)
        assert known == 7, "each version once"
        await source.poll()
        assert len(source.stored) == known
        assert not source.bad


@pytest.mark.parametrize(("version", "old"), [(4, False), (4, True), (2, False)])
async def test_a_delta_tells_of_deletions(version: int, old: bool) -> None:
    twin = Twin(version, old=old)
    for number in (1, 2):
        twin.create(number, twin.now())
    async with polling(twin) as source:
        await source.poll()
        twin.delete(2, twin.now())
        [gone] = await source.fresh()
        assert (gone.external_id, gone.status) == ("opportunity/2", Status.DELETED)
        assert source.current["opportunity/2"] == gone
        assert await source.fresh() == []


@pytest.mark.parametrize("version", [2, 4])
async def test_an_opportunity_becomes_a_signal(version: int) -> None:
    twin = Twin(version)
    at = datetime(2026, 5, 4, 9, tzinfo=UTC)
    twin.emit({"Id": 7, "Name": "Big one", "at": at.isoformat()})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.external_id, draft.title) == ("opportunity/7", "Big one")
    assert draft.occurred_at == draft.revised_at == at
    assert draft.account == AccountRef(name="Acme Robotics")
    assert draft.attributes == {"amount": "1200.00"}


@pytest.mark.parametrize("version", [2, 4])
async def test_an_expired_delta_link_leads_to_a_full_sync_that_brings_nothing_twice(
    version: int,
) -> None:
    twin = Twin(version)
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


@pytest.mark.parametrize("version", [2, 4])
async def test_an_empty_page_with_a_next_link_is_not_the_last(version: int) -> None:
    twin = Twin(version)
    for number in range(1, 4):
        twin.create(number, twin.now())
    twin.blank()
    async with polling(twin) as source:
        await source.poll()
    assert len(source.current) == 3


@pytest.mark.parametrize("version", [2, 4])
async def test_a_record_without_its_time_of_change_is_set_aside_and_its_page_goes_on(
    version: int,
) -> None:
    late = {"Id": 1, "Name": "x", "ModifiedOn": "2026-05-04T09:00:00Z"}
    records = [late, {"Id": 2, "Name": "x", "ModifiedOn": "soon"}, {"Id": 3, "ModifiedOn": None}]
    server = Server({"value": records} if version == 4 else {"d": records})
    source = await read(server, deals(changed="ModifiedOn"), version=version)
    assert list(source.current) == ["opportunity/1"]
    assert len(source.bad) == 2


@pytest.mark.parametrize("version", [2, 4])
async def test_a_wrong_password_stops_the_source_in_the_services_words(version: int) -> None:
    wrong = {"user": "hub", "password": "stolen-password"}
    async with polling(Twin(version), auth=wrong) as source:
        with pytest.raises(AuthFailed, match=re.escape("401 Unauthorized: Logon failed")) as no:
            await source.poll()
        assert "stolen-password" not in str(no.value) + repr(source.connector)


async def read(server: Server, entities: dict[str, Any], **settings: Any) -> Poller:
    async with serve(server.app) as url, Clients() as clients:
        given = {"url": f"{url}/odata", "sets": {"deals": entities}, **settings}
        source = Poller(OData.model_validate(given), clients)
        await source.poll()
        return source


def deals(**changes: Any) -> dict[str, Any]:
    return {"name": "Deals", "key": "Id", "changed": "At", "fields": FIELDS, **changes}


async def test_version_4_is_asked_as_it_is_written() -> None:
    server = Server({"value": []})
    entities = deals(filter="a eq 1 or b eq 2", select=["Id", "At"], expand=["C", "D"], size=50)
    await read(server, entities, since="2026-05-04T09:00:00.5+02:00", headers={"X": "1"})
    asked = server.asked[0]
    assert asked.url.path == "/odata/Deals"
    assert dict(asked.query_params) == {
        "$filter": "(a eq 1 or b eq 2) and At ge 2026-05-04T07:00:00Z",
        "$orderby": "At asc,Id asc",
        "$select": "Id,At",
        "$expand": "C,D",
    }
    assert asked.headers["prefer"] == "odata.maxpagesize=50"
    assert (asked.headers["odata-version"], asked.headers["x"]) == ("4.0", "1")


@pytest.mark.parametrize(
    ("literal", "written"),
    [
        ("datetimeoffset", "datetimeoffset'2026-05-04T09:00:00Z'"),
        ("datetime", "datetime'2026-05-04T09:00:00'"),
    ],
)
async def test_version_2_writes_a_time_by_its_type(literal: str, written: str) -> None:
    server = Server({"d": []})
    entities = deals(literal=literal, size=50)
    await read(server, entities, since="2026-05-04T09:00:00Z", version=2)
    asked = dict(server.asked[0].query_params)
    assert asked["$filter"] == f"At ge {written}"
    assert (asked["$top"], asked["$format"]) == ("50", "json")
    assert "prefer" not in server.asked[0].headers


async def test_where_the_server_does_not_page_the_rest_is_asked_for_though_all_are_tied() -> None:
    records = [{"Id": number, "Name": "x", "At": "/Date(1777885200000)/"} for number in range(5)]
    server = Server(
        *(
            {"d": {"results": part}}
            for part in (records[:2], records[:2], records[2:4], records[4:])
        )
    )
    fields = {name: FIELDS[name] for name in ("id", "kind", "title")}
    source = await read(server, deals(size=2, fields=fields), version=2)
    assert len(source.current) == len(source.stored) == 5
    assert [one.query_params.get("$skip") for one in server.asked] == [None, None, "2", "4"]
    assert source.current["opportunity/4"].revised_at == datetime(2026, 5, 4, 9, tzinfo=UTC)


async def test_links_may_be_relative_and_lack_their_prefix_and_relations_are_no_signals() -> None:
    server = Server(
        {
            "value": [{"Id": 1, "Name": "a", "ModifiedOn": "2026-05-04T09:00:00Z"}],
            "@nextLink": "Deals?p=2",
        },
        {
            "value": [
                {"@odata.context": "#Deals/$deletedEntity", "id": "https://x.example/Deals('2')"},
                {"@odata.context": "$metadata#Deals/$link", "source": "a", "target": "b"},
            ],
            "@deltaLink": "Deals?$deltatoken=7",
        },
    )
    source = await read(server, deals(changed=None, delta=True))
    assert source.current.keys() == {"opportunity/1", "opportunity/2"}
    assert source.cursor == {
        "deals": {"token": str(server.asked[0].url).partition("?")[0] + "?$deltatoken=7"}
    }
    assert server.asked[1].url.query == "p=2"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"value": [], "@odata.nextLink": "https://evil.example/2"}, "another host, evil.example"),
        ({"value": []}, "Deals gives no delta link"),
        ({"error": {"code": "1", "message": "in the stream"}}, "in the stream"),
        ([], "gives no delta link"),
        (JSONResponse({"error": {"message": {"lang": "de", "value": "Falsch"}}}, 400), "Falsch"),
    ],
)
async def test_what_is_wrong_is_said(answer: Any, said: str) -> None:
    with pytest.raises(SourceMisbehaved, match=said):
        await read(Server(answer), deals(changed=None, delta=True))


async def test_a_removed_entity_without_a_kind_is_set_aside() -> None:
    fields = {"id": "$.Id", "kind": "$.Kind", "title": "$.Name"}
    server = Server({"value": [{"@removed": {}, "Id": 1}], "@odata.deltaLink": "Deals?d=1"})
    source = await read(server, deals(changed=None, delta=True, fields=fields))
    assert "has fields.kind a default" in source.bad[0].reason


@pytest.mark.parametrize("how", [{"delta": True}, {"changed": None}])
def test_a_set_is_read_in_one_way(how: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="say either changed or delta"):
        OData.model_validate({"url": "https://a.example", "sets": {"deals": deals(**how)}})
