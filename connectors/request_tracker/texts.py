"""Request Tracker: what each ticket was opened with."""

import html
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from hub.connector import Api

Row: TypeAlias = Mapping[str, Any]

PAGE = 100  # https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html#Paging
_LONGEST_TEXT = 50_000  # times a page of tickets: what one answer may hold


async def texts_of(api: Api, tickets: Collection[str]) -> dict[str, str]:
    """Read what each ticket was opened with: a text that is no attached file, plain before HTML."""
    if not tickets:
        return {}
    which = " OR ".join(f"ObjectId = {one}" for one in tickets)
    query = f"ObjectType = 'RT::Ticket' AND Type = 'Create' AND ({which})"
    opened = await api.get("/transactions", query=query, fields="ObjectId", per_page=PAGE)
    ticket_of = {row["id"]: row["ObjectId"] for row in opened["items"] if row["id"]}
    candidates: list[Row] = []
    page, more = 1, bool(ticket_of)
    while more:
        body = await _attachments(
            api,
            {"TransactionId": ticket_of, "ContentType": ("text/plain", "text/html")},
            f"fields=ContentType,TransactionId,Filename,Headers&orderby=id&page={page}",
        )
        # To a superuser alone it counts the pages, and nobody else learns which is the last.
        more = bool(body["items"]) if body["pages"] is None else page < body["pages"]
        page += 1
        candidates += (
            part
            for part in body["items"]
            if part["TransactionId"] in ticket_of and number_of(part, "id") and _is_readable(part)
        )
    candidates.sort(key=lambda part: (part["ContentType"] != "text/plain", int(part["id"])))
    chosen: dict[str, Row] = {}
    for part in candidates:
        chosen.setdefault(ticket_of[part["TransactionId"]], part)
    if not chosen:
        return {}
    ids = [part["id"] for part in chosen.values()]
    body = await _attachments(api, {"id": ids}, "fields=ContentType,Content")
    said = {one["id"]: _plain(one["ContentType"], one["Content"] or "") for one in body["items"]}
    return {ticket: said[part["id"]] for ticket, part in chosen.items() if part["id"] in said}


async def _attachments(api: Api, wanted: Mapping[str, Collection[str]], options: str) -> Any:
    # https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html#JSON-searches
    conditions = [
        {"field": name, "value": value} for name, values in wanted.items() for value in values
    ]
    return await api.post(f"/attachments?{options}&per_page={PAGE}", conditions)


def number_of(row: Row, name: str) -> int | None:
    """Read an id; None of a row that has none, which is set aside when it is read."""
    value = row.get(name)
    return int(str(value)) if str(value).isdigit() else None


def _is_readable(part: Row) -> bool:
    lengths = re.findall(r"^Content-Length: (\d+)", part["Headers"] or "", re.MULTILINE)
    return not part["Filename"] and max(map(int, lengths), default=0) <= _LONGEST_TEXT


def _plain(content_type: str, text: str) -> str:
    if content_type != "text/html":
        return text
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"<(?:br|/p|/div|/li|/tr|/h\d|/blockquote)\b[^<>]*> ?", "\n", text)
    return html.unescape(re.sub(r"<[^<>]*>", "", text)).strip()
