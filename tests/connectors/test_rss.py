"""Feeds: every format and every mistake that feeds are known for, read over real HTTP."""

import html
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.rss import Rss
from connectors.twins.rss import Twin
from hub.connector import (
    Answer,
    AuthFailed,
    Classification,
    RateLimited,
    SourceMisbehaved,
    SourceUnavailable,
    conditional,
    plain,
)
from hub.http import Clients
from tests.connectors.polling import Poller, poller, polling
from tests.servers import serve

PATHS = ["/feed/", "/feed/atom/"]


@pytest.mark.parametrize("path", PATHS, ids=["rss", "atom"])
async def test_an_article_becomes_a_signal_with_all_it_says(path: str) -> None:
    twin = Twin()
    twin.emit(
        {
            "guid": "a-1",
            "title": "Acme & Globex <merge>",
            "description": "<p>First.</p><p>Second &amp; last,<br>with a break.</p>",
            "author": "Jane Doe",
            "categories": ["Business", "Mergers"],
            "at": "2026-05-04T08:00:00+02:00",
        }
    )
    async with serve(twin.app) as url, Clients() as clients:
        [draft] = await poller(twin, url, clients, url=url + path).fresh()
    assert draft.kind == "brand.coverage"
    assert draft.external_id == "a-1"
    assert draft.title == "Acme & Globex <merge>"
    assert draft.body == "First.\n\nSecond & last,\nwith a break."
    assert draft.summary == "First. Second & last, with a break."
    assert draft.occurred_at == draft.revised_at == datetime(2026, 5, 4, 6, tzinfo=UTC)
    assert draft.url == f"{url}/articles/a-1"
    assert draft.author is not None
    assert draft.author.name == "Jane Doe"
    assert draft.labels == ("Business", "Mergers")
    assert draft.classification is Classification.PUBLIC
    assert draft.attributes["outlet"] == "The Daily Post"
    assert draft.attributes["author"] == "Jane Doe"
    assert draft.attributes["categories"] == ["Business", "Mergers"]


async def test_settings_say_what_a_feed_is() -> None:
    twin = Twin()
    twin.emit({"title": "We are hiring a baker", "categories": ["News", "HIRING"]})
    twin.emit({"title": "How we bake", "category": "Baking"})
    async with polling(
        twin,
        kind="content.post",
        kind_by_category={"hiring": "people.hire"},
        outlet="Our blog",
    ) as source:
        drafts = await source.fresh()
    assert {draft.title: draft.kind for draft in drafts} == {
        "We are hiring a baker": "people.hire",
        "How we bake": "content.post",
    }
    assert {draft.classification for draft in drafts} == {Classification.PUBLIC}
    assert {draft.attributes["outlet"] for draft in drafts} == {"Our blog"}


@pytest.mark.parametrize(
    "given", [{"kind": "brand.nonsense"}, {"kind_by_category": {"a": "hub.source.silent"}}]
)
def test_a_kind_that_the_hub_lacks_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="none of the hub's kinds"):
        Rss.model_validate({"url": "https://a.example/feed"} | given)


@pytest.mark.parametrize("path", PATHS, ids=["rss", "atom"])
async def test_an_edit_is_a_new_revision_of_the_same_signal(path: str) -> None:
    twin = Twin()
    for number in range(3):
        twin.emit({"guid": f"a-{number}", "title": f"Title {number}"})
    async with serve(twin.app) as url, Clients() as clients:
        source = poller(twin, url, clients, url=url + path)
        await source.poll()
        assert len(source.stored) == 3
        twin.emit({"guid": "a-1", "title": "A better title"})
        await source.poll()
    assert len(source.stored) == 4
    assert len(source.current) == 3
    assert source.current["a-1"].title == "A better title"


