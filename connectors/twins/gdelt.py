"""GDELT's DOC 2.0 search on loopback: articles, the newest first, 250 at most.

Written down from the vendor's announcement, which is its documentation, and from its answers:
- parameters: https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/
- what it says in place of JSON: https://github.com/alex9smith/gdelt-doc-api
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from connectors import twins
from connectors.twins import Allowed, Check, Excuse, Fault, moment

_DOCS = "https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/"
_MODES = frozenset({"artlist", "timelinevol", "timelinetone", "tonechart"})
_SORTS = frozenset({"datedesc", "dateasc", "tonedesc", "toneasc", "hybridrel"})
_SLOWER = "Please limit requests to one every 5 seconds or contact us for larger queries."
_TITLES = (
    "Acme Robotics wins the GraphQL prize",
    "How Acme became everybody's dashboard",
    "Acme and Globex announce a partnership",
)

Record = dict[str, Any]


def _stamp(text: str) -> bool:
    return re.fullmatch(r"20\d{12}", text) is not None


class Twin(twins.Twin):
    """Refuses in sentences with status 200, as GDELT does; `hasty` counts who asked too soon."""

    connector: ClassVar[str] = "gdelt"
    excused: ClassVar[Mapping[Fault, Excuse]] = {
        Fault.SHORT_PAGES: Excuse(
            "there are no pages: MAXRECORDS, up to 250, is what comes", _DOCS
        ),
        Fault.EMPTY_PAGE: Excuse("there are no pages, and so no next one", _DOCS),
        Fault.CURSOR_EXPIRED: Excuse("it hands out no cursor: it is asked by time", _DOCS),
        Fault.GONE: Excuse(
            "an article that was seen is searched for three months, and stays", _DOCS
        ),
        Fault.PUSH: Excuse("it is asked, and calls nobody", _DOCS),
    }

    def __init__(self, *, most: int = 250, pause: timedelta = timedelta(0)) -> None:
        """Give `most` articles, and refuse who asks before `pause` is over."""
        super().__init__()
        self.most, self.pause = most, pause
        self.articles: dict[str, Record] = {}
        self.asked: list[datetime] = []
        self.hasty = 0
        self._made: dict[int, str] = {}

    def table(self) -> tuple[Allowed, ...]:
        params: dict[str, Check] = {
            "query": bool,
            "mode": _MODES.__contains__,
            "format": frozenset({"json", "html", "csv", "rss"}).__contains__,
            "sort": _SORTS.__contains__,
            "maxrecords": lambda text: text.isdigit() and 1 <= int(text) <= 250,
            "startdatetime": _stamp,
            "enddatetime": _stamp,
        }
        needed = frozenset({"query", "mode", "format"})
        return (Allowed("GET", "/api/v2/doc/doc", self._search, params, needed),)

    def settings(self, url: str) -> dict[str, Any]:
        return {"url": url, "queries": ['"Acme"'], "pause": self.pause.total_seconds()}

    async def _search(self, request: Request) -> Response:
        asked, at = request.query_params, datetime.now(UTC)
        if self.asked and at - self.asked[-1] < self.pause:
            self.hasty += 1
            return _sentence(_SLOWER)
        self.asked.append(at)
        words = asked["query"].replace('"', "").casefold()
        if len(words) < 3:
            return _sentence("Your query was too short or too long.")
        begin, end = (_read(asked.get(name)) for name in ("startdatetime", "enddatetime"))
        if begin and begin < self.now() - timedelta(days=92):
            return _sentence("Invalid query start date.")
        terms = [word for word in words.split() if ":" not in word]
        found = [
            one
            for one in self.articles.values()
            if all(term in one["title"].casefold() for term in terms)
            and (begin or _at(one)) <= _at(one) <= (end or _at(one))
        ]
        found.sort(key=_at, reverse=True)
        served = found[: min(self.most, int(asked.get("maxrecords", 75)))]
        return JSONResponse({"articles": served} if served else {})

    def emit(self, record: Mapping[str, Any]) -> Record:
        """Publish "title" at "url", by "domain" in "language" and "country"; "tone" is its tone.

        "edit" names an article by its address.
        """
        at = moment(record)
        if edited := record.get("edit"):
            self.articles[edited]["title"] = record["title"]
            return self.articles[edited]
        number = len(self.articles) + 1
        domain = record.get("domain", "technews.example")
        article = {
            "url": record.get("url", f"https://{domain}/articles/{number}"),
            "url_mobile": "",
            "title": record.get("title", _TITLES[number % len(_TITLES)]),
            "seendate": at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"),
            "socialimage": f"https://{domain}/images/{number}.jpg",
            "domain": domain,
            "language": record.get("language", "English"),
            "sourcecountry": record.get("country", "Germany"),
        }
        article |= {"tone": record["tone"]} if "tone" in record else {}
        article |= record.get("fields", {})
        self.articles[article["url"]] = article
        return article

    def create(self, number: int, at: datetime) -> str:
        article = self.emit({"title": f"Acme, number {number}", "at": at.isoformat()})
        self._made[number] = article["url"]
        return str(article["url"])

    def edit(self, number: int, at: datetime) -> None:
        del at  # no time tells when a title was changed
        where = self._made[number]
        self.emit({"edit": where, "title": f"{self.articles[where]['title']}, updated"})


def _at(article: Record) -> datetime:
    return datetime.fromisoformat(article["seendate"])


def _read(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(f"{stamp[:8]}T{stamp[8:]}Z") if stamp else None


def _sentence(words: str) -> Response:
    return PlainTextResponse(words, media_type="text/html")
