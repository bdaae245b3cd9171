"""A search of HubSpot's CRM: what changed since a moment, or at one, and where a walk stands.

A search answers 10,000 results at most, counts its pages as offsets and sorts by one property. A
record that is edited while one pages would shift the others past the reader, so each page is a new
search from the newest change read; and where more changed in one millisecond than a page holds, as
bulk edits do, those are walked by their ids.
https://github.com/airbytehq/airbyte/issues/43317
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hub.connector import Cursor, Json, ModifiedSince, SourceMisbehaved, utc

PAGE = 100  # a search gives 200, but a batch read takes 100: a page's companies are one read
_MODIFIED, _ID = "hs_lastmodifieddate", "hs_object_id"
CHANGES = ModifiedSince(timedelta(minutes=2), cap=10_000, moving=True)


def since(modified: datetime | None, place: Json, properties: Sequence[str]) -> dict[str, Any]:
    """Search what was modified at a moment or later; `place` counts the results before."""
    bound = {"propertyName": _MODIFIED, "operator": "GTE", "value": _milliseconds(modified)}
    return _search([bound], _MODIFIED, properties) | {"after": str(place or 0)}


def at(modified: datetime, after: Json, properties: Sequence[str]) -> dict[str, Any]:
    """Search what was modified at one moment, after this id. Ids are sorted as strings."""
    moment = {"propertyName": _MODIFIED, "value": _milliseconds(modified)}
    bounds = [moment | {"operator": "GTE"}, moment | {"operator": "LTE"}]
    bounds += [{"propertyName": _ID, "value": _place(after)[0], "operator": "GT"}]
    return _search(bounds, _ID, properties) | {"after": _place(after)[1]}


def onward(records: Sequence[Any], following: str | None, after: Json) -> Json:
    """Say where `at` goes on: after the last id read; of an empty page, further on."""
    if following is None:
        return None
    ids = [stamp[1] for record in records if (stamp := stamp_of(record))]
    return [ids[-1], "0"] if ids else [_place(after)[0], following]


def _place(after: Json) -> tuple[str, str]:
    last, offset = after if isinstance(after, list) else ("0", "0")
    return str(last), str(offset)


def _search(bounds: Sequence[Any], by: str, properties: Sequence[str]) -> dict[str, Any]:
    # https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm
    return {
        "filterGroups": [{"filters": list(bounds)}],
        "sorts": [{"propertyName": by, "direction": "ASCENDING"}],
        "properties": list(properties),
        "limit": PAGE,
    }


def _milliseconds(at: datetime | None) -> str:
    return str(max(round(at.timestamp() * 1000), 0)) if at else "0"


def parts(cursor: Cursor) -> Cursor:
    """Read also a cursor of 0.1.0: for each list a time in milliseconds, an id or an offset."""
    return {
        name: _part(part) if isinstance(part, dict) and "modified" in part else part
        for name, part in cursor.items()
        if name != "turn"
    }


def _part(old: Mapping[str, Any]) -> dict[str, Json]:
    reached = utc(old["modified"] / 1000)
    begin: dict[str, Json] = {"since": max(reached - CHANGES.overlap, utc(0)).isoformat()}
    if old.get("ended"):
        return begin
    walk = begin | {"window": reached.isoformat(), "newest": reached.isoformat()}
    after = str(old.get("after") or "0")
    if old.get("id") is not None:
        return walk | {"tied": True, "next": [str(old["id"]), after]}
    return walk | ({} if after == "0" else {"next": after})


def stamp_of(record: Any) -> tuple[datetime, str] | None:
    """Read when a record was modified, and its id; None of one that cannot be read anyway."""
    try:
        return modified_at(record), str(record["id"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def modified_at(record: Any) -> datetime:
    return utc(record["properties"][_MODIFIED])


def read_list(body: Any) -> tuple[list[Any], str | None]:
    """Take the results of an answer, and what to send as `after` for the next, if there is one."""
    if not isinstance(body, Mapping) or not isinstance(body.get("results"), list):
        raise SourceMisbehaved("HubSpot's answer has no list of results")
    return body["results"], ((body.get("paging") or {}).get("next") or {}).get("after")
