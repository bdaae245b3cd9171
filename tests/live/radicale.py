"""Radicale, and what people's calendar programs do with it."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from tests.live.systems import System, venv

USER, PASSWORD = "ann", "not-a-real-password"
READER = "hub"
"""Whom the hub signs in as: it may read Ann's calendars, and nothing else."""
CONFIG = """\
[server]
hosts = 127.0.0.1:{port}
[auth]
type = htpasswd
htpasswd_filename = {home}/users
htpasswd_encryption = plain
delay = 0
[rights]
type = from_file
file = {home}/rights
[storage]
filesystem_folder = {home}/collections
[logging]
level = warning
"""
# https://radicale.org/v3.html#authentication-and-rights
RIGHTS = f"""\
[principal]
user: .+
collection: {{user}}
permissions: RW
[owner]
user: .+
collection: {{user}}/[^/]+
permissions: rw
[reader]
user: {READER}
collection: {USER}/[^/]+
permissions: r
"""
MAKE = (
    '<?xml version="1.0"?><C:mkcalendar xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:D="DAV:">'
    "<D:set><D:prop><D:displayname>Work</D:displayname></D:prop></D:set></C:mkcalendar>"
)


class Radicale(System):
    """https://radicale.org/v3.html."""

    name = "radicale"

    def install(self) -> None:
        self.python = venv(self, "radicale==3.*")
        self.version = self.run(self.python, "-m", "radicale", "--version").strip()

    def command(self) -> Sequence[str | Path]:
        (self.home / "users").write_text(f"{USER}:{PASSWORD}\n{READER}:{PASSWORD}\n")
        (self.home / "rights").write_text(RIGHTS)
        config = self.home / "config"
        config.write_text(CONFIG.format(home=self.home, port=self.port))
        return [self.python, "-m", "radicale", "--config", config]

    def ready(self) -> str:
        return f"{self.url}/.web/"


class Calendar:
    """One calendar, as another program uses it."""

    def __init__(self, radicale: Radicale, name: str) -> None:
        self.url = f"{radicale.url}/{USER}/{name}/"
        self.http = httpx2.Client(
            base_url=self.url, auth=(USER, PASSWORD), trust_env=False, timeout=20
        )
        self.http.request("MKCALENDAR", "", content=MAKE).raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.http.close()

    def put(self, name: str, *events: str) -> None:
        inner = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
        text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//tests//EN\n{inner}END:VCALENDAR\n"
        self.http.put(
            f"{name}.ics",
            content=text.replace("\n", "\r\n"),
            headers={"Content-Type": "text/calendar; charset=utf-8"},
        ).raise_for_status()

    def delete(self, name: str) -> None:
        self.http.delete(f"{name}.ics").raise_for_status()
