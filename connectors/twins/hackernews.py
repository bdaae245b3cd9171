"""Algolia's search of Hacker News on loopback: stories and comments, newest first.

Written down from https://hn.algolia.com/api, and from what its users found:
- no more than 1,000 hits, points not filterable: https://github.com/algolia/hn-search/issues
- an item: https://github.com/HackerNews/API#items
"""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, moment

_DOCS = "https://hn.algolia.com/api"
_FILTER = re.compile(r"(created_at_i)(<=|>=|<|>|=)(\d+)")
_TAGS = re.compile(r"\(?(story|comment|ask_hn|show_hn|author_\w+|story_\d+|,)+\)?")
_WORDS = (
    ("Acme 2.3: GraphQL for your tools", "https://acme.example/blog/2-3"),
    ("Ask HN: Has anybody replaced Zendesk by Acme?", None),
    ("Show HN: A dashboard on top of Acme", "https://example.org/acme-dashboard"),
)

Record = dict[str, Any]


def _filters(text: str) -> bool:
    return all(_FILTER.fullmatch(part) for part in text.split(","))


class Twin(twins.Twin):
    """Finds what begins with a word, or nearly is it, as the search does; gives `most` hits."""

    connector: ClassVar[str] = "hackernews"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.EMPTY_PAGE: Excuse("pages are counted in nbPages, and none of them is empty", _DOCS),
        Fault.CURSOR_EXPIRED: Excuse("pages have numbers, not tokens", _DOCS),
        Fault.PUSH: Excuse("the search is asked, and calls nobody", _DOCS),
    }

    def __init__(self, *, page: int = 1000, most: int = 1000) -> None:
        super().__init__()
        self.page, self.most = page, most
        self.items: dict[int, Record] = {}
        self._made: dict[int, int] = {}

    def table(self) -> tuple[Allowed, ...]:
        params: dict[str, Check] = {
            "query": str.isprintable,
            "tags": lambda text: _TAGS.fullmatch(text) is not None,
            "numericFilters": _filters,
            "page": str.isdigit,
            "hitsPerPage": lambda text: text.isdigit() and 1 <= int(text) <= 1000,
        }
        return (Allowed("GET", "/api/v1/search_by_date", self._search, params),)

    def settings(self, url: str) -> dict[str, Any]:
        return {"url": url, "searches": ["Acme"], "per_minute": 6000}

    async def _search(self, request: Request) -> Response:
        asked = request.query_params
        tags = set(asked.get("tags", "story,comment").strip("()").split(","))
        found = [one for one in self.items.values() if tags & set(one["_tags"])]
        for word in asked.get("query", "").replace('"', "").casefold().split():
            found = [one for one in found if word[:3] in str(one).casefold()]
        for field, how, value in _FILTER.findall(asked.get("numericFilters", "")):
            found = [one for one in found if _compared(one[field], how, int(value))]
        found.sort(key=lambda one: (one["created_at_i"], int(one["objectID"])), reverse=True)
        found = found[: self.most]
        size = min(self.page, int(asked.get("hitsPerPage", 20)))
        page = int(asked.get("page", 0))
        body = {
            "hits": found[page * size : (page + 1) * size],
            "nbHits": len(found),
            "page": page,
            "nbPages": -(-len(found) // size),
            "hitsPerPage": size,
            "exhaustiveNbHits": True,
            "query": asked.get("query", ""),
            "processingTimeMS": 4,
        }
        return JSONResponse(body)

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Post a story with "title", "url" and "text", or with "story" (its number) a comment.

        "edit" and "delete" name an item; "by" is who posts, "points" how many it has, "fields"
        adds fields.
        """
        at = moment(record)
        if gone := record.get("delete"):
            return self.items.pop(int(gone))
        if edited := record.get("edit"):
            item = self.items[int(edited)]
            is_story = "story" in item["_tags"]
            item["title" if is_story else "comment_text"] = record["text"]
            item["points"] = record.get("points", item["points"])
            return item
        number = max(self.items, default=40_000_000) + 1
        title, link = _WORDS[number % len(_WORDS)]
        item = {
            "objectID": str(number),
            "created_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "created_at_i": int(at.timestamp()),
            "updated_at": self.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "author": record.get("by", "robin"),
        }
        if story := record.get("story"):
            text = record.get("text", "We moved to Acme last year and never looked back.")
            about = self.items[int(story)]
            item |= {
                "comment_text": html.escape(text).replace("\n\n", "<p>"),
                "parent_id": int(story),
                "story_id": int(story),
                "story_title": about["title"],
                "story_url": about["url"],
                "points": None,
                "_tags": ["comment", f"author_{item['author']}", f"story_{story}"],
            }
        else:
            item |= {
                "title": html.escape(record.get("title", title)),
                "url": record.get("url", link),
                "points": record.get("points", 1),
                "num_comments": 0,
                "story_id": number,
                "_tags": ["story", f"author_{item['author']}", f"story_{number}"],
            }
            item |= {"story_text": record["text"]} if "text" in record else {}
        item |= record.get("fields", {})
        self.items[number] = item
        return item

    def create(self, number: int, at: datetime) -> str:
        item = self.emit({"title": f"Acme, number {number}", "at": at.isoformat()})
        self._made[number] = int(item["objectID"])
        return str(item["objectID"])

    def edit(self, number: int, at: datetime) -> None:
        del at  # no time tells when an item was edited
        title = f"{self.items[self._made[number]]['title']}, again"
        self.emit({"edit": self._made[number], "text": title})

    def delete(self, number: int, at: datetime) -> None:
        self.emit({"delete": self._made[number], "at": at.isoformat()})


def _compared(value: int, how: str, bound: int) -> bool:
    return {
        "<": value < bound,
        "<=": value <= bound,
        "=": value == bound,
        ">=": value >= bound,
        ">": value > bound,
    }[how]
