"""Request Tracker on an SQLite database of its own, and what people do there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx2

from tests import debian
from tests.live.systems import System

SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
LIBRARY = SERVER.parents[1] / "lib"
PASSWORD = "live-password"
READER = "agent"
"""Whom the hub signs in as: a user with the rights that docs/connectors.md names, and no other."""
# Of the user's own, as people do it in Settings > Auth Tokens.
MAKE_TOKEN = """
my $agent = RT::CurrentUser->new(RT->SystemUser); $agent->Load('agent');
my ($id, $message, $token) = RT::AuthToken->new(RT->SystemUser)->Create(
    Owner => $agent->Id, Description => 'live');
die $message unless $id;
print $token;
"""
MAKE_AGENT = """
my $agent = RT::User->new(RT->SystemUser);
my ($id, $message) = $agent->Create(
    Name => 'agent', Password => $ARGV[0], Privileged => 1);
$agent->Load('agent') unless $id;
die $message unless $agent->Id;
for my $right (qw(SeeQueue ShowTicket)) {
    $agent->PrincipalObj->GrantRight(Right => $right, Object => RT->System);
}
"""
CONFIG = """\
Set($rtname, 'live.example');
Set($Organization, 'live.example');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebBaseURL, 'http://127.0.0.1:{port}');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{home}/rt.db');
Set($DatabaseHost, '');
Set($DatabasePort, '');
Set($DatabaseUser, '');
Set($DatabasePassword, '');
Set($MailCommand, 'testfile');
Set($Timezone, '{zone}');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
$RT::MasonDataDir = '{home}/mason';
$RT::MasonSessionDir = '{home}/session';
1;
"""


class RequestTracker(System):
    """https://docs.bestpractical.com/rt/5.0.3/."""

    name = "request_tracker"

    def install(self) -> None:
        debian.install(self.name, ["request-tracker5", "rt5-db-sqlite", "rt5-standalone"])

    def command(self) -> Sequence[str | Path]:
        for folder in ("site.d", "mason", "session"):
            (self.home / folder).mkdir(exist_ok=True)
        # A zone west of UTC: a connector that takes RT's local times for UTC loses tickets here.
        config = CONFIG.format(port=self.port, home=self.home, zone="America/New_York")
        (self.home / "RT_SiteConfig.pm").write_text(config)
        self._make_database()
        listen = ("--host", "127.0.0.1", "--port", str(self.port), "--max-workers", "2")
        return [SERVER, "--server", "Starlet", *listen]

    def ready(self) -> str:
        return f"{self.url}/REST/2.0/rt"

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "RT_SITE_CONFIG": str(self.home / "RT_SiteConfig.pm"),
            "RT_SITE_CONFIG_DIR": str(self.home / "site.d"),
        }

    def token(self) -> str:
        """Make an authentication token of the reader's."""
        return self.run("perl", f"-I{LIBRARY}", "-MRT=-init", "-MRT::AuthToken", "-e", MAKE_TOKEN)

    def _make_database(self) -> None:
        if not (made := self.home / "database.made").exists():
            (self.home / "rt.db").unlink(missing_ok=True)
            password = self.home / "password"
            password.touch(mode=0o600)
            password.write_text(PASSWORD)
            init = ("--action", "init", "--skip-create", "--root-password-file", password)
            self.run("rt-setup-database-5", *init)
            made.touch()
        if not (made := self.home / "reader.made").exists():
            self.run("perl", f"-I{LIBRARY}", "-MRT=-init", "-e", MAKE_AGENT, PASSWORD)
            made.touch()


class Desk:
    """The administrator's client: what people do in RT's web interface.

    https://docs.bestpractical.com/rt/5.0.3/RT/REST2.html
    """

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(
            base_url=f"{url}/REST/2.0",
            auth=("root", PASSWORD),
            timeout=60,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def open(self, subject: str, content: str, **more: Any) -> int:
        ticket = {"Queue": "General", "Subject": subject, "Content": content}
        answer = self.http.post("/ticket", json=ticket | {"ContentType": "text/plain"} | more)
        return int(answer.raise_for_status().json()["id"])

    def reply(self, ticket: int, content: str) -> None:
        message = {"Content": content, "ContentType": "text/plain"}
        self.http.post(f"/ticket/{ticket}/correspond", json=message).raise_for_status()

    def change(self, ticket: int, **fields: Any) -> None:
        self.http.put(f"/ticket/{ticket}", json=fields).raise_for_status()

    def delete(self, ticket: int) -> None:
        self.http.delete(f"/ticket/{ticket}").raise_for_status()
