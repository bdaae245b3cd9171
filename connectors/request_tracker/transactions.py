"""Request Tracker: its transactions, by their ids."""

from datetime import datetime
from typing import Any

from connectors.request_tracker.texts import PAGE, Row, number_of
from hub.connector import Api, Batch, Cursor, SourceMisbehaved, utc

TYPES = ("Create", "Correspond", "Status")
FIELDS = ("Subject", "Priority", "Queue", "Owner", "Requestor", "MergedInto")
_WANTED = " OR ".join(
    [*(f"Type = '{one}'" for one in TYPES), *(f"Field = '{one}'" for one in FIELDS)]
)


async def transactions_after(api: Api, which: str) -> Batch:
    """Read the next of them that the account may see; RT hides the others after it cut the page."""
    page, newest = 1, 0
    while True:
        body = await _listed(api, which, order="ASC", page=page)
        rows, pages = body["items"], body["pages"]
        # It counts pages for a superuser alone; others go on until nothing comes.
        more = pages is None or page < pages
        if rows or not more:
            if rows and not any(str(row.get("id")).isdigit() for row in rows):
                raise SourceMisbehaved("RT's transactions have no ids")
            return Batch(rows, more or None)
        if pages is None and not newest:
            last = (await _listed(api, which, order="DESC", page=1))["items"]
            newest = max((number_of(row, "id") or 0 for row in last), default=0)
            if not newest:
                return Batch([])  # from neither end is there anything to see
            continue  # it may have come since this page was asked for
        if pages is None and (page - 1) * int(body.get("per_page") or PAGE) > newest:
            return Batch([])  # so many rows there cannot be: what was seen is hidden by now
        page += 1


async def _listed(api: Api, which: str, **asked: Any) -> Any:
    # https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html#Transactions
    return await api.get(
        "/transactions",
        query=f"ObjectType = 'RT::Ticket' AND ({_WANTED}) AND {which}",
        fields="Type,Created,Creator,ObjectId,Field,OldValue,NewValue",
        orderby="id",
        per_page=PAGE,
        **asked,
    )


def name_of(row: Row) -> str:
    return str(row["id"])


def made_at(row: Row) -> datetime:
    return utc(row["Created"])


def place_of(cursor: Cursor) -> Cursor:
    """Read the cursor of the family, or what version 0.1.0 wrote."""
    if "settled" not in cursor:
        return cursor
    settled = cursor["settled"]
    return {**({"after": str(settled)} if settled else {}), "read": cursor.get("read", [])}
