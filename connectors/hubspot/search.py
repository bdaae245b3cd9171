"""A search of HubSpot's CRM, walked from the record that was read last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.connector import SourceMisbehaved, utc

PAGE = 100  # a search gives 200, but a batch read takes 100: a page's companies are one read


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk through one kind of records stands.

    A search answers 10,000 results at most, counts its pages as offsets and sorts by one
    property. A record that is edited while one pages would shift the others past the reader. So
    each page is a new search from the last record read; and where more were modified in one
    millisecond than a page holds, as bulk edits do, those are walked by their ids.
    https://github.com/airbytehq/airbyte/issues/43317
    """

    modified: int
    """In milliseconds: what was modified before is read."""
    id: str | None = None
    """Of what was modified just then, all up to this id. Ids are sorted as strings."""
    after: str = "0"
    ended: bool = False

    def search(self, *properties: str) -> dict[str, Any]:
        # https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm
        modified = {"propertyName": "hs_lastmodifieddate", "value": str(self.modified)}
        filters, by = [modified | {"operator": "GTE"}], "hs_lastmodifieddate"
        if self.id is not None:
            by, modified = "hs_object_id", modified | {"operator": "LTE"}
            filters += [modified, {"propertyName": by, "value": self.id, "operator": "GT"}]
        return {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": by, "direction": "ASCENDING"}],
            "properties": properties,
            "limit": PAGE,
            "after": self.after,
        }

    def onward(self, records: Sequence[Any], following: str | None, reached: int) -> "Place":
        """Say where the page after these `records` begins; only without `following` is none."""
        stamps = [stamp for record in records if (stamp := stamp_of(record))]
        if self.id is not None:
            if following is None:
                return Place(self.modified + 1)
            if stamps:
                return Place(self.modified, stamps[-1][1])
        else:
            latest = max((modified for modified, _ in stamps), default=self.modified)
            if following is None:
                return Place(max(latest, reached), ended=True)
            if latest > self.modified:
                return Place(latest)
            if stamps:
                return Place(self.modified, "0")
        return replace(self, after=following)  # an empty page may be followed by a full one


def stamp_of(record: Any) -> tuple[int, str] | None:
    """Read when a record was modified, and its id; None of one that cannot be read anyway."""
    try:
        modified = utc(record["properties"]["hs_lastmodifieddate"])
        return round(modified.timestamp() * 1000), str(record["id"])
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def read_list(body: Any) -> tuple[list[Any], str | None]:
    """Take the results of an answer, and what to send as `after` for the next, if there is one."""
    if not isinstance(body, Mapping) or not isinstance(body.get("results"), list):
        raise SourceMisbehaved("HubSpot's answer has no list of results")
    return body["results"], ((body.get("paging") or {}).get("next") or {}).get("after")
