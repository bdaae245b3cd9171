"""What goes on happening while somebody watches: made up from a seed, about what has happened."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any, Self, TypeVar

from hub.demo.company import Customer, company, read
from hub.demo.memory import Memory
from hub.demo.script import PEOPLE, Event, asked_by, crm_deal, crm_lead, said

FASTEST, SLOWEST = 5.0, 20.0  # seconds between two events
NOW = timedelta(0)
MANY = 14  # open tickets, or deals, from which on they are worked off first

_Card = TypeVar("_Card")


@dataclass(slots=True)
class Live:
    """Tells one event after the other, about what is open by then."""

    random: Random
    numbers: Iterator[int]
    memory: Memory
    _words: dict[str, Any] = field(default_factory=lambda: read("live.toml"))
    _decks: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)

    @classmethod
    def after(cls, happened: int, memory: Memory) -> Self:
        """Go on after so many events: with other words and other numbers than before them."""
        # The seed makes a demo repeatable; nothing secret hangs on it.
        return cls(Random(happened), count(100_000 + happened), memory)  # noqa: S311

    def wait(self) -> float:
        return self.random.uniform(FASTEST, SLOWEST)

    def next(self) -> Event:
        """Make up what happens now."""
        moves: list[tuple[Callable[[], Event], float]] = [
            (self._chat, 30),
            (self._ticket_opens, 16 if len(self.memory.tickets) < MANY else 2),
            (self._ticket_moves, 16 if self.memory.tickets else 0),
            (self._rating, 7 if self.memory.unrated else 0),
            (self._deal_opens, 9 if len(self.memory.deals) < MANY else 1),
            (self._deal_moves, 14 if self.memory.deals else 0),
            (self._lead, 7),
            (self._alert_fires, 7 if len(self.memory.alerts) < MANY else 1),
            (self._alert_clears, 6 if self.memory.alerts else 0),
            (self._news, 7),
            (self._intranet, 2),
            (self._post, 4),
        ]
        [move] = self.random.choices([move for move, _ in moves], [weight for _, weight in moves])
        return move()

    def _deal_opens(self) -> Event:
        key, name = self._draw("deals", self._words["deals"]["names"])
        customer = company().customers[key]
        name = self._fill(name, customer)
        record = crm_deal(next(self.numbers), self._words["deals"]["stages"][0])
        record |= {"company": customer.company}
        seller = self.random.choice(
            [key for key, one in company().colleagues.items() if one.team == "sales"]
        )
        record["properties"] |= {
            "dealname": f"{customer.name}: {name}",
            "amount": self.random.randrange(4, 160) * 500,
            "dealtype": self.random.choice(("newbusiness", "existingbusiness")),
            "hubspot_owner_id": company().owner_id(seller),
        }
        return Event(NOW, "hubspot", record)

    def _deal_moves(self) -> Event:
        number, deal = self.random.choice(list(self.memory.deals.items()))
        stages = self._words["deals"]["stages"]
        at = stages.index(deal["dealstage"]) if deal.get("dealstage") in stages else 0
        if at + 1 < len(stages):
            return Event(NOW, "hubspot", crm_deal(number, stages[at + 1]))
        customer = self._customer(deal.get("company"))
        stage, why = self.random.choice(
            (("closedwon", "won"), ("closedwon", "won"), ("closedlost", "lost"))
        )
        reason = self.random.choice(self._words["deals"][why])
        rival = self.random.choice(company().competitors)
        record = crm_deal(number, stage, self._fill(reason, customer, competitor=rival))
        if "{competitor}" in reason:
            record["properties"]["competitor"] = rival
        return Event(NOW, "hubspot", record)

    def _lead(self) -> Event:
        key, name = self._draw("leads", self._words["leads"]["names"])
        customer = company().customers[key]
        name = self._fill(name, customer)
        person = self.random.choice(customer.people)
        record = crm_lead(next(self.numbers), f"{customer.name} {name}", key, person)
        record["properties"] |= {
            "hs_lead_source": self.random.choice(self._words["leads"]["sources"]),
            "hs_lead_label": self.random.choice(("HOT", "WARM", "COLD")),
        }
        return Event(NOW, "hubspot", record)

    def _ticket_opens(self) -> Event:
        key, subject = self._draw("tickets", self._words["tickets"]["subjects"])
        customer = company().customers[key]
        text = self.random.choice(self._words["tickets"]["texts"])
        return Event(
            NOW,
            "zendesk",
            {
                "id": next(self.numbers),
                "subject": self._fill(subject, customer),
                "description": self._fill(text, customer),
                "status": "new",
                "priority": self.random.choice(("low", "normal", "normal", "high")),
                **asked_by(key, self.random.choice(customer.people)),
            },
        )

    def _ticket_moves(self) -> Event:
        number, ticket = self.random.choice(list(self.memory.tickets.items()))
        said_now: dict[str, Any]
        if ticket.get("status") == "new":
            said_now = {"status": "open"}
        elif ticket.get("priority") != "urgent" and self.random.random() < 0.15:
            said_now = {"status": "open", "priority": "urgent"}
        else:
            said_now = {"status": self.random.choice(("pending", "solved", "solved"))}
        return Event(NOW, "zendesk", {"id": number, **said_now})

    def _rating(self) -> Event:
        number, ticket = self.random.choice(list(self.memory.unrated.items()))
        score = self.random.choice(("good", "good", "good", "bad"))
        comment = self.random.choice(self._words["tickets"][score])
        rating = {
            "score": score,
            "comment": self._fill(comment, self._customer(ticket.get("organization"))),
        }
        return Event(NOW, "zendesk", {"id": number, "satisfaction_rating": rating})

    def _alert_fires(self) -> Event:
        alert = self.random.choice(self._words["alerts"])
        service = self.random.choice(alert.get("services", self._words["services"]["names"]))
        labels = {"alertname": alert["name"], "severity": alert["severity"]}
        labels |= {"service": service, "team": "platform"}
        title = self.random.choice(alert["titles"])
        filled = title.format(service=service, n=self.random.randrange(3, 30))
        return Event(NOW, "alertmanager", {"labels": labels, "title": filled})

    def _alert_clears(self) -> Event:
        labels = self.random.choice(list(self.memory.alerts.values()))
        return Event(NOW, "alertmanager", {"labels": labels, "resolve": True})

    def _chat(self) -> Event:
        channel = self.random.choice(list(self._words["chat"]))
        key, text = self._draw(channel, self._words["chat"][channel])
        team = [key for key, one in company().colleagues.items() if one.team == channel]
        who = self.random.choice(team or list(company().colleagues))
        return Event(NOW, "slack", said(channel, who, self._fill(text, company().customers[key])))

    def _news(self) -> Event:
        return self._article("news")

    def _intranet(self) -> Event:
        return self._article("intranet")

    def _article(self, where: str) -> Event:
        titles = [(kind, one) for kind, some in self._words[where].items() for one in some]
        key, (category, title) = self._draw(where, titles)
        filled = self._fill(title, company().customers[key])
        guid = f"{where}-{next(self.numbers)}"
        return Event(NOW, where, {"guid": guid, "category": category, "title": filled, "text": ""})

    def _post(self) -> Event:
        key, post = self._draw("posts", self._words["posts"])
        customer = company().customers[key]
        told = {"title": self._fill(post["title"], customer), "account": customer.name}
        return Event(NOW, PEOPLE, {**post, **told})

    def _draw(self, deck: str, texts: Sequence[_Card]) -> tuple[str, _Card]:
        """Take a text and a customer to say it about.

        A text comes again after all the others, and then about another customer.
        """
        cards = self._decks.setdefault(deck, [])
        if not cards:
            customers = [self._shuffled(company().customers) for _ in texts]
            for turn in range(len(company().customers)):
                order = self._shuffled(range(len(texts)))
                cards += [(customers[number][turn], texts[number]) for number in order]
        key, card = cards.pop()
        return key, card

    def _shuffled(self, values: Iterable[_Card]) -> list[_Card]:
        mixed = list(values)
        self.random.shuffle(mixed)
        return mixed

    def _fill(self, text: str, customer: Customer, competitor: str | None = None) -> str:
        pick = self.random.choice
        return text.format(
            customer=customer.name,
            city=customer.city,
            person=pick(customer.people).name,
            module=pick(company().modules),
            competitor=competitor or pick(company().competitors),
            newcomer=pick(self._words["people"]["newcomers"]),
            team=pick(self._words["people"]["teams"]),
            n=self.random.randrange(3, 30),
        )

    def _customer(self, told: Any) -> Customer:
        """Find the customer that a record names, or take any."""
        domain = told.get("domain") if isinstance(told, dict) else None
        known = list(company().customers.values())
        return next((one for one in known if one.domain == domain), self.random.choice(known))
