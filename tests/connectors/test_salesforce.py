"""Salesforce: what changes in an organisation becomes signals, by SOQL on SystemModstamp."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from connectors.salesforce import Salesforce
from connectors.twins.salesforce import VERSION, Twin
from hub.connector import (
    AccountRef,
    AuthFailed,
    Draft,
    Http,
    PersonRef,
    RateLimited,
    RefreshToken,
    Severity,
    SourceMisbehaved,
    Status,
)
from tests.connectors.polling import polling
from tests.servers import serve

NINE = "2026-05-04T09:00:00+00:00"
TEN = "2026-05-04T10:00:00+00:00"
BY_ID = "006000000000001AAA"


async def read(*records: dict[str, Any], **settings: Any) -> dict[str, Draft]:
    twin = Twin()
    for record in records:
        twin.emit(record)
    async with polling(twin, **settings) as source:
        await source.poll()
        assert not source.bad
        return source.current


async def test_a_deal_moves_by_its_stage_and_says_why_it_ended() -> None:
    twin = Twin()
    twin.emit({"Name": "Acme 50 seats", "Loss_Reason__c": None, "Rival__c": "Globex", "at": NINE})
    fields = {"reason_field": "Loss_Reason__c", "competitor_field": "Rival__c", "currency": "EUR"}
    async with polling(twin, **fields) as source:
        [opened] = await source.fresh()
        twin.emit({"Id": BY_ID, "StageName": "Negotiation/Review", "at": TEN})
        [moved] = await source.fresh()
        lost = {"StageName": "Closed Lost", "Loss_Reason__c": "Too dear"}
        twin.emit({"Id": BY_ID, **lost, "at": "2026-05-04T11:00:00+00:00"})
        [lost_] = await source.fresh()
        twin.emit({"Id": BY_ID, "StageName": "Closed Won", "at": "2026-05-04T12:00:00+00:00"})
        [won] = await source.fresh()
    assert [one.kind.rpartition(".")[2] for one in (opened, moved, lost_, won)] == [
        "created", "stage", "lost", "won",
    ]  # fmt: skip
    assert {one.external_id for one in (opened, moved, lost_, won)} == {f"opportunity/{BY_ID}"}
    assert [one.occurred_at.hour for one in (opened, moved, lost_, won)] == [9, 10, 11, 12]
    assert (lost_.title, lost_.summary) == ("Deal lost: Acme 50 seats", "Too dear")
    assert opened.account == AccountRef(name="Borealis Foods", domain="borealis-foods.example")
    assert opened.owner == PersonRef(name="Kim Larsen", email="kim@acme.example")
    assert lost_.attributes == {
        "amount": 2000.0,
        "currency": "EUR",
        "stage": "Closed Lost",
        "reason": "Too dear",
        "competitor": "Globex",
        "type": "New Customer",
        "channel": "Web",
    }


async def test_a_customers_new_name_is_one_revision_of_what_is_read_again_and_no_more() -> None:
    twin = Twin()
    twin.emit({"Name": "Acme 50 seats", "at": NINE})
    async with polling(twin) as source:
        [opened] = await source.fresh()
        twin.objects["Opportunity"][BY_ID]["Account"]["Name"] = "Borealis Group"  # moves no stamp
        for _ in range(2):
            await source.poll()
    assert opened.account is not None
    assert opened.account.name == "Borealis Foods"
    renamed = source.current[opened.external_id]
    assert renamed.account == AccountRef(name="Borealis Group", domain="borealis-foods.example")
    assert (renamed.revised_at, len(source.stored)) == (opened.revised_at, 2)


async def test_a_lead_tells_who_comes_from_where() -> None:
    found = await read({"object": "Lead", "IsConverted": True, "at": NINE})
    [lead] = found.values()
    assert (lead.kind, lead.title) == ("sales.lead.created", "New lead: Robin Weber")
    assert lead.account == AccountRef(name="Borealis Foods", domain="borealis-foods.example")
    assert lead.author == PersonRef(name="Robin Weber", email="robin@lead.example")
    assert lead.attributes["channel"] == "Web"
    assert lead.attributes["converted"] is True


@pytest.mark.parametrize(
    ("changes", "kind", "severity", "status"),
    [
        ({}, "support.ticket.opened", Severity.MEDIUM, Status.OPEN),
        ({"Id": "x", "Status": "Working"}, "support.ticket.updated", Severity.MEDIUM, Status.OPEN),
        ({"Id": "x", "IsEscalated": True}, "support.escalation", Severity.HIGH, Status.OPEN),
        ({"Id": "x", "IsClosed": True}, "support.ticket.solved", None, Status.RESOLVED),
    ],
)
async def test_the_kind_of_a_case_follows_its_state(
    changes: dict[str, Any], kind: str, severity: Severity | None, status: Status
) -> None:
    first = {"object": "Case", "Id": "x", "at": NINE}
    found = await read(first, *([first | changes | {"at": TEN}] if changes else []))
    case = found["case/x"]
    assert (case.kind, case.severity, case.status) == (kind, severity, status)
    assert case.occurred_at.hour == (10 if changes else 9)
    assert case.author == PersonRef(name="Robin Weber", email="robin@acme.example")


async def test_of_a_case_without_contact_the_one_who_wrote_is_named() -> None:
    supplied = {"SuppliedName": "Kim", "SuppliedEmail": "kim@x.example"}
    nobody = {"Contact": None, "Account": None, "Owner": None, "Subject": None}
    found = await read({"object": "Case", "Id": "x", **nobody, **supplied})
    case = found["case/x"]
    assert case.author == PersonRef(name="Kim", email="kim@x.example")
    assert (case.account, case.owner, case.title) == (None, None, "Case 00000001")


async def test_users_come_and_go_if_they_are_asked_for() -> None:
    twin = Twin()
    twin.emit({"object": "User", "Id": "u", "at": NINE})
    async with polling(twin) as source:
        assert await source.fresh() == []
    async with polling(twin, objects=["User"]) as source:
        [joined] = await source.fresh()
        twin.emit({"object": "User", "Id": "u", "IsActive": False, "at": TEN})
        [left] = await source.fresh()
    assert (joined.kind, left.kind) == ("people.hire", "people.departure")
    assert left.occurred_at.hour == 10


async def test_a_deleted_record_is_withdrawn_and_repeats_no_text() -> None:
    twin = Twin()
    for name in ("Opportunity", "Lead", "Case"):
        twin.emit({"object": name, "Id": name, "Name": "My salary", "Subject": "My salary"})
    async with polling(twin) as source:
        assert len(await source.fresh()) == 3
        for name in ("Opportunity", "Lead", "Case"):
            twin.emit({"object": name, "Id": name, "IsDeleted": True})
        gone = await source.fresh()
    assert len(gone) == 3
    for draft in gone:
        assert draft.status is Status.DELETED
        assert draft.kind in Salesforce.kinds
        assert "salary" not in draft.model_dump_json()


async def test_what_the_system_changes_is_seen_and_what_shows_nothing_is_no_new_version() -> None:
    twin = Twin()
    twin.emit({"at": NINE})
    async with polling(twin) as source:
        await source.poll()
        twin.emit({"Id": BY_ID, "Amount": 7, "system": True, "at": TEN})
        [changed] = await source.fresh()
        assert changed.attributes["amount"] == 7
        assert len(source.stored) == 2
        twin.emit({"Id": BY_ID, "Unseen__c": 1, "system": True, "at": TEN})
        await source.poll()
        assert len(source.stored) == 2


async def test_a_transaction_that_comes_in_late_is_not_lost() -> None:
    twin = Twin()
    twin.emit({"Id": "late", "at": TEN})
    late = twin.objects["Opportunity"].pop("late")
    twin.emit({"Id": "quick", "at": "2026-05-04T10:04:00+00:00"})
    async with polling(twin) as source:
        await source.poll()
        twin.objects["Opportunity"]["late"] = late  # it was stamped when it began
        assert "opportunity/late" in {draft.external_id for draft in await source.fresh()}


@pytest.mark.parametrize("size", [1, 2, 3, 2000])
async def test_records_that_share_a_second_come_whatever_the_page(size: int) -> None:
    twin = Twin(page=size)
    for number in range(1, 8):
        twin.emit({"number": number, "at": NINE})
    async with polling(twin, objects=["Opportunity"]) as source:
        assert len(await source.poll()) >= -(-7 // size)
        assert len(source.stored) == 7
    async with polling(twin) as source:
        for _ in range(40):
            await source.poll(stop_after=1)  # the process dies after each page
        assert len(source.current) == 7


async def test_where_the_rest_of_a_query_is_forgotten_it_is_asked_anew() -> None:
    twin = Twin(page=2)
    for number in range(1, 6):
        twin.emit({"number": number, "at": NINE})
    async with polling(twin) as source:
        await source.poll(stop_after=1)
        twin.forget()
        await source.poll()
        assert len(source.current) == 5


async def test_the_query_says_what_soql_can_read() -> None:
    settings = {"url": "https://acme.my.salesforce.com", "client_id": "x", "client_secret": "y"}
    connector = Salesforce.model_validate(settings | {"reason_field": "Why__c"})
    since = datetime(2026, 5, 1, 7, 25, 37, 900000, tzinfo=UTC)
    asked = connector._query("Opportunity", since)
    assert " FROM Opportunity WHERE SystemModstamp >= 2026-05-01T07:25:37Z ORDER BY " in asked
    assert "Why__c" in asked
    assert "Why__c" not in connector._query("Lead", None)
    assert "WHERE" not in connector._query("Lead", None)
    for wrong in ({"reason_field": "Name FROM User--"}, {"api_version": "../v1"}):
        with pytest.raises(ValidationError):
            Salesforce.model_validate(settings | wrong)


async def test_the_first_sync_begins_where_it_is_told() -> None:
    found = await read({"number": 1, "at": NINE}, {"number": 2, "at": TEN}, since=TEN)
    assert len(found) == 1


async def test_it_signs_in_by_client_credentials_and_again_when_the_session_ends() -> None:
    twin = Twin()
    async with polling(twin) as source:
        await source.poll()
        assert len(twin.tokens) == 1
        twin.tokens.clear()  # after two hours without a request, or whatever the organisation says
        await source.poll()
        assert len(twin.tokens) == 1


async def test_a_wrong_secret_stops_the_source() -> None:
    async with polling(Twin(), client_secret="stolen-secret") as source:
        with pytest.raises(AuthFailed, match="invalid client credentials") as refused:
            await source.poll()
    assert "stolen" not in str(refused.value) + repr(source.connector)


def test_with_a_refresh_token_it_signs_in_by_that() -> None:
    given = Twin().settings("https://acme.my.salesforce.com/") | {"refresh_token": "5Aep861"}
    endpoint = Salesforce.model_validate(given).endpoint()
    assert isinstance(endpoint, Http)
    assert isinstance(endpoint.auth, RefreshToken)
    assert endpoint.auth.token_url == "https://acme.my.salesforce.com/services/oauth2/token"


async def test_a_used_up_quota_is_a_limit_and_a_closed_api_a_refusal() -> None:
    twin = Twin()
    async with polling(twin) as source:
        twin.used = twin.allowed
        with pytest.raises(RateLimited, match="TotalRequests Limit exceeded"):
            await source.poll()


async def test_a_field_that_is_not_there_is_named() -> None:
    twin = Twin()
    async with polling(twin, reason_field="Nowhere__c") as source:
        with pytest.raises(SourceMisbehaved, match="No such column 'Nowhere__c'"):
            await source.poll()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "q=SELECT Id FROM Opportunity",
        "q=SELECT Id FROM Opportunity WHERE SystemModstamp >= 2026-05-01T07:25:37%2B00:00 ORDERED",
        "q=SELECT Nothing FROM Opportunity ORDERED",
        "q=SELECT Id FROM Opportunity ORDERED&page=2",
    ],
)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(query: str) -> None:
    twin = Twin()
    twin.tokens.add("t")
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        query = query.replace("ORDERED", "ORDER BY SystemModstamp ASC, Id ASC")
        path = f"{url}/services/data/{VERSION}/queryAll?{query}"
        answer = await client.get(path, headers={"Authorization": "Bearer t"})
        assert answer.status_code == 400
        assert (await client.get(path)).status_code == 401
