"""Icinga 2 with its REST API behind a certificate of its own, and what monitoring tells it."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2

from tests import debian
from tests.live.systems import System

PASSWORD = "live-password"
CONFIG = """\
const NodeName = "live"
object Endpoint "live" {{ }}
object Zone "live" {{ endpoints = [ "live" ] }}
object ApiListener "api" {{ bind_host = "127.0.0.1", bind_port = {port} }}
object ApiUser "hub" {{
  password = "{password}"
  permissions = [ "objects/query/Service", "objects/query/Host" ]
}}
object ApiUser "monitor" {{ password = "{password}", permissions = [ "*" ] }}
object IcingaApplication "app" {{ enable_notifications = false }}
object CheckerComponent "checker" {{ }}
object CheckCommand "nothing" {{ command = [ "/bin/true" ] }}
"""


class Icinga2(System):
    """https://icinga.com/docs/icinga-2/latest/doc/12-icinga2-api/."""

    name = "icinga2"

    def __init__(self) -> None:
        super().__init__()
        self.url = f"https://127.0.0.1:{self.port}"
        self.authority = self.home / "lib" / "certs" / "ca.crt"

    def install(self) -> None:
        debian.install(self.name, ["icinga2-bin", "openssl"], "icinga2")

    def command(self) -> Sequence[str | Path]:
        for folder in ("lib/certs", "lib/api", "run", "cache", "spool", "log"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        self._make_certificate()
        config = self.home / "icinga2.conf"
        config.write_text(CONFIG.format(port=self.port, password=PASSWORD))
        folders = {"Data": "lib", "Cache": "cache", "InitRun": "run", "Log": "log"}
        places = (f"-D{name}Dir={self.home / place}" for name, place in folders.items())
        user = ("-DRunAsUser=root", "-DRunAsGroup=root", f"-DSpoolDir={self.home / 'spool'}")
        return ["icinga2", "daemon", "-c", config, *places, *user, "--no-stack-rlimit"]

    def ready(self) -> str:
        return f"{self.url}/v1"

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    def _make_certificate(self) -> None:
        folder = self.authority.parent
        if self.authority.exists():
            return
        self.run(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
            "-subj", "/CN=live", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", folder / "live.key", "-out", folder / "live.crt",
        )  # fmt: skip
        self.authority.write_bytes((folder / "live.crt").read_bytes())


class Monitor:
    """What sees that something breaks: another user of the API.

    https://icinga.com/docs/icinga-2/latest/doc/12-icinga2-api/#actions
    """

    def __init__(self, icinga: Icinga2) -> None:
        self.http = httpx2.Client(
            base_url=f"{icinga.url}/v1",
            auth=("monitor", PASSWORD),
            headers={"Accept": "application/json"},
            verify=icinga.trust(),
            timeout=60,
            trust_env=False,
        )

    def watch(self, host: str, service: str) -> str:
        """Set up a service that is checked from outside alone; name it as Icinga does."""
        passive = {"check_command": "nothing", "enable_active_checks": False}
        self._put(f"/objects/hosts/{host}", passive | {"vars.team": "shop"})
        name = f"{host}!{service}"
        self._put(f"/objects/services/{name}", passive | {"max_check_attempts": 1})
        return name

    def check(self, name: str, state: int, output: str) -> None:
        """Tell the result of a check: 0 is well, 1 a warning, 2 critical."""
        self._do("process-check-result", name, exit_status=state, plugin_output=output)

    def acknowledge(self, name: str) -> None:
        self._do("acknowledge-problem", name, author="ann", comment="I look at it")

    def forget(self, name: str) -> None:
        answer = self.http.delete(f"/objects/services/{name}", params={"cascade": 1})
        answer.raise_for_status()

    def _put(self, path: str, attributes: dict[str, Any]) -> None:
        self.http.put(path, json={"attrs": attributes}).raise_for_status()

    def _do(self, action: str, name: str, **what: Any) -> None:
        asked = {"type": "Service", "service": name, **what}
        self.http.post(f"/actions/{action}", json=asked).raise_for_status()
