"""The week of week/*.toml as what happens at which vendor, in time order."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from hub.demo.company import Person, company, read

PEOPLE = "people"
"""In place of a vendor: what a colleague publishes through the hub's own API."""
WEEK = timedelta(days=7)
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens, so long `ago`, at a vendor. Two of one `subject` are two versions."""

    ago: timedelta
    vendor: str
    record: Mapping[str, Any]
    subject: str = ""

    def at(self, end: datetime) -> dict[str, Any]:
        """Give the record with its time, for a week that ends then."""
        return {**self.record, "at": (end - self.ago).isoformat()}


def before() -> list[Event]:
    """Tell what is there when the week begins: who sells, and who is in which channel."""
    return [
        *(
            Event(WEEK, "hubspot", crm_owner(key, one))
            for key, one in company().colleagues.items()
            if one.team == "sales"
        ),
        *(_joined(name, private=private) for name, private in sorted(channels().items())),
    ]


def week() -> list[Event]:
    """Tell the week, oldest first."""
    told = [event for story in _stories() for event in _events(story)]
    return sorted(told, key=lambda event: event.ago, reverse=True)


def channels() -> dict[str, bool]:
    """Name the channels and say which are private."""
    chats = [chat for story in _stories() for chat in story.get("chat", ())]
    return {chat["channel"]: False for chat in chats} | {
        chat["channel"]: True for chat in chats if chat.get("private")
    }


def duration(text: str) -> timedelta:
    """Read `2d 3h 5m`."""
    parts = re.findall(r"(\d+)([dhm])", text)
    if not parts or " ".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no time like 2d 3h 5m")
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in parts})


def _stories() -> Iterator[dict[str, Any]]:
    for path in sorted(files("hub.demo").joinpath("week").iterdir(), key=lambda one: one.name):
        if path.name.endswith(".toml"):
            yield read(f"week/{path.name}")


def _events(story: Mapping[str, Any]) -> Iterator[Event]:
    tellers = {
        "deal": _deal, "lead": _lead, "ticket": _ticket, "alert": _alert, "article": _article,
        "chat": _chat, "post": _post, "raw": _raw,
    }  # fmt: skip
    for what, told in story.items():
        for one in told:
            yield from tellers[what](one)


def _deal(deal: Mapping[str, Any]) -> Iterator[Event]:
    about = {
        "dealname": deal["name"],
        "amount": deal["amount"],
        "deal_currency_code": deal["currency"],
        "dealtype": deal.get("type", "newbusiness"),
        "competitor": deal.get("competitor"),
        "hubspot_owner_id": company().owner_id(deal["owner"]),
    }
    for step in deal["steps"]:
        record = crm_deal(deal["id"], step["stage"], step.get("reason"))
        record |= {"company": company().customers[deal["company"]].company}
        record["properties"] |= about
        yield Event(duration(step["ago"]), "hubspot", record, f"deal/{deal['id']}")


def _lead(lead: Mapping[str, Any]) -> Iterator[Event]:
    record = crm_lead(lead["id"], lead["name"], lead["company"], _person(lead))
    record["properties"] |= {"hs_lead_source": lead["source"], "hs_lead_label": lead["label"]}
    yield Event(duration(lead["ago"]), "hubspot", record, f"lead/{lead['id']}")


def _ticket(ticket: Mapping[str, Any]) -> Iterator[Event]:
    opening = {"subject": ticket["subject"], "description": ticket["text"]}
    opening |= asked_by(ticket["company"], _person(ticket))
    for step in ticket["steps"]:
        names = ("status", "type", "priority", "tags")
        news = {name: step[name] for name in names if name in step}
        if "problem" in step:
            news["problem_id"] = step["problem"]
        if "rating" in step:
            news["satisfaction_rating"] = {"score": step["rating"], "comment": step["comment"]}
        record = {"id": ticket["id"], **opening, **news}
        yield Event(duration(step["ago"]), "zendesk", record, f"ticket/{ticket['id']}")
        opening = {}


def _alert(alert: Mapping[str, Any]) -> Iterator[Event]:
    labels = {"alertname": alert["name"]}
    labels |= {name: alert[name] for name in ("severity", "service", "team")}
    for step in alert["steps"]:
        record: dict[str, Any] = {"labels": labels}
        if step.get("over"):
            record["resolve"] = True
        else:
            record |= {name: alert[name] for name in ("title", "text") if name in alert}
        yield Event(duration(step["ago"]), "alertmanager", record, alert["name"])


def _article(article: Mapping[str, Any]) -> Iterator[Event]:
    record = {name: article[name] for name in article.keys() - {"at", "ago"}}
    guid = re.sub(r"[^a-z0-9]+", "-", article["title"].lower()).strip("-")
    yield Event(duration(article["ago"]), article["at"], {"guid": guid, **record}, guid)


def _chat(chat: Mapping[str, Any]) -> Iterator[Event]:
    for ago, who, text in chat["lines"]:
        yield Event(duration(ago), "slack", said(chat["channel"], who, text))


def _post(post: Mapping[str, Any]) -> Iterator[Event]:
    record = {name: post[name] for name in post.keys() - {"ago"}}
    record["account"] = company().customers[post["account"]].name
    yield Event(duration(post["ago"]), PEOPLE, record)


def _raw(raw: Mapping[str, Any]) -> Iterator[Event]:
    yield Event(duration(raw["ago"]), raw["at"], raw["record"])


def _joined(channel: str, *, private: bool) -> Event:
    who = company().colleagues["mina"]
    join = {"subtype": "channel_join", "private": private}
    return Event(WEEK, "slack", said(channel, "mina", f"{who.first} has joined the channel") | join)


def _person(told: Mapping[str, Any]) -> Person:
    people = company().customers[told["company"]].people
    return next(one for one in people if one.name == told["person"])


def crm_owner(key: str, colleague: Person) -> dict[str, Any]:
    first, _, last = colleague.name.partition(" ")
    person = {"firstName": first, "lastName": last, "email": colleague.email}
    return {"object": "owners", "id": company().owner_id(key), **person}


def crm_deal(number: int, stage: str, reason: str | None = None) -> dict[str, Any]:
    why = "closed_won_reason" if stage == "closedwon" else "closed_lost_reason"
    return {
        "object": "deals",
        "id": number,
        "properties": {"dealstage": stage} | ({why: reason} if reason else {}),
    }


def crm_lead(number: int, name: str, customer: str, person: Person) -> dict[str, Any]:
    first, _, last = person.name.partition(" ")
    contact = {"firstname": first, "lastname": last, "email": person.email}
    properties = {f"hs_associated_contact_{name}": value for name, value in contact.items()}
    return {
        "object": "leads",
        "id": number,
        "company": company().customers[customer].company,
        "properties": {"hs_lead_name": name, **properties},
    }


def asked_by(customer: str, person: Person) -> dict[str, Any]:
    """Say for which customer who asks, as the help desk is told it."""
    return {
        "organization": company().customers[customer].company,
        "requester": {"name": person.name, "email": person.email},
    }


def said(channel: str, colleague: str, text: str) -> dict[str, Any]:
    """Say something in a channel."""
    who = company().colleagues[colleague]
    return {"channel": channel, "user": {"name": who.name, "email": who.email}, "text": text}
