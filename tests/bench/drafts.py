"""What a middling company's tools say in a few weeks: the same drafts in every run.

The mix of kinds, the accounts and people that recur, and the lengths of texts are those of the
products named; a tenth of the drafts are later revisions of a record that is already kept.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from hub.connector import AccountRef, Draft, PersonRef
from hub.kinds import Severity
from hub.signals import Classification, Status

PAGE = 100
START = datetime(2026, 10, 5, 8, tzinfo=UTC)
REVISED = 0.1
_REMEMBERED = 500  # records of a source that may still change

_WORDS = (  # noqa: SIM905 - as for the others: words, not a list of literals
    "the customer cannot export invoices since the last release and asks when this is mended "
    "our contract renewal depends on it they also miss an integration with their warehouse "
    "dashboard pricing page outage login latency report sync error roadmap feature team launch "
    "competitor offered a discount security review passed refund issued deploy rolled back "
    "cluster disk memory queue grows payment provider slow webhook retried thanks for the help"
).split()
_NAMES = (  # noqa: SIM905
    "Ada Grace Linus Edsger Barbara Donald Frances Alan Katherine Niklaus Radia Tim Hedy Ken "
    "Margaret Dennis Joan Bjarne Sophie Guido"
).split()
_STEMS = "Nord Ost Alpha Blue Clear Delta Ever Fair Grand Hoch Inter Jade Klar Lumen".split()  # noqa: SIM905
_ENDS = "works trade soft med logic cargo bank data foods energy".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Written:
    """A page of one source, and the cursor that it ends at."""

    source: str
    drafts: list[Draft]
    cursor: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Product:
    """One source's part in the mix. `share` is in pages of a hundred."""

    source: str
    share: int
    write: Callable[["_Company"], dict[str, Any]]
    known: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class _Company:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.number = count(1)
        self.accounts = [
            AccountRef(name=f"{stem}{end} GmbH", domain=f"{stem}{end}.example".lower())
            for stem in _STEMS
            for end in _ENDS
        ]
        self.people = [
            PersonRef(name=f"{first} {last}", email=f"{first}.{last}@mail.example".lower())
            for first in _NAMES
            for last in _NAMES
        ]

    def text(self, least: int, most: int) -> str:
        """Write so many letters, or a word more: short texts are the more frequent."""
        wanted = least + int((most - least) * self.random.random() ** 2)
        words: list[str] = []
        while wanted > 0:
            words.append(self.random.choice(_WORDS))
            wanted -= len(words[-1]) + 1
        return " ".join(words).capitalize()

    def account(self) -> AccountRef:
        # A few customers make most of the noise.
        return self.accounts[int(len(self.accounts) * self.random.random() ** 2)]

    def person(self) -> PersonRef:
        return self.random.choice(self.people)

    def kind(self, **weights: int) -> str:
        kinds = [name.replace("__", ".") for name in weights]
        return self.random.choices(kinds, list(weights.values()))[0]


def _ticket(we: _Company) -> dict[str, Any]:
    number = next(we.number)
    return {
        "kind": we.kind(
            support__ticket__opened=40, support__ticket__updated=35, support__ticket__solved=20,
            support__escalation=2, support__csat=3,
        ),
        "external_id": f"ticket/{number}",
        "title": we.text(25, 110),
        "summary": we.text(60, 240),
        "body": we.text(200, 3000),
        "url": f"https://acme.zendesk.example/agent/tickets/{number}",
        "status": we.random.choice([Status.OPEN, Status.OPEN, Status.RESOLVED]),
        "severity": we.random.choice([Severity.INFO, Severity.LOW, Severity.MEDIUM, Severity.HIGH]),
        "sentiment": round(we.random.uniform(-1, 1), 3),
        "account": we.account(),
        "author": we.person(),
        "owner": we.person(),
        "labels": tuple(we.random.sample(_WORDS, 3)),
        "attributes": {"priority": "normal", "channel": "email", "brand": 1, "group": "tier-1"},
        "thread": f"ticket/{number}",
    }  # fmt: skip


