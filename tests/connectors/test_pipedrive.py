"""Pipedrive: deals of two lists and leads of a third become signals, once each."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from connectors.pipedrive import Pipedrive, _says_no
from connectors.twins import Call
from connectors.twins.pipedrive import Twin
from hub.connector import (
    Accepted,
    AccountRef,
    AuthFailed,
    Draft,
    Http,
    PersonRef,
    Pushed,
    PushRefused,
    RefreshToken,
    SourceMisbehaved,
    Status,
    utc,
)
from tests.connectors.polling import polling
from tests.servers import serve

NINE = "2026-05-04T09:00:00+00:00"
TEN = "2026-05-04T10:00:00+00:00"
ELEVEN = "2026-05-04T11:00:00+00:00"
FIRST_LEAD = "00000000-0000-0000-0000-000000000001"
RIVAL = "d4de1c1518b4531717c676029a45911c340390a6"


async def read(*records: dict[str, Any], **settings: Any) -> dict[str, Draft]:
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
        return source.current


async def test_a_deal_moves_by_its_stage_and_says_why_it_was_lost() -> None:
    twin = Twin()
    twin.emit({"number": 1, "title": "50 seats", "custom_fields": {RIVAL: "Globex"}, "at": NINE})
    async with polling(twin, competitor_field=RIVAL) as source:
        [opened] = await source.fresh()
        twin.emit({"number": 1, "stage_id": 3, "at": TEN})
        [moved] = await source.fresh()
        twin.emit({"number": 1, "status": "lost", "lost_reason": "Too dear", "at": ELEVEN})
        [lost] = await source.fresh()
        twin.emit({"number": 1, "status": "won", "at": "2026-05-04T12:00:00+00:00"})
        [won] = await source.fresh()
    drafts = (opened, moved, lost, won)
    assert [one.kind.rpartition(".")[2] for one in drafts] == ["created", "stage", "lost", "won"]
    assert [one.occurred_at.hour for one in drafts] == [9, 10, 11, 12]
    assert {one.external_id for one in drafts} == {"deal/1"}
    assert moved.title == "Deal moved to Negotiations started: 50 seats"
    assert (lost.title, lost.summary) == ("Deal lost: 50 seats", "Too dear")
    assert lost.account == AccountRef(name="Borealis Foods", domain="borealis-foods.example")
    assert lost.owner == PersonRef(name="Kim Larsen", email="kim@ours.example")
    assert lost.attributes == {
        "amount": 1001,
        "currency": "EUR",
        "stage": "Negotiations started",
        "pipeline": "Sales",
        "reason": "Too dear",
        "competitor": "Globex",
        "channel": "ManuallyCreated",
    }
    assert "reason" not in won.attributes


async def test_an_archived_deal_is_read_where_it_went() -> None:
    twin = Twin()
    twin.emit({"number": 1, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"number": 1, "is_archived": True, "at": TEN})
        [archived] = await source.fresh()
        assert archived.external_id == "deal/1"
        assert archived.attributes["archived"] is True


async def test_an_archived_lead_is_read_where_it_went_and_again_where_it_came_back() -> None:
    twin = Twin(page=2)
    for number in range(1, 6):
        twin.emit({"object": "lead", "number": number, "is_archived": True, "at": NINE})
    twin.emit({"object": "lead", "number": 6, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.current) == 6
        assert sum("archived" in one.attributes for one in source.current.values()) == 5
        twin.emit({"object": "lead", "number": 6, "is_archived": True, "at": TEN})
        await source.poll()
        key = next(name for name in source.current if name.endswith("6"))
        assert source.current[key].attributes["archived"] is True
        twin.emit({"object": "lead", "number": 6, "is_archived": False, "at": ELEVEN})
        await source.poll()
        assert "archived" not in source.current[key].attributes


async def test_a_deleted_deal_is_withdrawn_and_repeats_no_text() -> None:
    twin = Twin()
    twin.emit({"number": 1, "title": "My salary", "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"number": 1, "status": "deleted", "at": TEN})
        [gone] = await source.fresh()
    assert gone.status is Status.DELETED
    assert "salary" not in gone.model_dump_json()


async def test_a_lead_tells_who_comes_from_where() -> None:
    found = await read({"object": "lead", "number": 2, "title": "Asked for a price", "at": NINE})
    [lead] = found.values()
    assert (lead.kind, lead.title) == ("sales.lead.created", "New lead: Asked for a price")
    assert lead.external_id == "lead/00000000-0000-0000-0000-000000000002"
    assert lead.account == AccountRef(name="Cobalt Insurance")
    assert lead.author == PersonRef(name="Robin 3", email="robin@cobalt-insurance.example")
    assert lead.attributes == {"amount": 999, "currency": "EUR", "channel": "Web forms"}
    lead_there = {"object": "lead", "number": 2, "at": NINE}
    assert await read(lead_there, leads=False) == {}


async def test_leads_that_change_while_they_are_read_are_not_skipped() -> None:
    """Their pages are counted by offset: a change moves the others forward."""
    twin = Twin(page=2)
    for number in range(1, 8):
        twin.emit({"object": "lead", "number": number, "at": f"2026-05-04T09:0{number}:00+00:00"})
    async with polling(twin) as source, source.opened() as api:
        async for page in source.pull(api):
            source._store(page)
            if twin.leads[FIRST_LEAD]["title"] == "Lead 1":
                twin.emit({"object": "lead", "number": 1, "title": "Moved to the end", "at": TEN})
        assert len(source.current) == 7
        assert source.current[f"lead/{FIRST_LEAD}"].title.endswith("the end")


@pytest.mark.parametrize("size", [1, 2, 3, 500])
async def test_records_that_share_a_second_come_whatever_the_page(size: int) -> None:
    twin = Twin(page=size)
    for number in range(1, 6):
        twin.emit({"number": number, "at": NINE})
        twin.emit({"object": "lead", "number": number, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        assert len(source.stored) == 10
    async with polling(twin) as source:
        for _ in range(40):
            await source.poll(stop_after=1)  # the process dies after each page
        assert len(source.current) == 10


async def test_a_quiet_poll_asks_for_no_names() -> None:
    twin = Twin()
    async with polling(twin) as source:
        await source.poll()
        assert twin.left == 150_000 - 60
        twin.emit({"number": 1, "at": NINE})
        await source.poll()
        spent = twin.left
        await source.poll()
    assert spent - twin.left > 40, "the last minutes are read again, and what they name"


async def test_names_that_may_not_be_seen_are_left_out() -> None:
    twin = Twin()
    twin.names["organizations"].clear()
    twin.names["persons"].clear()
    twin.emit({"number": 1, "owner_id": 99, "stage_id": 77, "at": NINE})
    async with polling(twin) as source:
        [deal] = await source.fresh()
    assert (deal.account, deal.owner) == (None, None)
    assert "stage" not in deal.attributes


async def test_more_stages_than_a_page_holds_are_all_known() -> None:
    twin = Twin(page=1)
    twin.emit({"number": 1, "stage_id": 3, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
        assert source.current["deal/1"].attributes["stage"] == "Negotiations started"


async def test_with_the_companys_own_address_records_have_links() -> None:
    twin = Twin()
    twin.emit({"number": 1})
    async with polling(twin) as source:
        await source.poll()
        assert source.connector.model_dump()["url"] in str(source.current["deal/1"].url)
    given = {"token": "t" * 40}
    record = twin.deals[1]
    assert Pipedrive.model_validate(given)._common(record, "deal", "deal")["url"] is None


def test_times_without_a_zone_are_utc() -> None:
    """As version 1 of the API and its users' times are written."""
    assert utc("2025-11-13 09:16:26") == datetime(2025, 11, 13, 9, 16, 26, tzinfo=UTC)


