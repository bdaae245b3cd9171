"""Sources that go on writing while the hub is dead: a ledger of every change, and a help desk.

The ledger is a log: it hands out every revision in order, late ones and unreadable ones too. The
help desk (a twin of Zendesk) shows each ticket as it is now, so what lies between two polls is
never seen; its last state must be.
"""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.twins.zendesk import Twin
from hub.signals import Classification, Status
from tests.crash.truth import CANARY, Said, Truth
from tests.ledger import Book

BETWEEN = 0.04  # seconds from one write to the next, on average
PER_ROUND = 25  # writes: so a slow machine has no more to catch up with than a quick one


@dataclass(slots=True)
class Ledger:
    truth: Truth
    choose: random.Random
    book: Book = field(default_factory=lambda: Book(page=5))
    alive: dict[str, Said] = field(default_factory=dict)

    def happen(self) -> None:
        what = self.choose.choices(
            ("new", "edit", "late", "secret", "hide", "delete", "bad"), (40, 30, 8, 8, 4, 6, 4)
        )[0]
        number = len(self.book.records) + 1
        if what == "bad":
            self.book.write("Nobody can read this", f"bad/{number}", kind="not a kind")
            self.truth.bad["ledger"].add(f"bad/{number}")
            return
        at = datetime.now(UTC)
        open_ = [
            one for one in self.alive.values() if one.classification < Classification.CONFIDENTIAL
        ]
        title = f"Deal {number}" + self.choose.choice(("", "", " is urgent"))
        if what == "new" or not open_:
            self._say(f"deal/{number}", title, at)
        elif what == "secret":
            self._say(f"deal/{number}", f"{title} {CANARY}", at, level=Classification.CONFIDENTIAL)
        else:
            old = self.choose.choice(open_)
            match what:
                case "edit":
                    self._say(old.record, title, at)
                case "late":
                    self._say(old.record, title, old.revised_at - timedelta(minutes=1))
                case "hide":
                    level = Classification.CONFIDENTIAL
                    self._say(old.record, f"{title} {CANARY}", at, level=level)
                case "delete":
                    self._say(old.record, title, at, status=Status.DELETED)

    def say_once(self, title: str) -> None:
        """Write a record that nobody edits later: who waits for its title gets it."""
        record = f"deal/{len(self.book.records) + 1}"
        self._say(record, title, datetime.now(UTC))
        del self.alive[record]

    def _say(
        self,
        record: str,
        title: str,
        at: datetime,
        *,
        status: Status = Status.INFORMATION,
        level: Classification = Classification.INTERNAL,
    ) -> None:
        revision = str(len(self.book.records) + 1)
        said = Said("ledger", record, revision, "sales.deal.won", title, at, status, level)
        self.book.write(
            title,
            record,
            revised_at=at.isoformat(),
            status=status.value,
            classification=level.value,
            body=title,
        )
        self.truth.said.append(said)
        before = self.alive.get(record)
        if status is Status.DELETED:
            self.alive.pop(record, None)
        elif before is None or before.revised_at <= at:
            self.alive[record] = said


@dataclass(slots=True)
class Desk:
    truth: Truth
    choose: random.Random
    twin: Twin = field(default_factory=lambda: Twin(page=4))
    open: list[int] = field(default_factory=list)

    def happen(self) -> None:
        what = self.choose.choices(
            ("new", "reply", "escalate", "solve", "delete", "bad"), (40, 30, 8, 10, 5, 4)
        )[0]
        number = len(self.twin.tickets) + 1
        title = f"Ticket {number}" + self.choose.choice(("", "", " is urgent"))
        if what == "bad":
            self._emit(number, subject=title, created_at="once")
            self.truth.bad["desk"].add(str(number))
        elif what == "new" or not self.open:
            self._say(self._emit(number, subject=title), "support.ticket.opened")
            self.open.append(number)
        else:
            number = self.choose.choice(self.open)
            match what:
                case "reply":
                    ticket = self._emit(number, subject=title, status="open", priority="normal")
                    # What was written in the second in which it was opened counts as opening.
                    is_new = ticket["updated_at"] == ticket["created_at"]
                    kind = "support.ticket.opened" if is_new else "support.ticket.updated"
                    self._say(ticket, kind, Status.OPEN)
                case "escalate":
                    ticket = self._emit(number, subject=title, status="open", priority="urgent")
                    self._say(ticket, "support.escalation", Status.OPEN)
                case "solve":
                    ticket = self._emit(number, subject=title, status="solved")
                    self._say(ticket, "support.ticket.solved", Status.RESOLVED)
                case "delete":
                    self.open.remove(number)
                    ticket = self._emit(number, status="deleted")
                    self._say(ticket, "support.ticket.opened", Status.DELETED)

    def _emit(self, number: int, **given: Any) -> dict[str, Any]:
        ticket = self.twin.emit({"id": number, "description": "It does not work.", **given})
        return dict(ticket)

    def _say(self, ticket: dict[str, Any], kind: str, status: Status = Status.OPEN) -> None:
        stamp = ticket["generated_timestamp"]
        self.truth.said.append(
            Said(
                "desk",
                f"ticket/{ticket['id']}",
                str(stamp),
                kind,
                ticket["subject"],
                datetime.fromtimestamp(stamp, UTC),
                status,
            )
        )


@dataclass(slots=True)
class Sources:
    """Both, and who writes them. The same seed makes the same things happen."""

    truth: Truth
    seed: int
    ledger: Ledger = field(init=False)
    desk: Desk = field(init=False)
    left: float = 0  # writes until the next round; endless: math.inf
    between: float = BETWEEN

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.truth, random.Random(f"ledger {self.seed}"))
        self.desk = Desk(self.truth, random.Random(f"desk {self.seed}"))

    async def write(self) -> None:
        """Let things happen until cancelled."""
        choose = random.Random(f"pace {self.seed}")
        while True:
            await asyncio.sleep(choose.expovariate(1 / self.between))
            if self.left:
                self.left -= 1
                choose.choice((self.ledger, self.desk)).happen()

    def tables(self, ledger_url: str, desk_url: str) -> str:
        """Say in hub.toml how they are read; every change is worth a delivery."""
        settings = self.desk.twin.settings(desk_url)
        lines = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
        return f"""
[sources.ledger]
connector = "ledger"
every = "0.2s"
notify_after = 2020-01-01T00:00:00Z
url = "{ledger_url}"
[sources.desk]
connector = "zendesk"
every = "0.3s"
notify_after = 2020-01-01T00:00:00Z
{lines}
"""
