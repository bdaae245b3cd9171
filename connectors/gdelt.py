"""GDELT: what the world's news sites write about us, through its DOC 2.0 search."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, ClassVar, TypeAlias
from zlib import crc32

from pydantic import AwareDatetime, Field

from hub.connector import (
    Api,
    BadRecord,
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
    line,
    now,
    streams,
    utc,
)

_COVERAGE, _STAMP = "brand.coverage", "%Y%m%d%H%M%S"
_MOST = 250  # articles that one question is answered with; there are no pages
_WINDOW = timedelta(days=89)  # "a rolling window of the last three months"
_LATE = timedelta(hours=2)  # articles of a quarter of an hour appear bit by bit
_TONE = 10  # the tone of most articles lies between -10 and 10
Record: TypeAlias = Mapping[str, Any]


class Gdelt(Connector):
    """Articles that match a query, in 65 languages, found some minutes after they are published.

    One signal per article, named by its address. GDELT gives no text; another title is a
    revision while the article is new, for two hours. A tone, where one is given, is the sentiment.

    Attributes: outlet (its domain), language, country, image, tone.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({_COVERAGE})
    every: ClassVar[timedelta] = timedelta(minutes=15)
    sign_in: ClassVar[str] = "none"
    limits: ClassVar[str] = (
        "one request in five seconds; three months back; 250 articles of one query in one second:"
        " where there are more it says so, and wants a narrower query"
    )
    freshness: ClassVar[str] = "GDELT looks every quarter of an hour"

    queries: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    """In GDELT's own syntax: `"Acme Robotics" sourcelang:english`, `(Acme OR Globex)`."""
    since: AwareDatetime | None = None
    """Where the first sync begins, three months ago at most; else it is a week ago."""
    url: str = "https://api.gdeltproject.org"
    pause: timedelta = timedelta(seconds=5)
    """The least time between two requests."""

    def endpoint(self) -> Endpoint:
        return Http(f"{self.url.rstrip('/')}/api/v2/doc/doc", pause=self.pause)

    def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        queries = dict.fromkeys(self.queries)
        return streams(cursor, {query: partial(self._search, api, query) for query in queries})

    def _search(self, api: Api, query: str, cursor: Cursor) -> AsyncIterator[Page]:
        async def ask(since: datetime | None, until: datetime | None, place: Json) -> Batch:
            del place  # what lies below the newest 250 is asked for by time
            # https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/
            oldest, latest = now() - _WINDOW, until or now() + timedelta(minutes=1)
            body = await api.get(
                query=query,
                mode="artlist",
                format="json",
                sort="datedesc",
                maxrecords=_MOST,
                startdatetime=_stamp(max(since or oldest, oldest)),
                enddatetime=_stamp(latest),
            )
            return Batch(body.get("articles") or ())  # where there are none the body is {}

        begin = self.since or now() - timedelta(days=7)
        family = NewestFirst(_LATE, cap=_MOST)
        return family.pages(cursor, ask, _seen, read=_draft, since=begin)


def _draft(article: Record) -> Draft:
    link, title = article["url"], line(article["title"])
    if not link.startswith(("http://", "https://")):
        raise BadRecord(f"{link!r} is no address of an article")
    tone = article.get("tone")
    facts = {
        "outlet": article.get("domain"),
        "language": article.get("language"),
        "country": article.get("sourcecountry"),
        "image": article.get("socialimage"),
        "tone": tone,
    }
    return Draft(
        kind=_COVERAGE,
        external_id=link if len(link) <= 500 else sha256(link.encode()).hexdigest(),
        revision=f"{crc32(title.encode()):08x}",
        revised_at=_seen(article),
        occurred_at=_seen(article),
        title=title or link,
        url=link,
        classification=Classification.PUBLIC,
        sentiment=None if tone is None else max(-1.0, min(1.0, float(tone) / _TONE)),
        attributes={name: fact for name, fact in facts.items() if fact not in (None, "")},
    )


def _seen(article: Record) -> datetime:
    return utc(article["seendate"])


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime(_STAMP)
