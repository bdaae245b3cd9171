"""The whole demo in one process: vendors, receiver, hub, and what happens."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.applications import Starlette

from hub.config import read_config
from hub.connector import SecretStr
from hub.demo.company import company
from hub.demo.configuration import SECRET, STANDS, configuration
from hub.demo.folder import ADMIN, Folder, Happening
from hub.demo.live import Live
from hub.demo.memory import Memory
from hub.demo.receiver import Receiver
from hub.demo.script import PEOPLE, Event, before, week
from hub.demo.servers import listen_near
from hub.demo.vendors import Vendor
from hub.demo.voices import Voices
from hub.errors import ConfigError, HubError
from hub.runtime import Runtime
from hub.settings import Settings
from hub.signals import now
from hub.store import open_store
from hub.store.keys import add_key, viewer_of_key
from hub.store.migrate import migrate
from hub.store.sources import standings
from hub.testing.twins import find_twin
from hub.web.app import make_app
from hub.web.server import address, serving

EVERY = timedelta(seconds=1)
EVERY_FAST = timedelta(seconds=0.2)
PATIENCE = 30.0  # seconds in which the hub reads what has happened, or something is broken
RECEIVER = "receiver"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Stage:
    """A demo that runs. `url` is the hub's, `vendors` tells where each stand-in is served."""

    url: str
    receiver: str
    folder: Folder
    vendors: dict[str, Vendor]
    addresses: dict[str, str]
    voices: Voices
    runtime: Runtime
    live: Live

    async def tell_week(self) -> None:
        """Let the week happen, as far as it has not; return when the hub has read all of it.

        A poll sees a record as it is at that moment. So the hub is given a look between two
        events of one record, and a deal's steps are all in its history.
        """
        told = sum(one.scripted for one in self.folder.happened())
        unseen: set[tuple[str, str]] = set()
        for event in [*before(), *week()][told:]:
            if event.subject and (event.vendor, event.subject) in unseen:
                await self.await_polls({vendor for vendor, _ in unseen})
                unseen.clear()
            unseen.add((event.vendor, event.subject))
            await self.happen(event, scripted=True)
        await self.await_polls(self.vendors)

    async def go_on(self) -> None:
        """Let things happen at a human pace, until cancelled."""
        while True:
            await asyncio.sleep(self.live.wait())
            try:
                await self.happen(self.live.next(), scripted=False)
            except HubError as error:
                logger.warning("nothing happened", extra={"error": str(error)})

    async def happen(self, event: Event, *, scripted: bool) -> None:
        end = self.folder.started_at if scripted else now()
        if event.vendor == PEOPLE:
            await self.voices.publish(event.record)
            self.folder.note(Happening(PEOPLE, event.record, scripted))
        else:
            self.vendors[event.vendor].happen(event.at(end), scripted=scripted)

    async def await_polls(self, names: Iterable[str]) -> None:
        """Have sources polled, and wait for polls that began after this call."""
        asked = now()
        waiting = set(names) & self.vendors.keys()
        for name in sorted(waiting):
            await self.voices.sync(name)
        faults: dict[str, str] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while waiting:
                    await asyncio.sleep(0.01)
                    async with self.runtime.store.read() as connection:
                        found = await standings(connection)
                    for one in found:
                        began, ended = one.last_attempt_at, one.last_success_at
                        if one.name not in waiting or began is None or one.lease:
                            continue
                        if began <= asked:
                            # That poll was under way and may have missed something; ask again,
                            # unless the next is due anyway.
                            if one.next_poll_at and one.next_poll_at > now():
                                await self.voices.sync(one.name)
                        elif ended and began <= ended:
                            waiting.discard(one.name)
                        elif one.last_error:
                            faults[one.name] = one.last_error
        except TimeoutError:
            why = "; ".join(f"{name}: {faults.get(name, 'no answer')}" for name in sorted(waiting))
            raise HubError(f"the demo's vendors cannot be read: {why}") from None

    async def count(self) -> int:
        """Count the signals; every vendor has some by now, or the demo is broken."""
        counts = await self.voices.counts()
        if silent := [name for name in self.vendors if not counts.get(name)]:
            raise HubError(f"nothing came from the demo's {', '.join(silent)}")
        return sum(counts.values())


@asynccontextmanager
async def staged(listener: socket.socket, folder: Folder, *, fast: bool) -> AsyncGenerator[Stage]:
    """Serve everything until the block ends. Raises ConfigError."""
    vendors, live = _vendors(folder)
    sockets = {name: listen_near(folder.ports.get(name, 0)) for name in (*vendors, RECEIVER)}
    addresses = {name: address(one) for name, one in sockets.items()}
    folder.ports = {name: one.getsockname()[1] for name, one in sockets.items()}
    folder.save()
    toml = configuration(
        {name: one.twin.settings(addresses[name]) for name, one in vendors.items()},
        addresses[RECEIVER],
        EVERY_FAST if fast else EVERY,
        folder.started_at,
    )
    path = folder.path / "hub.toml"
    path.write_text(toml, "utf-8")
    config = read_config(toml, {SECRET: folder.webhook_secret}, str(path))
    await _prepare(folder)
    url = address(listener)
    app = make_app(_settings(folder, url), config, demo_keys=folder.keys)
    receiver = Receiver(folder.webhook_secret)
    async with (
        serving(
            {sockets[name]: one.app for name, one in vendors.items()}
            | {sockets[RECEIVER]: receiver.app}
        ),
        app.router.lifespan_context(app),
        serving({listener: app}),
    ):
        runtime = _runtime(app)
        yield Stage(
            url,
            addresses.pop(RECEIVER),
            folder,
            vendors,
            addresses,
            Voices(runtime.clients, url, folder.keys),
            runtime,
            live,
        )


def _vendors(folder: Folder) -> tuple[dict[str, Vendor], Live]:
    """Make the vendors, and bring each to where it was; a new one to where the week begins."""
    happened = list(folder.happened())
    memory = Memory()

    def note(happening: Happening) -> None:
        folder.note(happening)
        memory.saw(happening)

    vendors = {
        name: Vendor(name, find_twin(stand.connector)(**stand.twin), note)
        for name, stand in STANDS.items()
    }
    for one in happened:
        if one.vendor != PEOPLE:
            if one.vendor not in vendors:
                raise ConfigError(f"{folder.path} knows a vendor {one.vendor!r}", "Name another")
            vendors[one.vendor].twin.emit(one.record)
            memory.saw(one)
    for event in before()[len(happened) :]:
        vendors[event.vendor].happen(event.at(folder.started_at), scripted=True)
    return vendors, Live.after(len(happened), memory)


def _settings(folder: Folder, url: str) -> Settings:
    """Say every setting here: the environment is that of a real hub, if there is one."""
    return Settings(
        database=folder.database,
        redis=None,
        config=folder.path / "hub.toml",
        secret_key=SecretStr(folder.session_secret),
        public_url=url,
        proxy=None,
        ca_file=None,
    )


async def _prepare(folder: Folder) -> None:
    """Migrate the database, and let the keys in."""
    async with open_store(folder.database) as store:
        await migrate(store)
        async with store.write() as connection:
            for role, key in folder.keys.items():
                if await viewer_of_key(connection, key, now()) is None:
                    is_admin = role == ADMIN
                    person = next((one.name for one in company().team(role)), None)
                    await add_key(
                        connection,
                        key,
                        name=role,
                        roles=[] if is_admin else [role],
                        scopes=[ADMIN] if is_admin else [],
                        person=person,
                        at=now(),
                    )


def _runtime(app: Starlette) -> Runtime:
    runtime: Runtime = app.state.runtime
    return runtime