async def test_an_unchanged_feed_is_answered_with_304_and_nothing_moves() -> None:
    twin = Twin()
    twin.emit({})
    statuses: list[int] = []

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        await twin.app(scope, receive, sending)

    async with serve(counted) as url, Clients() as clients:
        source = poller(twin, url, clients)
        assert len(await source.fresh()) == 1
        cursor = source.cursor
        assert await source.fresh() == []
        assert source.cursor == cursor
        twin.emit({})
        await source.poll()
        assert len(source.stored) == 2
        # Version 0.1.0 kept the time under another name, and no time at all may have been kept.
        source.cursor = {name: source.cursor[name] for name in ("feed", "digest")}
        assert await source.fresh() == await source.fresh() == []
    assert statuses == [200, 304, 200, 200, 304]


def test_validators_go_back_as_they_came() -> None:
    modified = "Sun, 29 Nov 2026 01:00:00 GMT"
    headers = {"etag": 'W/"a"', "last-modified": modified, "content-type": "text/xml"}
    kept = Answer(200, headers, b"", "https://a.example/feed").validators
    assert kept == {"etag": 'W/"a"', "last-modified": modified}
    sent = {"If-None-Match": 'W/"a"', "If-Modified-Since": modified}
    assert conditional({"digest": "x", **kept}) == sent
    assert conditional({"etag": None, "last-modified": ""}) == conditional({}) == {}
    assert Answer(200, {}, b"", "https://a.example/feed").validators == {}


async def test_conditions_are_not_carried_to_another_address() -> None:
    """A newer date of the old feed would hide the new feed for ever."""
    old, new = Twin(), Twin()
    old.emit({"title": "Old news"})
    new.emit({"title": "Good news", "at": "2026-01-01T00:00:00Z"})
    async with serve(old.app) as first, serve(new.app) as second, Clients() as clients:
        before = poller(old, first, clients)
        await before.poll()
        after = poller(new, second, clients)
        after.cursor = before.cursor
        [draft] = await after.fresh()
    assert draft.title == "Good news"


async def test_a_day_of_ties_and_more_articles_than_the_feed_shows() -> None:
    twin = Twin(shown=5)
    async with polling(twin) as source:
        for number in range(12):
            twin.emit({"guid": f"a-{number}", "at": "2026-05-04T00:00:00Z"})
            if number % 4 == 3:
                await source.poll()
    # Twelve came, five are shown at a time and ties keep their order: what was shown was read.
    assert set(source.current) == {f"a-{number}" for number in (0, 1, 2, 3, 4)}


async def _read(
    *bodies: str | bytes,
    kind: str = "application/xml",
    status: int = 200,
    query: str = "",
    **headers: str,
) -> Poller:
    """Poll once for each body, from a server that answers with just that."""
    queue = list(bodies)

    async def answer(request: Request) -> Response:
        del request
        # Set as it is: Starlette would add a charset to a text type of its own accord.
        return Response(queue.pop(0), status, {"content-type": kind, **headers})

    app = Starlette(routes=[Route("/blog/feed", answer)])
    async with serve(app) as url, Clients() as clients:
        source = Poller(Rss(url=f"{url}/blog/feed{query}"), clients)
        for _ in bodies:
            await source.poll()
    return source


def _rss(items: str, head: str = "<title>Site</title>", start: str = "") -> str:
    return f'{start}<rss version="2.0"><channel>{head}{items}</channel></rss>'


def _item(title: str, date: str = "", more: str = "") -> str:
    return f"<item><title>{title}</title><pubDate>{date}</pubDate>{more}</item>"


async def test_a_server_that_never_says_304_brings_each_article_once() -> None:
    feed = _rss(_item("One", "Mon, 21 Nov 2016 17:00:10 +0100"))
    source = await _read(feed, feed)
    assert len(source.drafts) == 1


