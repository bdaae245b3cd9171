"""Starts each real system once, and quotes its log where a test of it fails."""

from collections.abc import Generator, Iterator
from typing import TypeVar

import pytest

from tests.debian import MissingSystem
from tests.live.alertmanager import Alertmanager
from tests.live.bluesky import Bluesky
from tests.live.dovecot import Dovecot
from tests.live.icinga2 import Icinga2
from tests.live.radicale import Radicale
from tests.live.request_tracker import RequestTracker
from tests.live.roundup import Roundup
from tests.live.synapse import Synapse
from tests.live.systems import System
from tests.live.tap_github import TapGithub
from tests.live.tryton import Tryton
from tests.live.wordpress import WordPress

AnySystem = TypeVar("AnySystem", bound=System)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these out unless they are asked for: they install and start whole systems."""
    if "live" in config.option.markexpr:
        return
    skipped = pytest.mark.skip(reason="starts real systems: make live")
    for item in items:
        if item.get_closest_marker("live"):
            item.add_marker(skipped)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for system in item.funcargs.values():
            if isinstance(system, System):
                report.sections.append((f"{system.name}'s log, {system.log}", system.tail()))
    return report


@pytest.fixture(scope="session")
def synapse() -> Iterator[Synapse]:
    yield from _started(Synapse())


@pytest.fixture(scope="session")
def request_tracker() -> Iterator[RequestTracker]:
    yield from _started(RequestTracker())


@pytest.fixture(scope="session")
def alertmanager() -> Iterator[Alertmanager]:
    yield from _started(Alertmanager())


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    yield from _started(Dovecot())


@pytest.fixture(scope="session")
def radicale() -> Iterator[Radicale]:
    yield from _started(Radicale())


@pytest.fixture(scope="session")
def icinga2() -> Iterator[Icinga2]:
    yield from _started(Icinga2())


@pytest.fixture(scope="session")
def roundup() -> Iterator[Roundup]:
    yield from _started(Roundup())


@pytest.fixture(scope="session")
def tryton() -> Iterator[Tryton]:
    yield from _started(Tryton())


@pytest.fixture(scope="session")
def wordpress() -> Iterator[WordPress]:
    yield from _started(WordPress())


@pytest.fixture(scope="session")
def tap_github() -> TapGithub:
    tap = TapGithub()
    tap.install()
    return tap


@pytest.fixture(scope="session")
def bluesky() -> Iterator[Bluesky]:
    yield from _started(Bluesky())


def _started(system: AnySystem) -> Iterator[AnySystem]:
    try:
        with system:
            yield system
    except MissingSystem as missing:
        pytest.fail(str(missing), pytrace=False)
