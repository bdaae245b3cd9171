"""Writers, clients and whatever disturbs them, step by step; then silence, and the comparison."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from hub.kinds import Severity, matches_kind
from hub.signals import Facts, now
from hub.store.keys import add_key, new_key
from tests.model.clients import Client, Refused, View
from tests.model.clock import Clock
from tests.model.company import LABEL
from tests.model.houses import House
from tests.model.judge import Filter, Judge, Sight, Sights
from tests.model.writers import World

WRITERS = 4
BARRIER_SECONDS = 40
STALL = 0.4  # seconds that a client does not read
SHOWN = 12  # lines of a client's story
STEPS_SHOWN = 30

# How often something disturbs, in a hundred steps; a hub is ended and begun again, or killed.
DISTURB: Mapping[str, float] = {
    "drop": 8, "leave": 3, "come": 3, "stall": 4, "go": 3, "end": 0.5, "reload": 0.5, "grant": 0.5,
}  # fmt: skip


def _labelled(what: Facts, sight: Sight, unknown: bool) -> bool:
    if not sight.reads(what):  # labels are words: of an outline nobody is told them
        return False
    return unknown if what.labels is None else LABEL in what.labels


# Lists by their name: the filter that is asked for, and the same as the model judges it.
_LIST: dict[str, tuple[dict[str, Any] | None, Filter]] = {
    "all": (None, lambda *_: True),
    "tickets": ({"kinds": ["support.*"]}, lambda what, *_: matches_kind("support.*", what.kind)),
    "vip": ({"labels": [LABEL]}, _labelled),
    "bad": ({"minSeverity": "HIGH"}, lambda what, *_: what.severity >= Severity.HIGH),
}
# The key of each client, and what it asks for.
ASKED: Sequence[tuple[str, str]] = (
    ("wide", "all"),
    ("wide", "feed wide"),
    ("plain", "all"),
    ("plain", "feed plain"),
    ("desk", "all"),
    ("desk", "vip"),
    ("desk", "feed desk"),
    ("moving", "bad"),
    ("moving", "feed moving"),
    ("shifting", "tickets"),
    ("shifting", "feed desk"),
)
SHIFTS = (["wide"], ["desk"], ["plain", "desk"])  # the roles of one key, which change


@dataclass(slots=True)
class Report:
    seed: int
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {times}" for name, times in self.counts.most_common())
        ends = ", ".join(f"{name} {times}" for name, times in self.ends.most_common())
        lines = [f"model: seed={self.seed} steps={self.steps} faults={len(self.wrong)}"]
        lines += [f"  happened: {counts}", f"  connections ended: {ends}", *self.wrong]
        return "\n".join([*lines, *(["the last steps:", *self.last] if self.wrong else [])])


@dataclass(slots=True)
class Simulation:
    """One run. `grace`: seconds in which a change of access must be noticed everywhere."""

    world: World
    houses: Sequence[House]
    choose: random.Random
    report: Report
    grace: float
    access: bool = True  # whether anybody's access changes
    disturb: Mapping[str, float] = field(default_factory=lambda: DISTURB)
    repeat: int = 1  # clients of each sort
    keys: dict[str, str] = field(default_factory=dict)
    roles: dict[str, list[str]] = field(default_factory=dict)
    sights: dict[str, Sights] = field(default_factory=dict)
    clients: list[tuple[Client, str, Filter]] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    changed: float = 0.0  # when anybody's access last changed
    ending: set[str] = field(default_factory=set)  # addresses of hubs that are not there
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WRITERS))

    async def run(self, steps: int, rounds: int) -> None:
        """Take so many steps in so many rounds; after each all is compared."""
        await self._furnish()
        async with asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(client.run()) for client, _, _ in self.clients]
            following.append(tasks.create_task(self.clock.run()))
            try:
                for number in range(rounds):
                    if self.report.wrong:
                        break
                    await self._round(steps // rounds)
                    self.report.wrong += await self._compare()
                    self._say(f"round {number + 1} of {rounds} was compared")
            finally:
                for task in following:
                    task.cancel()
        for client, _, _ in self.clients:
            self.report.ends += client.ends

    async def _furnish(self) -> None:
        for name in ("wide", "plain", "desk", "moving", "shifting"):
            self.keys[name] = new_key()
            self.roles[name] = [name] if name != "shifting" else SHIFTS[0]
            self.sights[name] = Sights(self.grace)
            async with self.world.store.write() as connection:
                await add_key(
                    connection, self.keys[name], name=name, roles=self.roles[name], at=now()
                )
        self._access(0.0, 0.0)
        urls = [house.url for house in self.houses]
        for number in range(self.repeat):
            for place, (key, asked) in enumerate(ASKED):
                field_, _, role = asked.partition(" ")
                given, filter_ = _LIST.get(asked, (None, lambda *_: True))
                client = Client(
                    name=f"{key} {asked} {number}",
                    key=self.keys[key],
                    asks="feed" if field_ == "feed" else "signals",
                    variables={"role": role} if field_ == "feed" else {"filter": given},
                    urls=urls[place % len(urls) :] + urls[: place % len(urls)],
                    clock=self.clock,
                    way="events" if (place + number) % 2 else "socket",
                    ids=number % 2 == 0,
                )
                self.clients.append((client, key, filter_))

    def _access(self, before: float, after: float) -> None:
        """Note what every key may see from now on."""
        for name, sights in self.sights.items():
            rules = {role: self.world.company.roles[role] for role in self.roles[name]}
            if not sights.all or sights.all[-1].roles != rules:
                sights.change(rules, before, after)
                self.changed = after

    async def _round(self, steps: int) -> None:
        disturb = self.disturb.values()
        write = 100 - sum(disturb)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(steps):
                self.report.steps += 1
                what = self.choose.choices(["write", *self.disturb], [write, *disturb])[0]
                if what == "write":
                    await self._slots.acquire()
                    tasks.create_task(self._write())
                elif what in {"reload", "grant"} and not self.access:
                    continue
                elif what in {"end", "reload", "grant"}:
                    tasks.create_task(getattr(self, f"_{what}")())
                else:
                    self._disturb(what, self.choose.choice(self.clients)[0])

    async def _write(self) -> None:
        try:
            self._say(await self.world.happen())
        finally:
            self._slots.release()

    def _disturb(self, what: str, client: Client) -> None:
        match what:
            case "drop":
                client.drop()
            case "leave":
                client.leave()
            case "come":
                client.present.set()
            case "go":  # to another process, by another way
                client.urls = client.urls[1:] + client.urls[:1]
                client.way = "events" if client.way == "socket" else "socket"
                client.drop()
            case "stall":
                client.may_read.clear()
                asyncio.get_running_loop().call_later(STALL, client.may_read.set)
        self._say(f"{what} {client.name}")

    async def _end(self) -> None:
        """End one hub, if all are there, and begin it again."""
        if self.ending:
            return
        house = self.choose.choice(list(self.houses))
        kindly = self.choose.random() < 0.5
        self.ending.add(house.url)
        self._say(f"{'end' if kindly else 'kill'} {house.url}")
        await house.end(kindly=kindly)
        await house.start()
        self.ending.discard(house.url)
        self._say(f"begun again {house.url}")

    async def _reload(self) -> None:
        async with self._changing:
            before = self.clock.now
            await self.world.move_roles()
            self._access(before, self.clock.now)
        self._say(f"reload: moving is {self.world.company.roles['moving']}")

    async def _grant(self) -> None:
        roles = self.choose.choice(SHIFTS)
        async with self._changing:
            before = self.clock.now
            await self.world.grant(self.keys["shifting"], roles)
            self.roles["shifting"] = roles
            self._access(before, self.clock.now)
        self._say(f"grant: shifting has {roles}")

    async def _compare(self) -> list[str]:
        """Wait for silence, let everybody hear one thing more, and compare."""
        for client, _, _ in self.clients:
            client.present.set()
            client.may_read.set()
        await self.clock.reaches(self.changed + self.grace)
        barrier = await self.world.barrier()
        wrong: list[str] = []
        async with httpx2.AsyncClient(timeout=httpx2.Timeout(20)) as http:
            until = self.clock.now + BARRIER_SECONDS
            for client, key, filter_ in self.clients:
                fresh, problem = await self._caught_up(client, http, barrier, until)
                judge = Judge(
                    client, self.sights[key], filter_, self.world.lines, self.world.lines[-1].seq
                )
                found = [*([f"{client.name}: {problem}"] if problem else []), *judge.wrong(fresh)]
                if found:
                    found += [f"    {line}" for line in list(client.recent)[-SHOWN:]]
                wrong += found
                self.report.counts["events"] += sum(len(one.seen) for one in client.epochs)
                judge.forget(self.clock.now)
        return wrong

    async def _caught_up(
        self, client: Client, http: httpx2.AsyncClient, barrier: str, until: float
    ) -> tuple[View | None, str | None]:
        """Wait until a client has heard the last thing; give what a new query gives."""
        while True:
            heard = any(one["title"].startswith(f"{barrier} ") for one in client.view.values())
            late = self.clock.now > until
            if heard or late or client.refused:
                try:
                    fresh, _ = await client.read(http)
                except Refused as refused:
                    if client.refused == str(refused):
                        return None, None
                    if late:
                        return None, f"view: a query is refused ({refused}), and it is not"
                else:
                    if heard or late:
                        return fresh, None if heard else f"gap: {barrier} never came"
            await asyncio.sleep(0.05)

    def _say(self, step: str) -> None:
        name = step.split(maxsplit=1)[0].rstrip(":")
        self.report.counts[name] += 1
        self.report.last.append(f"  {self.clock.now:.3f} {step}")
        del self.report.last[:-STEPS_SHOWN]
