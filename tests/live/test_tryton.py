"""Opportunities of a real CRM, Tryton, read by the hub through `rest`: by hub.toml alone."""

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.hub import reading
from tests.live.tryton import Salesperson, Tryton

pytestmark = pytest.mark.live

ORDER = base64.urlsafe_b64encode(json.dumps([["id", "ASC"]]).encode()).decode()
# https://docs.tryton.org/latest/server/topics/user_application.html: a list that tells what exists
# now. It cannot be asked for what changed, so it is compared with what it was.
SOURCE = """
connector = "rest"
url = "{url}/live/rest/model"
auth = {{ header = "Authorization", value = "bearer ${{TRYTON_KEY}}" }}
per_minute = 600

[sources.live.streams.opportunities]
path = "sale.opportunity"
paging = {{ by = "offset", parameter = "p", size_parameter = "s", size = 2 }}
cursor = {{ family = "snapshot", gone = {{ status = "deleted" }} }}
[sources.live.streams.opportunities.params]
o = "{order}"
f = [
  "description", "comment", "state", "amount", "lost_reason", "party.name", "employee.party.name",
]

[sources.live.streams.opportunities.fields]
id = "opportunity/{{id}}"
title = ["{{description}} for {{party.name}}", "$.description", "Opportunity {{id}}"]
summary = "$.comment"
account = "$.party.name"
owner = "$.employee.party.name"
labels = "$.state"
attributes = {{ reason = "$.lost_reason", amount = "$.amount.decimal" }}

[sources.live.streams.opportunities.fields.kind]
path = "$.state"
default = "sales.deal.stage"
[sources.live.streams.opportunities.fields.kind.map]
lead = "sales.lead.created"
opportunity = "sales.deal.created"
converted = "sales.deal.won"
lost = "sales.deal.lost"

[sources.live.streams.opportunities.fields.status]
path = "$.state"
map = {{ lead = "open", opportunity = "open" }}
default = "resolved"
"""


@pytest.fixture(scope="module")
def sales(tryton: Tryton) -> Iterator[Salesperson]:
    with Salesperson(tryton.url) as sales:
        yield sales


def source(tryton: Tryton) -> str:
    return SOURCE.format(url=tryton.url, order=ORDER)


async def test_an_opportunity_is_opened_grows_and_is_lost(
    tryton: Tryton, sales: Salesperson, tmp_path: Path
) -> None:
    customer = f"Acme {uuid.uuid4().hex[:8]}"
    others = [sales.open(f"Other {number}", customer) for number in range(4)]  # several pages
    number = sales.open("Renewal", customer)
    key = f"opportunity/{number}"
    async with reading(tmp_path, source(tryton), {"TRYTON_KEY": sales.key()}) as hub:
        shown = await hub.shows(key, title=f"Renewal for {customer}", status="OPEN")
        assert (shown["kind"], shown["department"]) == ("sales.lead.created", "SALES")
        assert shown["account"]["name"] == customer
        assert shown["owner"]["name"] == "Sam Sales"
        assert {f"opportunity/{one}" for one in others} <= (await hub.signals()).keys()

        amount = {"__class__": "Decimal", "decimal": "48000"}
        sales.change(number, amount=amount)
        shown = await hub.shows(key, attributes={"amount": "48000"})
        sales.do("sale.opportunity", "opportunity", [number])
        await hub.shows(key, kind="sales.deal.created")
        sales.change(number, lost_reason="The price", description="Renewal, two years")
        sales.do("sale.opportunity", "lost", [number])
        shown = await hub.shows(key, kind="sales.deal.lost", status="RESOLVED")
        assert shown["title"] == f"Renewal, two years for {customer}"
        assert shown["attributes"] == {"amount": "48000", "reason": "The price"}
        assert len(shown["history"]["edges"]) >= 4


async def test_a_deleted_opportunity_takes_its_words_along(
    tryton: Tryton, sales: Salesperson, tmp_path: Path
) -> None:
    words = f"canary-{uuid.uuid4().hex}"
    number = sales.open(words, "Globex")
    key = f"opportunity/{number}"
    async with reading(tmp_path, source(tryton), {"TRYTON_KEY": sales.key()}) as hub:
        await hub.shows(key, title=f"{words} for Globex")
        sales.do("sale.opportunity", "cancel", [number])
        sales.do("sale.opportunity", "delete", [number])
        shown = await hub.shows(key, status="DELETED", body=None)
        assert shown["account"] is None
        assert not hub.keeps(words)


async def test_a_key_that_was_withdrawn_is_told_to_the_owner_and_another_goes_on(
    tryton: Tryton, sales: Salesperson, tmp_path: Path
) -> None:
    number = sales.open("By another key", "Initech")
    async with reading(tmp_path, source(tryton), {"TRYTON_KEY": "canary-withdrawn"}) as hub:
        found = await hub.state("AUTH_FAILED")
        assert "401" in found["lastError"]
        assert "canary-withdrawn" not in found["lastError"]
    async with reading(tmp_path, source(tryton), {"TRYTON_KEY": sales.key()}) as hub:
        await hub.shows(f"opportunity/{number}", title="By another key for Initech")
