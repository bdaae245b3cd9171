"""Tryton with its sales opportunities on an SQLite database, and what salespeople do there."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx2

from tests.live.systems import System, venv

PASSWORD = "live-password"
READER, GROUP = "hub", "Sale Opportunity"
"""Whose key the hub has: a user of this one group, which may see opportunities."""
CONFIG = """\
[database]
uri = sqlite://
path = {home}/db
[web]
listen = 127.0.0.1:{port}
"""
PACKAGES = ("trytond==8.2.*", "trytond-party==8.2.*", "trytond-sale-opportunity==8.2.*")


class Tryton(System):
    """https://docs.tryton.org/."""

    name = "tryton"

    def install(self) -> None:
        venv(self, *PACKAGES)

    def command(self) -> Sequence[str | Path]:
        (self.home / "trytond.conf").write_text(CONFIG.format(home=self.home, port=self.port))
        self._make_database()
        return [self._program("trytond"), "-c", self.home / "trytond.conf", "-d", "live"]

    def ready(self) -> str:
        return f"{self.url}/live/rest/model/party.party"

    def environment(self) -> dict[str, str]:
        return super().environment() | {"TRYTONPASSFILE": str(self.home / "password")}

    def _program(self, name: str) -> Path:
        return self.home / "venv" / "bin" / name

    def _make_database(self) -> None:
        made = self.home / "database.made"
        if made.exists():
            return
        folder = self.home / "db"
        folder.mkdir(exist_ok=True)
        (folder / "live.sqlite").write_bytes(b"")
        password = self.home / "password"
        password.touch(mode=0o600)
        password.write_text(PASSWORD)
        admin = (self._program("trytond-admin"), "-c", self.home / "trytond.conf", "-d", "live")
        self.run(*admin, "--all", "--email", "admin@live.example", "-l", "en")
        self.run(*admin, "-u", "sale_opportunity", "--activate-dependencies")
        made.touch()


class Salesperson:
    """The administrator's client, which speaks Tryton's own RPC.

    https://docs.tryton.org/latest/server/topics/triggers.html
    """

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=f"{url}/live/", timeout=60, trust_env=False)
        self.context: dict[str, Any] = {}
        self.user = 0

    def __enter__(self) -> Self:
        login = ["admin", {"password": PASSWORD}, "en"]
        self.user, session = self._ask("common.db.login", login)[:2]
        pair = base64.b64encode(f"admin:{self.user}:{session}".encode()).decode()
        self.http.headers["Authorization"] = f"Session {pair}"
        self._work_for_a_company()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def key(self) -> str:
        """Make a key of the hub's own user for an application that reads through REST."""
        new = {"application": "rest", "user": self._reader()}
        [made] = self.do("res.user.application", "create", [new])
        return str(self.do("res.user.application", "read", [made], ["key"])[0]["key"])

    def _reader(self) -> int:
        if found := self.do("res.user", "search", [["login", "=", READER]]):
            return int(found[0])
        [group] = self.do("res.group", "search", [["name", "=", GROUP]])
        company = self.context["company"]
        new = {"name": "The hub", "login": READER, "groups": [["add", [group]]]}
        new |= {"companies": [["add", [company]]], "company": company}
        return int(self.do("res.user", "create", [new])[0])

    def open(self, description: str, customer: str) -> int:
        [party] = self.do("party.party", "create", [{"name": customer}])
        new = {"party": party, "description": description} | self.context
        return int(self.do("sale.opportunity", "create", [new])[0])

    def change(self, opportunity: int, **what: Any) -> None:
        self.do("sale.opportunity", "write", [opportunity], what)

    def do(self, model: str, method: str, *arguments: Any) -> Any:
        return self._ask(f"model.{model}.{method}", [*arguments, self.context])

    def _ask(self, method: str, params: Sequence[Any]) -> Any:
        answer = self.http.post("rpc/", json={"id": 1, "method": method, "params": params})
        body = answer.raise_for_status().json()
        if isinstance(body, dict) and "error" in body:
            raise RuntimeError(f"{method}: {body['error']}")
        return body["result"] if isinstance(body, dict) else body

    def _work_for_a_company(self) -> None:
        """Only who works somewhere has opportunities."""
        companies = self.do("company.company", "search", [], 0, 1, None)
        if not companies:
            euro = {"name": "Euro", "code": "EUR", "symbol": "E", "digits": 2}
            euro["rounding"] = {"__class__": "Decimal", "decimal": "0.01"}
            [currency] = self.do("currency.currency", "create", [euro])
            [party] = self.do("party.party", "create", [{"name": "Live Ltd"}])
            company = {"party": party, "currency": currency}
            companies = self.do("company.company", "create", [company])
        [party] = self.do("party.party", "create", [{"name": "Sam Sales"}])
        employee = {"party": party, "company": companies[0]}
        [works] = self.do("company.employee", "create", [employee])
        self.do(
            "res.user", "write", [self.user],
            {
                "companies": [["add", [companies[0]]]], "company": companies[0],
                "employees": [["add", [works]]], "employee": works,
            },
        )  # fmt: skip
        self.context = {"company": companies[0], "employee": works}