SHAPES = {
    "rdf": """<?xml version="1.0"?>
        <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
          xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
        <channel rdf:about="https://x.example/"><title>Site</title></channel>
        <item rdf:about="https://x.example/1"><title>One</title><link>https://x.example/1</link>
          <description>Text</description><dc:creator>Jane Doe</dc:creator>
          <dc:date>2026-05-04T08:00:00+02:00</dc:date><dc:subject>Tea</dc:subject></item>
        </rdf:RDF>""",
    "rss": """<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"
          xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>
        <title>Site</title><atom:link rel="self" href="https://x.example/feed"/><item>
        <title>One</title><author>jane@x.example (Jane Doe)</author><category>Tea</category>
        <guid>https://x.example/1</guid><pubDate>Mon, 04 May 2026 08:00:00 +0200</pubDate>
        <content:encoded><![CDATA[<p>Te<b>x</b>t</p>]]></content:encoded>
        </item></channel></rss>""",
    "atom": """<feed xmlns="http://www.w3.org/2005/Atom"><title type="text">Site</title>
        <author><name>Jane Doe</name><email>jane@x.example</email></author>
        <entry><id>https://x.example/1</id><title type="html">&lt;i&gt;One&lt;/i&gt;</title>
        <link rel="enclosure" href="https://x.example/1.mp3"/><link href="/1"/>
        <published>2026-05-04T06:00:00Z</published><updated>2026-05-04T06:00:00Z</updated>
        <category term="tea" label="Tea"/><content type="xhtml">
        <div xmlns="http://www.w3.org/1999/xhtml"><p>Te<b>x</b>t</p></div></content>
        </entry></feed>""",
    "json": json.dumps(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": "Site",
            "items": [
                {
                    "id": "https://x.example/1",
                    "url": "https://x.example/1",
                    "title": "One",
                    "content_html": "<p>Te<b>x</b>t</p>",
                    "date_published": "2026-05-04T08:00:00+02:00",
                    "authors": [{"name": "Jane Doe"}],
                    "tags": ["Tea"],
                    "_new": {"field": 1},
                }
            ],
        }
    ),
    "podcast": """<rss xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" version="2.0">
        <channel><title>Site</title><itunes:category text="Technology"/><item>
        <title>One</title><itunes:title>Another</itunes:title>
        <itunes:author>Jane Doe</itunes:author>
        <itunes:summary><![CDATA[Te<b>x</b>t]]></itunes:summary><category>Tea</category>
        <enclosure url="https://x.example/1.m4a" length="1" type="audio/x-m4a"/>
        <guid>https://x.example/1</guid><pubDate>Mon, 04 May 2026 06:00:00 GMT</pubDate>
        </item></channel></rss>""",
    "youtube": """<feed xmlns="http://www.w3.org/2005/Atom"
          xmlns:media="http://search.yahoo.com/mrss/"><title>Site</title>
        <entry><id>https://x.example/1</id><title>One</title>
        <link rel="alternate" href="https://x.example/1"/><author><name>Jane Doe</name></author>
        <published>2026-05-04T06:00:00+00:00</published><category term="Tea"/>
        <media:group><media:title>Another</media:title>
        <media:description>Text</media:description></media:group></entry></feed>""",
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_format_says_the_same(shape: str) -> None:
    source = await _read(SHAPES[shape], kind="text/xml; charset=utf-8")
    [draft] = source.drafts
    assert source.bad == []
    assert draft.external_id == "https://x.example/1"
    assert draft.url is not None
    assert draft.url.endswith("/1")
    assert (draft.title, draft.body) == ("One", "Text")
    assert draft.occurred_at == datetime(2026, 5, 4, 6, tzinfo=UTC)
    assert draft.author is not None
    assert draft.author.name == "Jane Doe"
    assert draft.author.email in {None, "jane@x.example"}
    assert draft.labels == ("Tea",)
    assert draft.attributes["outlet"] == "Site"
    if shape == "podcast":
        assert draft.attributes["media"] == "https://x.example/1.m4a"


async def test_ids_are_kept_as_they_are() -> None:
    url = "https://x.example/view?t=1&amp;copy=2#p3"
    atom = f"""<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><id>{url}</id>
        <title>AT&amp;T &lt;b&gt;</title><link href="{url}"/></entry></feed>"""
    rss = _rss(_item("A", more=f"<guid>{url}</guid>"))
    twice = await _read(atom, rss)
    said = [(draft.external_id, draft.url) for draft in twice.drafts]
    assert said == [("https://x.example/view?t=1&copy=2#p3",) * 2] * 2
    assert twice.drafts[0].title == "AT&T <b>"