async def test_nulls_and_fields_that_nobody_knows_are_no_trouble() -> None:
    nothing = ("title", "value", "currency", "person_id", "org_id", "owner_id", "custom_fields",
               "stage_id", "pipeline_id", "label_ids")  # fmt: skip
    found = await read({"number": 1, **dict.fromkeys(nothing), "x": [None]})
    assert found["deal/1"].title == "Deal opened: no name"
    lead = dict.fromkeys(("title", "value", "person_id", "organization_id", "source_name"))
    [read_] = (await read({"object": "lead", "number": 1, **lead})).values()
    assert read_.title == "New lead: no name"


async def test_a_wrong_token_stops_the_source_and_says_why() -> None:
    async with polling(Twin(), token="stolen-token") as source:
        with pytest.raises(AuthFailed, match="unauthorized access") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"success": False, "error": "unauthorized access", "errorCode": 401}, AuthFailed),
        ({"success": False, "error": "Scope and URL mismatch", "errorCode": 403}, AuthFailed),
        ({"success": False, "error": "Something else"}, SourceMisbehaved),
        ({"success": True, "data": None}, type(None)),
        ([], type(None)),
    ],
)
def test_a_no_in_a_200_is_recognised(body: Any, kind: type) -> None:
    assert type(_says_no(body)) is kind


def test_it_signs_in_with_oauth_too() -> None:
    oauth = {"client_id": "app", "client_secret": "s3cret", "refresh_token": "first"}
    endpoint = Pipedrive.model_validate(oauth).endpoint()
    assert isinstance(endpoint, Http)
    assert isinstance(endpoint.auth, RefreshToken)
    for incomplete in ({}, {"client_id": "app", "client_secret": "s3cret"}):
        with pytest.raises(ValidationError, match="give token, or client_id"):
            Pipedrive.model_validate(incomplete)


def pushed(call: Call) -> Pushed:
    return Pushed("POST", "https://hub.example/push/crm", call.headers, call.body, utc(TEN))


def test_a_webhook_makes_it_ask_and_a_deleted_lead_is_told_by_nothing_else() -> None:
    twin = Twin()
    twin.emit({"number": 1})
    connector = Pipedrive.model_validate(twin.settings("https://acme.pipedrive.com"))
    change = pushed(twin.push(1))
    verdict = connector.verify(change)
    assert isinstance(verdict, Accepted)
    assert verdict.poll is not None
    assert verdict.delivery == json.loads(change.body)["meta"]["id"]
    assert connector.read(change) == ()
    gone = pushed(twin.webhook("delete", "lead", "adf21080-0e10-11eb-879b-05d71fb426ec", None))
    [draft] = connector.read(gone)
    assert draft.external_id == "lead/adf21080-0e10-11eb-879b-05d71fb426ec"
    assert draft.status is Status.DELETED
    for other in ("Basic aHViOndyb25n", "", "Bearer x"):
        with pytest.raises(PushRefused):
            connector.verify(replace(change, headers={"authorization": other}))


@pytest.mark.parametrize(
    "query",
    ["updated_since=yesterday", "limit=501", "status=gone", "sort_by=value", "start=0",
     "cursor=bm90"],
)  # fmt: skip
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    twin = Twin()
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        path = f"{url}/api/v2/deals?{query}"
        answer = await client.get(path, headers={"x-api-token": twin.token})
        assert answer.status_code == 400
        assert (await client.get(path)).status_code == 401
