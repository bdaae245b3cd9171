"""Feeds of news sites, blogs, channels and podcasts: RSS 2.0 and 1.0, Atom, JSON Feed.

https://www.rssboard.org/rss-specification · https://web.resource.org/rss/1.0/spec
https://www.rfc-editor.org/rfc/rfc4287 · https://www.jsonfeed.org/version/1.1/
"""

import hashlib
import html
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parseaddr, parsedate_to_datetime
from itertools import chain
from textwrap import shorten
from typing import Annotated, Any, ClassVar, TypeAlias
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError, SubElement

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]  # has no types
from defusedxml.ElementTree import fromstring, tostring  # type: ignore[import-untyped]
from pydantic import AfterValidator, Field

from hub.connector import (
    KINDS,
    Answer,
    Api,
    Classification,
    Connector,
    Cursor,
    Draft,
    Endpoint,
    Http,
    Page,
    PersonRef,
    SourceMisbehaved,
    conditional,
    line,
    now,
    plain,
    utc,
)

_ACCEPT = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9"
_ATOM = ("http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#")
_PREFIX = dict.fromkeys(("", *_ATOM, "http://purl.org/rss/1.0/"), "") | {
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf:",
    "http://purl.org/dc/elements/1.1/": "dc:",
    "http://purl.org/rss/1.0/modules/content/": "content:",
    "http://www.itunes.com/dtds/podcast-1.0.dtd": "itunes:",
    "http://search.yahoo.com/mrss/": "media:",
}
_ENCODING = re.compile(r"(?:charset|encoding)=[\"']?([\w.-]+)", re.IGNORECASE)
_NO_XML = re.compile(r"\A\s*<\?xml[^>]*\?>|[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\w+);)(?:\w+;)?")


def _known(kind: str) -> str:
    if kind not in Rss.kinds:
        raise ValueError(f"{kind!r} is none of the hub's kinds")
    return kind


KnownKind: TypeAlias = Annotated[str, AfterValidator(_known)]


class Rss(Connector):
    url: str
    kind: KnownKind = "brand.coverage"
    """What an article is: `content.post` for our own blog, `policy.regulatory` for a gazette."""
    kind_by_category: dict[str, KnownKind] = Field(default_factory=dict)
    """Another kind for articles of a category: `{"hiring" = "people.hire"}`."""
    outlet: str | None = None
    """Who publishes it; else the feed's own title."""

    kinds: ClassVar[frozenset[str]] = frozenset(kind for kind in KINDS if kind[:4] != "hub.")
    every: ClassVar[timedelta] = timedelta(minutes=5)
    sign_in: ClassVar[str] = "None. A private feed has its secret in its address."
    limits: ClassVar[str] = (
        "A feed shows its newest items: what comes and goes between two polls is never seen. "
        "Nothing is transferred where the server says that nothing has changed."
    )
    freshness: ClassVar[str] = "As soon as the publisher writes the feed anew."
    slowest: ClassVar[timedelta | None] = timedelta(hours=1)

    def endpoint(self) -> Endpoint:
        return Http(self.url)

    async def pull(self, api: Api, cursor: Cursor) -> AsyncIterator[Page]:
        # Validators hold for one address only; with another they could hide a feed never read.
        known = cursor if cursor.get("feed") == _hash(self.url.encode()) else {}
        answer = await api.fetch(headers={"Accept": _ACCEPT, **conditional(known)})
        if answer.not_modified:
            yield Page((), cursor)
            return
        digest = _hash(answer.content)
        after = {"feed": _hash(self.url.encode()), "digest": digest, **answer.validators}
        if digest == known.get("digest"):  # some servers never say 304
            yield Page((), after)
            return
        seen, (head, *items) = now(), _read(answer)
        page = Page.read(reversed(items), lambda item: self._draft(item, head, seen), after)
        yield replace(page, drafts=sorted(page.drafts, key=lambda draft: draft.occurred_at))

    def _draft(self, item: dict[str, Any], head: dict[str, Any], seen: datetime) -> Draft:
        link, body = item["link"], item["content"] or item["summary"]
        title = item["title"] or shorten(body, 120, placeholder="…") or link
        author, email = item["author"] if any(item["author"]) else head["author"]
        said = [title, item["summary"], body, link, author, item["categories"]]
        kinds = {name.casefold(): kind for name, kind in self.kind_by_category.items()}
        updated = _time(item["updated"], seen)
        published = _time(item["published"], seen) or updated
        occurred = published or _time(head["updated"] or head["published"], seen) or seen
        name = item["id"] or link or _hash(json.dumps([title, body]).encode())
        return Draft(
            kind=next(filter(None, (kinds.get(name.casefold()) for name in said[-1])), self.kind),
            external_id=name if len(name) <= 500 else _hash(name.encode()),
            revision=_hash(json.dumps(said).encode())[:16],
            revised_at=max(occurred, updated or occurred),
            occurred_at=occurred,
            title=title,
            summary=shorten(item["summary"] or body, 400, placeholder="…"),
            body=body or None,
            url=link or None,
            classification=Classification.PUBLIC,
            author=PersonRef(name=author, email=email or None) if author else None,
            labels=tuple(item["categories"]),
            attributes={
                "outlet": self.outlet or head["title"] or urlsplit(self.url).hostname,
                "author": author or None,
                "categories": item["categories"],
                "media": item["media"],
            },
        )