async def test_articles_without_a_guid_go_by_link_or_by_what_they_say() -> None:
    items = (
        _item("Linked", more="<link>/posts/1</link>")
        + _item("Bare", more="<description>Text</description>")
        + _item("No link", more='<guid isPermaLink="false">https://x.example/id</guid>')
        + _item("Long", more=f"<guid>{'x' * 600}</guid>")
    )
    source = await _read(_rss(items), _rss(items + _item("Another")))
    by_title = {draft.title: draft for draft in source.current.values()}
    assert len(source.current) == len(source.stored) == 5
    linked = by_title["Linked"]
    assert linked.external_id == linked.url
    assert linked.url is not None
    assert linked.url.startswith("http://127.0.0.1")
    assert linked.url.endswith("/posts/1")
    assert len(by_title["Bare"].external_id) == 64
    assert by_title["No link"].url is None
    assert len(by_title["Long"].external_id) == 64


@pytest.mark.parametrize(
    ("date", "read"),
    [
        ("Mon, 21 Nov 2016 17:00:10 +0100", datetime(2016, 11, 21, 16, 0, 10, tzinfo=UTC)),
        ("Mon, 21 Nov 2016 17:00 EST", datetime(2016, 11, 21, 22, tzinfo=UTC)),
        ("21 Nov 16 17:00:10 GMT", datetime(2016, 11, 21, 17, 0, 10, tzinfo=UTC)),
        ("Mon, 21 Nov 2016 17:00:10", datetime(2016, 11, 21, 17, 0, 10, tzinfo=UTC)),
        ("Lun, 21 nov 2016 17:00:10 +0100", datetime(2016, 11, 21, 16, 0, 10, tzinfo=UTC)),
        ("2016-11-21T17:00:10+01:00", datetime(2016, 11, 21, 16, 0, 10, tzinfo=UTC)),
        ("2016-11-21 17:00:10Z", datetime(2016, 11, 21, 17, 0, 10, tzinfo=UTC)),
        ("2016-11-21", datetime(2016, 11, 21, tzinfo=UTC)),
    ],
)
async def test_dates_in_the_forms_that_occur(date: str, read: datetime) -> None:
    [draft] = (await _read(_rss(_item("One", date)))).drafts
    assert draft.occurred_at == read


@pytest.mark.parametrize(
    "date", ["", "yesterday", "31 Feb 2026 25:00:00 GMT", "0001-01-01T00:00:00Z", "2999-01-01"]
)
async def test_without_a_date_that_can_be_meant_the_feed_or_the_clock_dates_it(date: str) -> None:
    head = "<title>Site</title><lastBuildDate>Mon, 21 Nov 2016 17:00:10 GMT</lastBuildDate>"
    [dated] = (await _read(_rss(_item("One", date), head))).drafts
    assert dated.occurred_at == datetime(2016, 11, 21, 17, 0, 10, tzinfo=UTC)
    began = datetime.now(UTC)
    [undated] = (await _read(_rss(_item("One", date)))).drafts
    assert began <= undated.occurred_at <= datetime.now(UTC)


LATIN = _rss(_item("Mëkanïk Zaïn"), start='<?xml version="1.0" encoding="{}"?>')


@pytest.mark.parametrize(
    ("declared", "encoding", "kind"),
    [
        ("iso-8859-1", "iso-8859-1", "application/rss+xml"),
        ("windows-1252", "windows-1252", "text/xml"),
        ("utf-8", "utf-8-sig", "text/xml; charset=utf-8"),
        ("utf-16", "utf-16", "text/xml"),
        ("utf-8", "iso-8859-1", "text/xml; charset=ISO-8859-1"),
        ("utf-8", "iso-8859-1", 'text/xml; charset="latin1"'),
    ],
)
async def test_encodings(declared: str, encoding: str, kind: str) -> None:
    [draft] = (await _read(LATIN.format(declared).encode(encoding), kind=kind)).drafts
    assert draft.title == "Mëkanïk Zaïn"


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("Fish&nbsp;&amp;&nbsp;chips", "Fish & chips"),
        ("Fish & chips", "Fish & chips"),
        ("Fish\x0b&copy; chips", "Fish© chips"),
        ("R&amp;amp;D", "R&D"),
        ("<![CDATA[A <b>bold</b> move]]>", "A bold move"),
        ("  Two\n  lines ", "Two lines"),
        ("1 &lt; 2, Vec&lt;T&gt;", "1 < 2, Vec<T>"),
        ("<em>Em</em> and span", "Em and span"),
        ("Em and &lt;span class=x&gt;span&lt;/span&gt;", "Em and span"),
    ],
)
async def test_mistakes_in_the_markup_are_mended(title: str, read: str) -> None:
    start = '\n <?xml version="1.0" encoding="utf-8"?>'
    [draft] = (await _read(_rss(_item(title, more="<guid>1</guid>"), start=start))).drafts
    assert draft.title == read


