"""HubSpot: deals in the order of their changes become signals, past every limit of its search."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.twins.hubspot import Twin
from hub.connector import AccountRef, AuthFailed, PersonRef, SourceMisbehaved
from hub.http import Clients
from tests.connectors.polling import poller, polling
from tests.examples import examples
from tests.servers import serve

NINE = "2026-05-04T09:00:00.250Z"
TEN = "2026-05-04T10:00:00.500Z"
ACME = {"name": "Acme Robotics", "domain": "acme-robotics.example"}


async def test_a_deal_that_is_won_tells_how_much_for_whom_by_whom_and_why() -> None:
    twin = Twin(page=1)  # of owners too
    twin.emit({"object": "owners", "id": 5, "firstName": "Ada", "lastName": None, "email": "a@b.c"})
    deal = {"dealname": "Arms for line 4", "amount": "12500.50", "deal_currency_code": "USD"}
    deal |= {"closed_won_reason": "Support", "competitor": "Servo", "hubspot_owner_id": "5"}
    twin.emit({"id": 9, "properties": deal, "company": ACME, "at": NINE})
    async with polling(twin) as source:
        await source.poll()
    draft = source.current["deal/9"]
    assert (draft.kind, draft.title) == ("sales.deal.won", "Deal won: Arms for line 4")
    assert draft.occurred_at == draft.revised_at == datetime.fromisoformat(NINE)
    assert draft.revision == NINE
    assert draft.account == AccountRef(**ACME)
    assert draft.owner == PersonRef(name="Ada", email="a@b.c")
    assert draft.url == "https://app.hubspot.example/contacts/1/record/deals/9"
    where = {"stage": "Closed Won", "pipeline": "Sales Pipeline", "channel": "ORGANIC_SEARCH"}
    what = {"amount": 12500.5, "currency": "USD", "type": "newbusiness"}
    assert draft.attributes == where | what | {"reason": "Support", "competitor": "Servo"}


async def test_one_signal_moves_with_its_stage_and_nothing_new_moves_nothing() -> None:
    twin = Twin()
    async with polling(twin, leads=None, currency="CHF") as source:
        assert await source.fresh() == await source.fresh() == []
        deal = {"id": 3, "name": "Pilot", "deal_currency_code": None, "at": NINE}
        twin.emit(deal | {"dealstage": "qualifiedtobuy"})
        [created] = await source.fresh()
        before = source.cursor
        assert await source.fresh() == [created]  # the overlap: read again, stored once
        assert source.cursor == before
        twin.emit({"id": 3, "dealstage": "contractsent", "at": TEN})
        await source.poll()
        twin.emit({"id": 3, "dealstage": "closedlost", "closed_lost_reason": "Price", "at": TEN})
        await source.poll()
    opened, moved, lost = source.stored.values()
    kinds = ["sales.deal.created", "sales.deal.stage", "sales.deal.lost"]
    assert [draft.kind for draft in (opened, moved, lost)] == kinds
    assert moved.title == "Deal moved to Contract Sent: Pilot"
    happened = [datetime.fromisoformat(when) for when in (NINE, TEN)]
    assert [opened.occurred_at, moved.occurred_at] == happened
    assert (lost.summary, lost.attributes["currency"]) == ("Price", "CHF")
    assert source.current == {"deal/3": lost}


async def test_a_close_date_ahead_is_not_when_it_was_won_and_without_one_the_change_is() -> None:
    twin = Twin()
    twin.emit({"id": 1, "closedate": "2027-01-31T00:00:00Z", "at": NINE})
    twin.emit({"id": 2, "closedate": None, "at": NINE})
    twin.emit({"id": 3, "closedate": "2026-05-01T00:00:00Z", "at": NINE})
    async with polling(twin) as source:
        await source.poll()
    happened = [source.current[f"deal/{number}"].occurred_at for number in (1, 2, 3)]
    assert happened == [*[datetime.fromisoformat(NINE)] * 2, datetime(2026, 5, 1, tzinfo=UTC)]


async def test_of_several_companies_the_primary_one_is_the_account() -> None:
    twin = Twin()
    twin.emit({"id": 1, "company": ACME})
    twin.emit({"id": 2, "company": None})
    twin.emit({"id": 3, "company": {"name": None, "domain": "nameless.example"}})
    other = twin.emit({"object": "companies", "name": "Reseller", "domain": "reseller.example"})
    twin.companies_of["1"].insert(0, other["id"])
    async with polling(twin) as source:
        await source.poll()
    accounts = [source.current[f"deal/{number}"].account for number in (1, 2, 3)]
    nameless = AccountRef(name="nameless.example", domain="nameless.example")
    assert accounts == [AccountRef(**ACME), None, nameless]


async def test_a_lead_tells_who_and_where_from() -> None:
    twin = Twin()
    lead = {"hs_lead_name": "Jo Park", "hs_lead_label": "HOT", "hs_lead_source": "WEBINAR"}
    contact = {"firstname": "Jo", "lastname": "Park", "email": "jo@acme-robotics.example"}
    lead |= {f"hs_associated_contact_{name}": value for name, value in contact.items()}
    twin.emit({"object": "leads", "id": 8, "properties": lead, "company": ACME, "at": NINE})
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.kind, draft.title) == ("sales.lead.created", "New lead: Jo Park")
    assert draft.occurred_at == datetime.fromisoformat(NINE)
    assert draft.author == PersonRef(name="Jo Park", email="jo@acme-robotics.example")
    assert draft.account == AccountRef(**ACME)
    assert draft.attributes == {"label": "HOT", "channel": "WEBINAR"}


async def test_nulls_unknown_fields_and_a_stage_that_nobody_lists_are_no_trouble() -> None:
    twin = Twin()
    nulls = "dealname amount pipeline hubspot_owner_id closedate dealtype createdate"
    nulls += " deal_currency_code hs_analytics_source hs_v2_date_entered_current_stage"
    deal = twin.emit({"id": 1, "dealstage": "qualifiedtobuy", "company": None, "at": NINE})
    deal["properties"] |= dict.fromkeys(nulls.split()) | {"dealstage": "gone"}
    deal["hs_new_thing"] = {"deep": [None]}
    async with polling(twin) as source:
        [draft] = await source.fresh()
    assert (draft.title, draft.account, draft.owner) == ("Deal opened: no name", None, None)
    assert draft.attributes == {"stage": "gone"}


async def test_a_bad_record_is_set_aside_and_its_page_goes_on() -> None:
    twin = Twin(page=2)
    for number in range(1, 5):
        twin.emit({"id": number, "at": NINE})
    twin.objects["deals"]["2"]["properties"]["amount"] = "a lot"
    twin.objects["deals"]["3"]["properties"]["createdate"] = "yesterday"
    async with polling(twin) as source:
        await source.poll()
    assert source.current.keys() == {"deal/1", "deal/4"}
    assert {bad.external_id for bad in source.bad} == {"2", "3"}


def at(milliseconds: int) -> str:
    return (datetime(2026, 5, 4, tzinfo=UTC) + timedelta(milliseconds=milliseconds)).isoformat()


async def test_more_deals_than_a_search_may_give_are_read_all_the_same() -> None:
    twin = Twin(most=300)
    for number in range(1, 1001):
        twin.emit({"id": number, "company": None, "at": at(number // 3)})
    async with polling(twin, leads=None) as source:
        await source.poll()
    assert len(source.stored) == 1000
    assert len(source.drafts) < 1040  # what ties at the border of two pages is read twice


async def test_a_bulk_edit_of_more_deals_than_a_search_may_give_is_walked_by_id() -> None:
    twin = Twin(most=150)
    # As strings "7198" < "719869649082" < "72": to go on at "7199" would leave one out.
    numbers = {7198, 719869649082, 72, *range(7300, 7700)}
    for number in numbers:
        twin.emit({"id": number, "company": None, "at": NINE})
    twin.emit({"id": 1, "company": None, "at": NINE.replace("250", "251")})
    async with polling(twin, leads=None) as source:
        await source.poll()
    assert source.current.keys() == {f"deal/{number}" for number in {1, *numbers}}


@pytest.mark.parametrize(
    ("place", "known"),
    [
        ({"modified": 5, "id": None, "after": "0", "ended": True}, set(range(1, 9))),
        ({"modified": 5, "id": None, "after": "0", "ended": False}, {5, 6, 7, 8}),
        ({"modified": 5, "id": None, "after": "1", "ended": False}, {6, 7, 8}),
        ({"modified": 5, "id": "5", "after": "0", "ended": False}, {55, 6, 7, 8}),
    ],
)
async def test_a_cursor_of_the_first_release_is_read_on(
    place: dict[str, Any], known: set[int]
) -> None:
    twin = Twin(page=200)
    for number in sorted({*range(1, 9), *({55} if 55 in known else ())}, key=str):
        twin.emit({"id": number, "at": at(min(number, 5) if number == 55 else number)})
    begin = round(datetime(2026, 5, 4, tzinfo=UTC).timestamp() * 1000)
    async with polling(twin, leads=None) as source:
        source.cursor = {"deals": place | {"modified": begin + place["modified"]}, "turn": "deals"}
        await source.poll()
        assert source.current.keys() == {f"deal/{number}" for number in known}
        resting = source.cursor
        twin.emit({"id": 9, "at": at(9)})
        await source.poll()
    assert "deal/9" in source.current
    assert resting.keys() == {"deals"}


@pytest.mark.parametrize("size", [1, 2, 5, 200])
async def test_pages_of_any_size_bring_the_same_and_every_cursor_resumes(size: int) -> None:
    twin = Twin(page=size)
    for number in range(1, 8):
        twin.emit({"id": number, "at": at(number // 3)})
        twin.emit({"object": "leads", "id": number, "at": NINE})
    async with serve(twin.app) as url, Clients() as clients:
        whole, broken = (poller(twin, url, clients) for _ in range(2))
        await whole.poll()
        for _ in range(60):
            await broken.poll(stop_after=1)  # the process dies after each page
    assert len(whole.stored) == len(broken.stored) == 14


async def test_a_short_or_empty_page_is_not_the_end() -> None:
    twin = Twin(page=3)
    for number in range(1, 20):
        twin.emit({"id": number, "at": at(number)})
    twin.hidden = {str(number) for number in range(1, 20)} - {"5", "12", "19"}
    async with polling(twin) as source:
        await source.poll()
    assert source.current.keys() == {"deal/5", "deal/12", "deal/19"}


async def test_a_deal_that_is_edited_while_its_page_is_read_pushes_none_past_the_reader() -> None:
    twin = Twin(page=2)
    for number in range(1, 9):
        twin.emit({"id": number, "at": at(number)})
    async with polling(twin, leads=None) as source, source.opened() as api:
        async for page in source.connector.pull(api, {}):
            source.cursor = page.cursor
            source.stored |= {(one.external_id, one.revision): one for one in page.drafts}
            if len(source.stored) == 2:
                twin.emit({"id": 1, "amount": 1, "at": NINE})
    assert {about for about, _ in source.stored} == {f"deal/{number}" for number in range(1, 9)}
    assert ("deal/1", NINE) in source.stored


async def test_what_the_index_learns_late_is_found_by_the_overlap() -> None:
    twin = Twin()
    twin.emit({"id": 1, "at": at(0)})
    twin.emit({"id": 2, "at": at(90_000)})
    twin.unindexed.add("1")
    async with polling(twin, leads=None) as source:
        assert [draft.external_id for draft in await source.fresh()] == ["deal/2"]
        twin.unindexed.clear()
        await source.poll()
    assert source.current.keys() == {"deal/1", "deal/2"}


async def test_a_deleted_deal_does_not_take_the_watermark_back() -> None:
    twin = Twin()
    twin.emit({"id": 1, "at": NINE})
    twin.emit({"id": 2, "at": TEN})
    async with polling(twin) as source:
        await source.poll()
        before = source.cursor
        twin.emit({"id": 2, "archived": True, "at": TEN})
        assert await source.fresh() == []
        assert source.cursor == before


async def test_the_first_sync_begins_where_it_is_told() -> None:
    twin = Twin()
    for number, when in enumerate((NINE, TEN)):
        twin.emit({"id": number, "at": when})
    async with polling(twin, since=TEN) as source:
        await source.poll()
    assert source.current.keys() == {"deal/1"}


async def test_owners_without_end_are_an_error_and_no_loop() -> None:
    async with polling(Twin(page=0)) as source:
        with pytest.raises(SourceMisbehaved, match="does not end"):
            await source.poll()


async def test_a_wrong_token_stops_the_source_and_says_why() -> None:
    async with polling(Twin(), token="stolen") as source:
        with pytest.raises(AuthFailed, match="Authentication credentials not found") as refused:
            await source.poll()
        assert "stolen" not in str(refused.value) + repr(source.connector)


WRONG = (
    {"page": 2},
    {"limit": 201},
    {"after": 100},
    {"after": "9901", "limit": 100},
    {"sorts": [{"propertyName": "amount"}, {"propertyName": "dealname"}]},
    {"filterGroups": [{"filters": [{"propertyName": "x", "operator": "LIKE", "value": "1"}]}]},
)


@pytest.mark.parametrize("body", WRONG)
async def test_the_twin_refuses_what_the_vendor_does_not_describe(body: dict[str, Any]) -> None:
    twin = Twin()
    async with serve(twin.app) as url, httpx2.AsyncClient() as client:
        client.headers["Authorization"] = f"Bearer {twin.token}"
        path = f"{url}/crm/v3/objects/deals/search"
        refused = await client.post(path, json=body)
        allowed = await client.post(path, json={"limit": 100, "after": "0"})
    assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")
    assert allowed.json() == {"total": 0, "results": []}


def test_a_title_is_enough_for_a_deal_won_and_an_unknown_stage_is_said() -> None:
    says = Twin().emit({"title": "The big one"})["properties"]
    assert (says["dealname"], says["dealstage"]) == ("The big one", "closedwon")
    with pytest.raises(ValueError, match="no stage 'won'"):
        Twin().emit({"dealstage": "won"})


kinds, numbers, polls = st.sampled_from(["deals", "leads"]), st.integers(1, 5), st.booleans()
stages = st.sampled_from(["qualifiedtobuy", "contractsent", "closedwon", "closedlost"])
events = st.tuples(kinds, numbers, stages, st.sampled_from([0, 1, 200_000]), polls)


@examples(10)
@given(history=st.lists(events, max_size=14), size=st.integers(1, 4))
def test_however_the_polls_fall_the_same_is_known_in_the_end(
    history: list[tuple[str, int, str, int, bool]], size: int
) -> None:
    async def check() -> None:
        twin, passed = Twin(page=size), 0
        made: set[tuple[str, str]] = set()
        async with serve(twin.app) as url, Clients() as clients:
            often, once = (poller(twin, url, clients) for _ in range(2))
            for kind, number, stage, milliseconds, polled in history:
                passed += milliseconds
                record = {"object": kind, "id": number, "at": at(passed)}
                written = twin.emit(record | ({"dealstage": stage} if kind == "deals" else {}))
                made.add((f"{kind[:-1]}/{number}", written["updatedAt"]))
                if polled:
                    await often.poll(stop_after=1)
            await often.poll()
            await often.poll()  # the one before may have resumed at the leads
            await once.poll()
        assert once.stored.items() <= often.stored.items()
        assert often.stored.keys() <= made
        assert often.current == once.current
        assert not often.bad

    asyncio.run(check())
