"""The Roundup issue tracker, with its classic template, and what people do there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx2

from tests.live.systems import System, venv

PASSWORD = "live-password"
READER = "hub"
"""Whom the hub signs in as: an account with the role User, as everybody who registers has."""
# roundup-server refuses to run as root, its WSGI application does not.
SERVER = """\
import socketserver, sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from roundup.cgi.wsgi_handler import RequestDispatcher


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


tracker = RequestDispatcher(sys.argv[1])


def app(environ, start):
    environ["SCRIPT_NAME"] = "/live"
    environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/live")
    return tracker(environ, start)


server = Server(("127.0.0.1", int(sys.argv[2])), Quiet)
server.set_app(app)
server.serve_forever()
"""


class Roundup(System):
    """https://www.roundup-tracker.org/docs/rest.html."""

    name = "roundup"

    def install(self) -> None:
        venv(self, "roundup==2.6.*")

    def command(self) -> Sequence[str | Path]:
        self._make_tracker()
        config = self.home / "tracker" / "config.ini"
        lines = config.read_text().splitlines()
        changes = {
            "web": f"web = {self.url}/live/",
            # A tester asks more often than people do.
            "api_calls_per_interval": "api_calls_per_interval = 100000",
        }
        config.write_text(
            "\n".join(changes.get(line.partition(" =")[0], line) or line for line in lines)
        )
        script = self.home / "server.py"
        script.write_text(SERVER)
        return [self._program("python"), script, self.home / "tracker", str(self.port)]

    def ready(self) -> str:
        return f"{self.url}/live/"

    def _program(self, name: str) -> Path:
        return self.home / "venv" / "bin" / name

    def _make_tracker(self) -> None:
        folder = self.home / "tracker"
        admin = (self._program("roundup-admin"), "-i", folder)
        if not (made := self.home / "tracker.made").exists():
            folder.mkdir(exist_ok=True)
            settings = (
                f"tracker_web={self.url}/live/,mail_domain=live.example,"
                "admin_email=admin@live.example,mailhost=localhost"
            )
            self.run(*admin, "install", "classic", "sqlite", settings)
            self.run(*admin, "initialise", PASSWORD)
            made.touch()
        if not (made := self.home / "reader.made").exists():
            user = (f"username={READER}", f"password={PASSWORD}", "roles=User")
            self.run(*admin, "create", "user", *user, "address=hub@live.example")
            made.touch()


class Person:
    """The administrator's client.

    https://www.roundup-tracker.org/docs/rest.html#post-changes
    """

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(
            base_url=f"{url}/live/rest/data",
            auth=("admin", PASSWORD),
            headers={
                "X-Requested-With": "rest",
                "Accept": "application/json",
                "Referer": f"{url}/live/",
                "Origin": url,
            },
            timeout=60,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def open(self, title: str, **more: Any) -> int:
        answer = self.http.post("/issue", json={"title": title} | more)
        return int(answer.raise_for_status().json()["data"]["id"])

    def change(self, issue: int, **what: Any) -> None:
        """Change an issue as it is now: Roundup wants to be told which version is meant."""
        tag = self.http.get(f"/issue/{issue}").raise_for_status().json()["data"]["@etag"]
        self.http.patch(f"/issue/{issue}", json=what, headers={"If-Match": tag}).raise_for_status()