async def test_a_latin_feed_with_an_html_entity_keeps_its_accents() -> None:
    start = '<?xml version="1.0" encoding="iso-8859-1"?>'
    feed = _rss(_item("Zaïn&nbsp;!"), start=start).encode("iso-8859-1")
    [draft] = (await _read(feed)).drafts
    assert draft.title == "Zaïn !"


BOMB = """<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
OUTSIDE = """<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/hostname">]>"""


@pytest.mark.parametrize(
    "body",
    [
        _rss(_item("&b;"), start=BOMB),
        _rss(_item("&a;"), start=OUTSIDE),
        "<!doctype html><html><head><title>Log in</title></head></html>",
        "<html><body><p>Log in</body></html>",
        "<rss><channel><item><title>Cut o",
        "",
        '{"message": "no feed"}',
        '{"items": 3}',
        "{",
        "<a>" * 100_000,
    ],
    ids=["bomb", "outside", "html5", "html", "cut", "empty", "json", "items", "brace", "deep"],
)
async def test_what_is_no_feed_is_said_to_be_none(body: str) -> None:
    with pytest.raises(SourceMisbehaved, match=r"127\.0\.0\.1"):
        await _read(body)


async def test_the_secret_in_a_private_feeds_address_is_told_to_nobody() -> None:
    for body in ("<html/>", "<cut o"):
        with pytest.raises(SourceMisbehaved) as caught:
            await _read(body, query="?token=sesame")
        assert "sesame" not in str(caught.value)
    source = await _read(_rss(_item("One")), query="?token=sesame")
    assert len(source.drafts) == 1
    assert "sesame" not in json.dumps(source.cursor)


async def test_a_doctype_alone_does_no_harm() -> None:
    start = '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://x.example/rss.dtd">'
    [draft] = (await _read(_rss(_item("One"), start=start))).drafts
    assert draft.title == "One"


async def test_bad_articles_are_set_aside_and_the_rest_is_read() -> None:
    source = await _read(_rss("<item><guid></guid></item>" + _item("One")))
    assert [draft.title for draft in source.drafts] == ["One"]
    [bad] = source.bad
    assert "title" in bad.reason
    items: list[Any] = [
        "nonsense",
        None,
        {"id": 7, "title": "Number", "tags": 5, "authors": ["Jane"]},
        {"id": "8", "content_text": "1 < 2\n\nand <b> is no markup"},
    ]
    source = await _read(json.dumps({"title": "Site", "items": items}), kind="application/json")
    assert len(source.bad) == 2
    by_id = source.current
    assert by_id["7"].title == "Number"
    assert by_id["8"].body == "1 < 2\n\nand <b> is no markup"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthFailed),
        (404, SourceMisbehaved),
        (410, SourceMisbehaved),
        (429, RateLimited),
        (503, SourceUnavailable),
        (301, SourceMisbehaved),
    ],
)
async def test_refusals(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        await _read("", status=status, location="https://x.example/feed")


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain\n\ntext", "plain\n\ntext"),
        ("<p>One\n line</p>\n<p>Two</p>", "One line\n\nTwo"),
        ("a<br/>b<BR>c", "a\nb\nc"),
        ("<ul><li>One</li><li>Two</li></ul>After", "- One\n- Two\n\nAfter"),
        ("<pre>if x:\n  y\n\nz</pre>", "if x:\ny\n\nz"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<style>p{}</style>a<script>alert('<p>')</script>b<!-- <p> -->c", "abc"),
        ("a<script>never closed <p>b", "a"),
        ("&lt;b&gt; &amp;amp; <i>x</i>", "<b> &amp; x"),
        ('<img src="x" alt="y"><a href="z">link</a>', "link"),
        ("x < y and y <z", "x < y and y <z"),
        ("<![CDATA[<p>inside</p>]]>", "inside"),
    ],
)
def test_html_becomes_text(markup: str, text: str) -> None:
    assert plain(markup) == text