def _read(answer: Answer) -> list[dict[str, Any]]:
    """Read what the feed says of itself, then its items."""
    host = urlsplit(answer.url).hostname  # the rest of a private feed's address is a secret
    content = answer.content.lstrip(b"\xef\xbb\xbf \t\r\n")
    try:
        if content.startswith(b"{"):
            root = _from_json(json.loads(content))
        else:
            root = _from_xml(content, answer.headers.get("content-type", ""))
        head = next((part for part in root if _name(part) == "channel"), root)
        items = (part for part in root.iter() if _name(part) in {"item", "entry"})
        read = [_item(part, answer.url) for part in (head, *items)]
    except (ParseError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise SourceMisbehaved(f"{host} sent what cannot be read as a feed: {error}") from None
    if _name(root) not in {"rss", "rdf:RDF", "feed"}:
        raise SourceMisbehaved(f"{host} sent no feed, its root is <{_name(root)}>")
    return read


def _from_xml(content: bytes, kind: str) -> Element:
    try:
        root: Element = fromstring(content)
    except DefusedXmlException:
        raise  # entities of its own, as an attack has them: not to be mended
    except (ParseError, ValueError):
        # What feeds get wrong most: the encoding, `&nbsp;`, a bare `&`, control characters.
        named = _ENCODING.search(kind) or _ENCODING.search(content[:200].decode("latin-1"))
        text = _NO_XML.sub("", content.decode(named[1] if named else "utf-8", "replace"))
        root = fromstring(_ENTITY.sub(lambda entity: html.escape(html.unescape(entity[0])), text))
    return root


def _from_json(feed: dict[str, Any]) -> Element:
    """Write a JSON Feed as Atom would be, so that there is one way to go on."""
    root = Element("feed")
    names = ("id", "title", "summary", "content_text", "date_published", "date_modified")
    entries = [(item, SubElement(root, "entry")) for item in feed["items"]]
    for item, entry in [(feed, root), *entries]:
        with suppress(AttributeError, TypeError):  # of an odd item, what can be read
            for name in names:
                part = SubElement(entry, name.removeprefix("date_").removesuffix("_text"))
                word = _word(item.get(name))
                part.text = word if name == "id" else html.escape(word)
            SubElement(entry, "content").text = _word(item.get("content_html"))
            SubElement(entry, "link", href=_word(item.get("url")))
            for author in item.get("authors") or [item.get("author") or {}]:
                SubElement(entry, "author").text = html.escape(_word(author.get("name")))
            for tag in item.get("tags") or ():
                SubElement(entry, "category").text = html.escape(_word(tag))
    return root


def _item(element: Element, base: str) -> dict[str, Any]:
    parts = _parts(element)
    group = _parts(parts["media:group"][0]) if "media:group" in parts else {}
    name = _first(parts, "guid", "id", raw=True)
    link = _link(parts.get("link", ()))
    if not link and all(part.get("isPermaLink") != "false" for part in parts.get("guid", ())):
        link = name if name.startswith(("http://", "https://")) else ""
    summary = _first(parts, "description", "summary", "itunes:summary", "media:description")
    tags = (*parts.get("category", ()), *parts.get("dc:subject", ()))
    named = (tag.get("label") or tag.get("term") or line(_markup(tag)) for tag in tags)
    media = (*parts.get("enclosure", ()), *parts.get("media:content", ()))
    return {
        "id": name,
        "link": urljoin(base, link) if link else "",
        "title": line(_first(parts, "title") or _first(group, "media:title")),
        "summary": plain(summary or _first(group, "media:description")),
        "content": plain(_first(parts, "content:encoded", "content")),
        "author": _author(parts),
        "categories": list(dict.fromkeys(filter(None, named))),
        "published": _first(parts, "published", "pubDate", "dc:date", "issued", raw=True),
        "updated": _first(parts, "updated", "modified", "lastBuildDate", raw=True),
        "media": next((part.get("url") for part in media if part.get("url")), None),
    }


def _name(element: Element) -> str:
    """Name an element by its local name and, outside the feed's own vocabulary, a prefix."""
    space, _, local = element.tag.rpartition("}")
    return _PREFIX.get(space[1:], "?:") + local


def _parts(element: Element) -> dict[str, list[Element]]:
    parts: dict[str, list[Element]] = {}
    for part in element:
        parts.setdefault(_name(part), []).append(part)
    return parts


def _markup(element: Element) -> str:
    if len(element):  # XHTML that is not escaped
        return str(tostring(element, encoding="unicode"))
    # Atom says which it is; all others send HTML, also where their specifications do not say so.
    is_text = element.tag[1:].startswith(_ATOM) and element.get("type", "text") == "text"
    return html.escape(element.text or "") if is_text else element.text or ""


def _first(parts: dict[str, list[Element]], *names: str, raw: bool = False) -> str:
    """Take the first of these parts that says something: as markup, or what is no text as it is."""
    found = (part for name in names for part in parts.get(name, ()))
    words = ((part.text or "" if raw else _markup(part)).strip() for part in found)
    return next(filter(None, words), "")


def _link(links: Sequence[Element]) -> str:
    hrefs = (link.get("href") for link in links if link.get("rel", "alternate") == "alternate")
    texts = ((link.text or "").strip() for link in links)
    return next(filter(None, (*hrefs, *texts)), "")


def _author(parts: dict[str, list[Element]]) -> Sequence[str]:
    """Find the name and the address, each empty where it is not told."""
    found = (parts.get(name, ()) for name in ("author", "dc:creator", "itunes:author"))
    for element in chain.from_iterable(found):
        inner = _parts(element)
        name, email = line(_first(inner, "name")), line(_first(inner, "email"))
        text = "" if inner else line(_markup(element))
        if "@" in text:
            name, email = parseaddr(text)
        if said := name or email or text:
            return said[:300], email
    return "", ""


def _word(value: Any) -> str:
    return str(value) if isinstance(value, (str, int, float)) else ""


def _time(text: str, seen: datetime) -> datetime | None:
    """Read a date of RFC 822 or ISO 8601; None for one that cannot be meant."""
    for reader in (parsedate_to_datetime, utc):
        with suppress(ValueError, TypeError, IndexError, OverflowError):
            read = utc(reader(text).isoformat())
            return read if read.year >= 1990 and read < seen + timedelta(days=1) else None
    return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