def _deal(we: _Company) -> dict[str, Any]:
    number = next(we.number)
    return {
        "kind": we.kind(
            sales__deal__stage=45, sales__deal__created=20, sales__lead__created=25,
            sales__deal__won=6, sales__deal__lost=4,
        ),
        "external_id": f"deal/{number}",
        "title": we.text(20, 80),
        "summary": we.text(20, 120),
        "url": f"https://app.hubspot.example/deals/{number}",
        "account": we.account(),
        "owner": we.person(),
        "classification": we.random.choice([Classification.INTERNAL, Classification.CONFIDENTIAL]),
        "attributes": {
            "amount": we.random.randrange(1_000, 250_000),
            "currency": "EUR",
            "stage": "contractsent",
            "pipeline": "default",
            "closes": "2026-12-31",
        },
    }  # fmt: skip


def _alert(we: _Company) -> dict[str, Any]:
    number = next(we.number)
    firing = we.random.random() < 0.5
    labels = {f"label_{place}": we.random.choice(_WORDS) for place in range(10)}
    return {
        "kind": "ops.alert.firing" if firing else "ops.alert.resolved",
        "external_id": f"alert/{number:016x}",
        "title": we.text(25, 90),
        "summary": we.text(60, 220),
        "url": f"https://grafana.example/d/{number}",
        "status": Status.OPEN if firing else Status.RESOLVED,
        "severity": we.random.choice([Severity.LOW, Severity.MEDIUM, Severity.CRITICAL]),
        "labels": ("production", we.random.choice(_WORDS)),
        "attributes": {"labels": labels, "generator": "https://prometheus.example/graph?g0=up"},
    }


def _mention(we: _Company) -> dict[str, Any]:
    number = next(we.number)
    name = we.random.choice(_NAMES)
    return {
        "kind": we.kind(brand__mention=90, market__competitor=10),
        "external_id": f"post/{number}",
        "title": we.text(20, 80),
        "summary": we.text(40, 280),
        "body": we.text(40, 500),
        "url": f"https://social.example/@{name}/{number}",
        "sentiment": round(we.random.uniform(-1, 1), 3),
        "classification": Classification.PUBLIC,
        "author": PersonRef(name=name, handle=f"{name}@social.example"),
        "labels": tuple(we.random.sample(_WORDS, 2)),
        "attributes": {"boosts": number % 7, "favourites": number % 31, "language": "en"},
    }


def _message(we: _Company) -> dict[str, Any]:
    number = next(we.number)
    return {
        "kind": we.kind(chat__message=95, chat__decision=5),
        "external_id": f"C01/{number}",
        "title": we.text(15, 80),
        "body": we.text(20, 600),
        "url": f"https://acme.slack.example/archives/C01/p{number}",
        "author": we.person(),
        "attributes": {"channel": "general", "reactions": number % 5},
        "thread": f"C01/{number // 8}",
    }


def _article(we: _Company) -> dict[str, Any]:
    number = next(we.number)
    return {
        "kind": we.kind(brand__coverage=60, content__post=30, product__release=10),
        "external_id": f"https://news.example/{number}",
        "title": we.text(30, 120),
        "summary": we.text(120, 500),
        "body": we.text(800, 9000),
        "url": f"https://news.example/{number}",
        "classification": Classification.PUBLIC,
        "author": PersonRef(name=we.random.choice(_NAMES)),
        "labels": tuple(we.random.sample(_WORDS, 4)),
        "attributes": {"outlet": "The Example", "language": "en"},
    }


SOURCES = ("zendesk", "hubspot", "alertmanager", "mastodon", "slack", "rss")


def pages(seed: int = 7) -> Iterator[Written]:
    """Write pages of a hundred drafts without end, each from one source as a poll brings it."""
    we = _Company(seed)
    writers = (_ticket, _deal, _alert, _mention, _message, _article)
    shares = (30, 20, 20, 12, 13, 5)
    products = [_Product(*one) for one in zip(SOURCES, shares, writers, strict=True)]
    at = START
    for number in count(1):
        product = we.random.choices(products, [one.share for one in products])[0]
        drafts: list[Draft] = []
        for _ in range(PAGE):
            at += timedelta(seconds=we.random.randrange(1, 240))
            drafts.append(_draft(we, product, at))
        yield Written(product.source, drafts, {"after": number, "seen": at.isoformat()})


def _draft(we: _Company, product: _Product, at: datetime) -> Draft:
    record: dict[str, Any]
    if product.known and we.random.random() < REVISED:
        record = we.random.choice(product.known)
        record |= {"title": we.text(20, 100), "status": Status.RESOLVED}
    else:
        record = {**product.write(we), "occurred_at": at}
        product.known.append(record)
    return Draft(**record, revision=at.isoformat(), revised_at=at)
