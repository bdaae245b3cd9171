"""A demo and a browser for the tests of the page."""

from collections.abc import Callable, Generator
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.e2e.demo import Demo, demo
from tests.e2e.visit import DESKTOP, WITHIN, Visit, chromium


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Generator[Demo]:
    with demo(tmp_path_factory.mktemp("demo"), "--fast") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visit(hub: Demo, browser: Browser) -> Generator[Callable[..., Visit]]:
    """Open pages; whatever a test does there, none may complain or reach another origin."""
    visits: list[Visit] = []

    def begin(size: tuple[int, int] = DESKTOP, **options: Any) -> Visit:
        viewport = ViewportSize(width=size[0], height=size[1])
        context = browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(WITHIN)
        page = Visit(context.new_page(), hub.url)
        page.watch()
        visits.append(page)
        return page

    yield begin
    try:
        assert [misdeed for page in visits for misdeed in page.misdeeds()] == []
    finally:
        for page in visits:
            page.page.context.close()