@pytest.mark.parametrize(
    "unit", ["<a", "<", "<!--", "<![", "<a b='", "&", "</script", "<script", " "]
)
def test_hostile_markup_takes_linear_time(unit: str) -> None:
    began = time.perf_counter()
    plain(unit * (1_000_000 // len(unit)))
    plain("<" + "a" * 1_000_000)
    assert time.perf_counter() - began < 10  # quadratic would be an hour


TITLES = st.sampled_from(["One", "Two", "Three"])
STEPS = st.lists(st.tuples(st.integers(0, 3), TITLES, st.booleans()), max_size=12)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS, path=st.sampled_from(PATHS))
async def test_however_the_polls_fall_the_end_is_the_same(
    steps: list[tuple[int, str, bool]], path: str
) -> None:
    twin = Twin()
    start = datetime(2026, 5, 4, tzinfo=UTC)
    async with serve(twin.app) as url, Clients() as clients:
        often, once = (poller(twin, url, clients, url=url + path) for _ in range(2))
        for count, (number, title, polls) in enumerate(steps):
            # A text that never comes back: an edit that is taken back is the old revision.
            at, text = start + timedelta(minutes=count), f"Version {count}"
            twin.emit({"guid": f"a-{number}", "title": title, "text": text, "at": at.isoformat()})
            if polls:
                await often.poll()
        await often.poll()
        await once.poll()
    assert often.current == once.current
    assert set(once.current) == set(twin.articles)


@pytest.mark.parametrize("record", [{}, {"title": "Something"}, {"text": "More of it"}])
async def test_the_twin_makes_up_what_is_missing(record: dict[str, str]) -> None:
    twin = Twin()
    async with serve(twin.app) as url, Clients() as clients, httpx2.AsyncClient() as browser:
        source = poller(twin, url, clients)
        made = (await browser.post(f"{url}/_demo/emit", json=record)).json()
        [draft] = await source.fresh()
        assert (draft.external_id, draft.title) == (made["guid"], made["title"])
        assert draft.title == record.get("title", draft.title)
        page = await browser.get(draft.url or "")
        assert made["title"] in html.unescape(page.text)
        assert (await browser.get(f"{url}/articles/none")).status_code == 404
        assert (await browser.get(f"{url}/feed/", params={"page": "2"})).status_code == 400


async def test_the_twin_weighs_conditions_as_the_standard_says() -> None:
    twin = Twin()
    twin.emit({"at": "2026-05-04T08:00:00Z"})
    async with serve(twin.app) as url, httpx2.AsyncClient() as browser:
        feed = f"{url}/feed/"
        fresh = await browser.get(feed)
        etag, modified = fresh.headers["etag"], fresh.headers["last-modified"]
        assert modified == "Mon, 04 May 2026 08:00:00 GMT"
        for headers, status in (
            ({"If-None-Match": etag}, 304),
            ({"If-None-Match": f'"x", W/{etag}'}, 304),
            ({"If-None-Match": "*"}, 304),
            ({"If-Modified-Since": modified}, 304),
            ({"If-Modified-Since": "Mon, 04 May 2026 07:59:59 GMT"}, 200),
            ({"If-None-Match": '"x"', "If-Modified-Since": modified}, 200),
        ):
            assert (await browser.get(feed, headers=headers)).status_code == status, headers
        twin.emit({"guid": "article-1", "delete": True})
        assert "article-1" not in (await browser.get(feed)).text
