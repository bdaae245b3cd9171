"""A news site: its newest articles as RSS 2.0 and Atom, with conditional requests.

https://www.rssboard.org/rss-specification · https://www.rfc-editor.org/rfc/rfc4287
https://www.rfc-editor.org/rfc/rfc9110#name-conditional-requests
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from html import escape
from itertools import count
from typing import Any, ClassVar
from xml.etree.ElementTree import Element, SubElement

from defusedxml.ElementTree import fromstring, tostring  # type: ignore[import-untyped]  # has none
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from connectors import twins
from connectors.twins import Allowed, Excuse, Fault, moment

_RSS = "https://www.rssboard.org/rss-specification#ltchannelgtSubelements"
_NEWS = (
    ("Acme opens an office in Lisbon", "Forty people will work there by the end of the year."),
    ("What Acme's new release means for small shops", "We tried it for a week."),
    ("Payment firms fall behind on outages", "A survey ranks Acme third of twelve."),
    ("Acme and Globex announce a partnership", "Both sell the other's product from May."),
)


@dataclass(frozen=True, slots=True)
class Article:
    guid: str
    title: str
    text: str
    link: str
    author: str
    categories: tuple[str, ...]
    published: datetime
    updated: datetime


class Twin(twins.Twin):
    """A site that shows so many of its articles in its feeds."""

    connector: ClassVar[str] = "rss"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.EMPTY_PAGE: Excuse("a feed is one document: there are no pages", _RSS),
        Fault.GONE: Excuse(
            "a feed shows the newest items: one that is no longer in it need not be gone", _RSS
        ),
    }

    def __init__(self, *, name: str = "The Daily Post", shown: int = 20) -> None:
        super().__init__()
        self.name, self.shown = name, shown
        self.articles: dict[str, Article] = {}
        self._numbers = count(1)
        self._forgotten = 0

    def table(self) -> tuple[Allowed, ...]:
        # The addresses that WordPress gives its feeds.
        return (
            Allowed("GET", "/feed/", self._rss),
            Allowed("GET", "/feed/atom/", self._atom),
            Allowed("GET", "/articles/{slug}", self._article),
        )

    def settings(self, url: str) -> dict[str, Any]:
        return {"url": f"{url}/feed/"}

    def create(self, number: int, at: datetime) -> str:
        guid = f"article-{number}"
        return str(self.emit({"guid": guid, "at": at.isoformat()})["guid"])

    def edit(self, number: int, at: datetime) -> None:
        title = f"Written anew at {at}"
        self.emit({"guid": f"article-{number}", "title": title, "at": at.isoformat()})

    def forget(self) -> None:
        """Give every document another tag and date, as a server does that was set up anew."""
        self._forgotten += 1

    def strange(self, content_type: str, body: bytes, turn: int | None) -> bytes:
        """Give each item an element that nobody knows, and take another away."""
        del content_type
        root: Element = fromstring(body)
        for position, item in enumerate(root.iter("item")):
            if turn is not None and len(item):
                item.remove(item[(position + turn) % len(item)])
            SubElement(item, "{https://vendor.example/new}field").text = "?"
        return bytes(tostring(root, encoding="utf-8"))

    def emit(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Publish an article; one whose `guid` is known is edited, or taken down by `delete`."""
        at = moment(record)
        old = self.articles.get(record.get("guid", ""))
        if record.get("delete"):
            gone = self.articles.pop(record["guid"])
            return {"guid": gone.guid, "deleted": True}
        number = next(self._numbers)
        title, text = _NEWS[number % len(_NEWS)]
        guid = record.get("guid") or f"article-{number}"
        made_up = Article(
            guid,
            record.get("title", title),
            "" if "title" in record else text,
            f"/articles/{re.sub(r'[^a-z0-9]+', '-', guid.lower()).strip('-')}",
            "",
            (),
            at,
            at,
        )
        article = old or made_up
        categories = record.get("categories", record.get("category", article.categories))
        self.articles[guid] = replace(
            article,
            title=record.get("title", article.title),
            text=record.get("description", record.get("text", article.text)),
            link=record.get("link", article.link),
            author=record.get("author", article.author),
            categories=(categories,) if isinstance(categories, str) else tuple(categories),
            updated=at,
        )
        return _shown(self.articles[guid])

    def _newest(self) -> list[Article]:
        newest = sorted(self.articles.values(), key=lambda article: article.published, reverse=True)
        return newest[: self.shown]

    async def _rss(self, request: Request) -> Response:
        articles, home = self._newest(), str(request.base_url).rstrip("/")
        items = "".join(
            "<item>"
            f"<title>{escape(article.title)}</title>"
            f"<link>{escape(_absolute(home, article))}</link>"
            f"<dc:creator>{escape(article.author)}</dc:creator>"
            f"<pubDate>{format_datetime(article.published)}</pubDate>"
            + "".join(f"<category>{escape(name)}</category>" for name in article.categories)
            + f'<guid isPermaLink="false">{escape(article.guid)}</guid>'
            f"<description>{escape(article.text)}</description>"
            "</item>\n"
            for article in articles
        )
        return self._conditional(
            request,
            articles,
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>'
            f"<title>{escape(self.name)}</title><link>{escape(home)}</link>"
            f"<description>{escape(self.name)}</description>\n{items}</channel></rss>",
            "application/rss+xml; charset=UTF-8",
        )

    async def _atom(self, request: Request) -> Response:
        articles, home = self._newest(), str(request.base_url).rstrip("/")
        entries = "".join(
            "<entry>"
            f"<id>{escape(article.guid)}</id>"
            f"<title>{escape(article.title)}</title>"
            f'<link rel="alternate" href="{escape(_absolute(home, article))}"/>'
            f"<author><name>{escape(article.author or self.name)}</name></author>"
            f"<published>{article.published.isoformat()}</published>"
            f"<updated>{article.updated.isoformat()}</updated>"
            + "".join(f'<category term="{escape(name)}"/>' for name in article.categories)
            + f'<content type="html">{escape(article.text)}</content>'
            "</entry>\n"
            for article in articles
        )
        return self._conditional(
            request,
            articles,
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<feed xmlns="http://www.w3.org/2005/Atom">'
            f"<id>{escape(home)}/</id><title>{escape(self.name)}</title>"
            f"<updated>{_changed(articles).isoformat()}</updated>\n{entries}</feed>",
            "application/atom+xml; charset=UTF-8",
        )

    def _conditional(
        self, request: Request, articles: list[Article], text: str, kind: str
    ) -> Response:
        body = text.encode()
        salted = body + bytes(self._forgotten)
        etag, changed = f'"{hashlib.sha256(salted).hexdigest()[:32]}"', _changed(articles)
        headers = {"etag": etag, "last-modified": format_datetime(changed, usegmt=True)}
        asked, since = (
            request.headers.get(f"if-{name}") for name in ("none-match", "modified-since")
        )
        if asked is not None:  # then the date does not count: RFC 9110, 13.1.3
            tags = {tag.strip().removeprefix("W/") for tag in asked.split(",")}
            is_same = etag in tags or "*" in tags
        else:
            is_same = since is not None and changed <= parsedate_to_datetime(since)
        return Response(b"" if is_same else body, 304 if is_same else 200, headers, kind)

    async def _article(self, request: Request) -> Response:
        for article in self.articles.values():
            if article.link == request.url.path:
                title, text = escape(article.title), escape(article.text)
                return HTMLResponse(f"<!doctype html><title>{title}</title><h1>{title}</h1>{text}")
        return HTMLResponse("<!doctype html><title>Not found</title>", 404)


def _absolute(home: str, article: Article) -> str:
    return f"{home}{article.link}" if article.link.startswith("/") else article.link


def _changed(articles: list[Article]) -> datetime:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return max((article.updated for article in articles), default=start).replace(microsecond=0)


def _shown(article: Article) -> dict[str, Any]:
    return {
        "guid": article.guid,
        "title": article.title,
        "link": article.link,
        "description": article.text,
        "author": article.author,
        "categories": list(article.categories),
        "pubDate": format_datetime(article.published),
    }
