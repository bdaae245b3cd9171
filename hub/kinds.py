"""The catalogue of kinds: what may happen, in which family and department, how bad it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Annotated

from pydantic import StringConstraints

# Lower-case dotted words; the catalogue below lists those the hub knows, others are carried.
KIND_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"

Kind = Annotated[str, StringConstraints(pattern=KIND_PATTERN, max_length=80)]


class Department(StrEnum):
    SALES = "sales"
    SUPPORT = "support"
    PRODUCT = "product"
    ENGINEERING = "engineering"
    MARKETING = "marketing"
    COMMUNITY = "community"
    PEOPLE = "people"
    LEGAL = "legal"
    EXECUTIVE = "executive"
    PARTNERS = "partners"
    COMPANY = "company"


class Family(StrEnum):
    """The GraphQL type group of a kind: which typed `details` it carries."""

    DEAL = "deal"
    LEAD = "lead"
    TICKET = "ticket"
    INCIDENT = "incident"
    ERROR = "error"
    MENTION = "mention"
    METRIC = "metric"
    RELEASE = "release"
    FEEDBACK = "feedback"
    PEOPLE = "people"
    POLICY = "policy"
    GOAL = "goal"
    PARTNER = "partner"
    EVENT = "event"
    POST = "post"
    MESSAGE = "message"
    MEETING = "meeting"
    MAIL = "mail"
    HUB = "hub"
    GENERIC = "generic"


class Severity(IntEnum):
    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class KindInfo:
    family: Family
    department: Department
    about: str
    severity: Severity = Severity.INFO


def _kinds(
    family: Family, department: Department, **kinds: str | tuple[str, Severity]
) -> dict[str, KindInfo]:
    return {
        name.replace("__", "."): KindInfo(family, department, about)
        if isinstance(about, str)
        else KindInfo(family, department, *about)
        for name, about in kinds.items()
    }


_F, _D, _S = Family, Department, Severity

KINDS: Mapping[str, KindInfo] = {
    **_kinds(
        _F.DEAL, _D.SALES,
        sales__deal__won=("A deal was won", _S.MEDIUM),
        sales__deal__lost=("A deal was lost: reason, competitor", _S.MEDIUM),
        sales__deal__created="A deal was opened",
        sales__deal__stage="A deal moved to another stage",
        sales__pitch__scheduled=("A pitch has a date", _S.LOW),
        sales__decision_driver=("What made a customer decide", _S.LOW),
    ),
    **_kinds(_F.LEAD, _D.SALES, sales__lead__created="A lead came in"),
    **_kinds(_F.METRIC, _D.SALES, sales__lead__source="Where leads come from, over a period"),
    **_kinds(
        _F.TICKET, _D.SUPPORT,
        support__ticket__opened=("A customer asked for help", _S.LOW),
        support__ticket__updated="A ticket changed",
        support__ticket__solved="A ticket was solved",
        support__escalation=("A customer's case was escalated", _S.HIGH),
        support__faq="A question that keeps coming, with its answer",
        support__issue__recurring=("One issue behind many tickets", _S.MEDIUM),
    ),
    **_kinds(_F.FEEDBACK, _D.SUPPORT, support__csat="A customer rated our support"),
    **_kinds(
        _F.RELEASE, _D.PRODUCT,
        product__release=("A version was released", _S.LOW),
        product__roadmap="The roadmap changed",
        product__deprecation=("Something will be withdrawn", _S.MEDIUM),
        product__work_item="A piece of work changed",
    ),
    **_kinds(
        _F.FEEDBACK, _D.PRODUCT,
        customer__testimonial=("A customer spoke well of us", _S.LOW),
        customer__use_case="How a customer uses the product",
        customer__feedback="What a customer thinks",
        customer__nps="A net promoter score answer",
    ),
    **_kinds(
        _F.INCIDENT, _D.ENGINEERING,
        ops__incident__triggered=("Something broke", _S.HIGH),
        ops__incident__acknowledged=("Somebody took the incident", _S.MEDIUM),
        ops__incident__resolved="The incident is over",
        ops__alert__firing=("Monitoring raised an alert", _S.MEDIUM),
        ops__alert__resolved="The alert cleared",
        ops__maintenance="Planned work on our systems",
    ),
    **_kinds(
        _F.ERROR, _D.ENGINEERING,
        ops__error__new=("A new error in the product", _S.MEDIUM),
        ops__error__regressed=("An error that was fixed came back", _S.MEDIUM),
    ),
    **_kinds(
        _F.MENTION, _D.MARKETING,
        brand__mention="Somebody named us in public",
        brand__coverage=("The press wrote about us", _S.LOW),
        market__competitor=("A competitor moved", _S.LOW),
    ),
    **_kinds(
        _F.METRIC, _D.MARKETING,
        brand__share_of_voice="How often we are named, against others",
        brand__sentiment="How we are spoken of, over a period",
        brand__sentiment__shift=("The tone about us changed", _S.MEDIUM),
    ),
    **_kinds(
        _F.EVENT, _D.COMMUNITY,
        community__event="A community event",
        community__speaking="One of us speaks in public",
    ),
    **_kinds(
        _F.PEOPLE, _D.PEOPLE,
        people__hire="Somebody joined",
        people__promotion="Somebody was promoted",
        people__departure="Somebody left",
    ),
    **_kinds(
        _F.POLICY, _D.LEGAL,
        policy__compliance=("A compliance rule changed", _S.MEDIUM),
        policy__regulatory=("A regulation changed", _S.MEDIUM),
        policy__legal=("A legal matter concerns us", _S.MEDIUM),
    ),
    **_kinds(
        _F.GOAL, _D.EXECUTIVE,
        goal__sales="A sales goal was set or reached",
        goal__strategic="A company goal was set or reached",
    ),
    **_kinds(
        _F.PARTNER, _D.PARTNERS,
        partner__announced="A new partner",
        partner__changed="A partnership changed",
    ),
    **_kinds(
        _F.POST, _D.COMPANY,
        team__need=("A team asks another for something", _S.LOW),
        team__kudos="Thanks to a colleague",
        team__idea="An idea to vote on",
        team__culture="Life in the company",
        team__question="A question to the company",
        team__answer="An answer",
        team__post="News from a colleague",
        content__post="A post on our blog",
        content__comment="A comment under a post",
    ),
    **_kinds(
        _F.MESSAGE, _D.COMPANY,
        chat__message="A message in a channel",
        chat__decision=("A decision taken in a channel", _S.LOW),
    ),
    **_kinds(
        _F.MEETING, _D.COMPANY,
        meeting__agenda="A meeting's agenda",
        meeting__outcome="What a meeting decided",
    ),
    **_kinds(_F.MAIL, _D.COMPANY, mail__thread="A conversation by mail"),
    **_kinds(
        _F.HUB, _D.ENGINEERING,
        hub__source__silent=("A source that should speak is silent", _S.MEDIUM),
        hub__source__recovered="A source works again",
        hub__source__auth_failed=("A source no longer lets us in", _S.HIGH),
        hub__delivery__dead=("A delivery was given up", _S.MEDIUM),
        hub__config__applied="A new configuration is in force",
    ),
}  # fmt: skip

_BY_DOMAIN = {
    "sales": _D.SALES, "support": _D.SUPPORT, "product": _D.PRODUCT, "customer": _D.PRODUCT,
    "ops": _D.ENGINEERING, "brand": _D.MARKETING, "market": _D.MARKETING,
    "community": _D.COMMUNITY, "people": _D.PEOPLE, "policy": _D.LEGAL, "goal": _D.EXECUTIVE,
    "partner": _D.PARTNERS, "hub": _D.ENGINEERING,
}  # fmt: skip


def kind_info(kind: str) -> KindInfo:
    """Describe any kind; one that the catalogue lacks is carried as generic."""
    if info := KINDS.get(kind):
        return info
    domain = kind.partition(".")[0]
    return KindInfo(Family.GENERIC, _BY_DOMAIN.get(domain, Department.COMPANY), "A custom kind")


def kinds_of(family: Family) -> frozenset[str]:
    """Name the kinds of the catalogue that belong to a family."""
    return frozenset(kind for kind, info in KINDS.items() if info.family is family)


def matches_kind(pattern: str, kind: str) -> bool:
    """`sales.*` takes every kind below `sales`; `*` takes all; else the exact kind."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return kind.startswith(pattern[:-1])
    return pattern == kind
