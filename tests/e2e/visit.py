"""A visit to the page in Debian's chromium, which notes everything that it should not do."""

import json
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    expect,
    sync_playwright,
)

DESKTOP, PHONE = (1440, 900), (390, 844)
WITHIN = 20_000  # milliseconds: the machine may be busy
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


@contextmanager
def chromium() -> Generator[Browser]:
    program = shutil.which("chromium")
    assert program, "Debian's chromium is not installed: apt-get install chromium"
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    expect.set_options(timeout=WITHIN)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@dataclass  # without slots: Playwright keeps its wrappers of our handlers on it
class Visit:
    """A page of the hub, and what went wrong there."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)
    """Parts of complaints that a test provokes on purpose."""

    def watch(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self._leaves(request.url))
        self.page.on("websocket", lambda socket: self._leaves(socket.url))
        self.page.on(
            "requestfinished",
            lambda request: (
                self.received.update({request.url: request.sizes()["responseBodySize"]})
                if "/static/" in request.url
                else None
            ),
        )
        self.page.add_init_script(VIOLATIONS)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"console {message.type}: {message.text}")

    def _leaves(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.url).netloc:
            self.foreign.append(url)

    def open(self, role: str | None = None) -> None:
        self.page.goto(f"{self.url}/?role={role}" if role else self.url)

    def sign_in(self, key: str, role: str | None = None) -> None:
        """Paste a key at the door, and wait for the live feed."""
        self.open(role)
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.await_live()

    def await_live(self) -> None:
        self.page.locator(".connection[data-state=live]").wait_for()
        self.page.locator(".card").first.wait_for()

    def card(self, text: str) -> Locator:
        return self.page.locator(".card", has_text=text)

    def titles(self) -> list[str]:
        return [text.strip() for text in self.page.locator(".card .title").all_text_contents()]

    def signals(self) -> list[str]:
        """List the ids of the signals on the page, from top to bottom."""
        ids: list[str] = self.page.locator(".card").evaluate_all(
            "cards => cards.map(card => card.dataset.signal)"
        )
        return ids

    def overflow(self) -> int:
        """Tell by how many pixels the page can be scrolled sideways."""
        pixels: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return pixels

    def inaccessible(self) -> list[str]:
        """List what axe finds wrong."""
        self.page.evaluate(AXE)
        found: dict[str, Any] = self.page.evaluate("axe.run(document)")
        assert found["passes"], "axe has looked at nothing"
        return [
            f"{rule['id']}: {json.dumps([node['target'] for node in rule['nodes']])}"
            for rule in found["violations"]
        ]

    def misdeeds(self) -> list[str]:
        """List what no page of the hub may do: complain, break its policy, or reach elsewhere."""
        broken: list[str] = self.page.evaluate("window.violations")
        complaints = [
            text for text in self.complaints if not any(part in text for part in self.expected)
        ]
        return [*complaints, *broken, *self.foreign]


Visits = Callable[..., Visit]
"""Opens a page: `visit(PHONE, color_scheme="dark")`."""
