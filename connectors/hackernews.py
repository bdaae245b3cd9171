"""Hacker News: stories and comments that hold certain words, through Algolia's search of it."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, TypeAlias
from zlib import crc32

from pydantic import AwareDatetime, Field

from hub.connector import (
    Api,
    Batch,
    Classification,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Json,
    NewestFirst,
    Page,
    PersonRef,
    Recent,
    line,
    now,
    plain,
    streams,
    utc,
)

_MENTION, _ITEM = "brand.mention", "https://news.ycombinator.com/item?id="
_MOST = 1000  # hits that one question is answered with, however they are paged
_WORD = re.compile(r'"([^"]+)"|(\S+)')
Record: TypeAlias = Mapping[str, Any]


class HackerNews(Connector):
    """Stories and comments of Hacker News that hold our names.

    One signal per item, named by its number; comments share the thread of their story. A change
    of its text, its deletion, or a story that reaches `min_points`, is noticed for `look_back`.
    What the search finds by a typing error or the beginning of a word is left out.

    Attributes: link (where a story leads), story (what a comment is under), points, comments,
    as they were when the item was read.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_MENTION})
    every: ClassVar[timedelta] = timedelta(minutes=2)
    sign_in: ClassVar[str] = "none"
    limits: ClassVar[str] = "10,000 requests an hour from one address"

    searches: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)]
    """What to look for, each in its own right: `Acme`, or several words that must all be there;
    `"Acme Robotics"` in this order."""
    comments: bool = True
    """Whether to read comments, or stories alone."""
    min_points: Annotated[int, Field(ge=0)] = 0
    """Leave out stories with fewer points, until they have so many."""
    since: AwareDatetime | None = None
    """Where the first sync begins; else it is `look_back` ago."""
    look_back: timedelta = timedelta(days=1)
    """How old an item may be that is looked at again at every poll."""
    url: str = "https://hn.algolia.com"
    per_minute: Annotated[int, Field(gt=0)] = 100

    def endpoint(self) -> Endpoint:
        return Http(f"{self.url.rstrip('/')}/api/v1", per_minute=self.per_minute)

    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        words = dict.fromkeys(self.searches)
        return streams(cursor, {one: partial(self._search, api, one) for one in words})

    def _search(self, api: Api, words: str, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, until: datetime | None, place: Json) -> Batch:
            # https://hn.algolia.com/api: points can be filtered no longer
            bounds = [f"created_at_i>={int(since.timestamp())}"] if since else []
            bounds += [f"created_at_i<={int(until.timestamp())}"] if until else []
            page = place if isinstance(place, int) else 0
            body = await api.get(
                "/search_by_date",
                query=words,
                tags="(story,comment)" if self.comments else "story",
                numericFilters=",".join(bounds) or None,
                hitsPerPage=_MOST,
                page=page,
            )
            return Batch(body["hits"], page + 1 if page + 1 < body["nbPages"] else None)

        family, begin = NewestFirst(self.look_back, cap=_MOST), self.since or now() - self.look_back
        return Recent(self.look_back).pages(
            cursor,
            ask,
            lambda place, ask, read: family.pages(place, ask, _at, read=read, since=begin),
            name=lambda hit: str(hit["objectID"]),
            at=_at,
            read=partial(self._draft, words),
        )

    def _draft(self, words: str, hit: Record) -> Draft | None:
        title, text = line(hit.get("title") or ""), plain(_first(hit, "comment_text", "story_text"))
        said = f"{title}\n{text}\n{hit.get('url') or ''}"
        is_story = "story" in (hit.get("_tags") or ()) or hit.get("comment_text") is None
        points = hit.get("points") or 0
        if not _holds(said, words) or (is_story and points < self.min_points):
            return None
        number, story = hit["objectID"], line(hit.get("story_title") or "")
        facts = {
            "link": hit.get("url"),
            "story": story or None,
            "points": points,
            "comments": hit.get("num_comments"),
        }
        return Draft(
            kind=_MENTION,
            external_id=number,
            # Points come and go: only other words are a new version.
            revision=f"{crc32(json.dumps([title, text, hit.get('url')]).encode()):08x}",
            revised_at=_at(hit),
            occurred_at=_at(hit),
            title=title or text.partition("\n")[0][:200] or f"Item {number}",
            summary=f"On {story}" if story and not is_story else "",
            body=text or None,
            url=f"{_ITEM}{number}",
            classification=Classification.PUBLIC,
            author=PersonRef(name=hit["author"], handle=hit["author"])
            if hit.get("author")
            else None,
            attributes={name: fact for name, fact in facts.items() if fact},
            thread=str(hit.get("story_id") or number),
        )


def _at(hit: Record) -> datetime:
    return utc(hit["created_at_i"])


def _first(hit: Record, *names: str) -> str:
    return next((hit[name] for name in names if hit.get(name)), "")


def _holds(text: str, words: str) -> bool:
    """Tell whether every word or quoted phrase is in a text, as a word of its own."""
    phrases = (phrase or word for phrase, word in _WORD.findall(words))
    return all(
        re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE) for phrase in phrases
    )
