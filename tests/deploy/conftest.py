"""Brings Debian's tools for the tests of deploy/, which run when they are asked for."""

from collections.abc import Sequence

import pytest

from tests import debian


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these out unless they are asked for: they install programs, and build an image."""
    if "deploy" in config.option.markexpr:
        return
    skipped = pytest.mark.skip(reason="installs and builds: make deploy-check")
    for item in items:
        if item.get_closest_marker("deploy"):
            item.add_marker(skipped)


def tools(what: str, packages: Sequence[str], service: str | None = None) -> None:
    try:
        debian.install(what, packages, service)
    except debian.MissingSystem as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def haproxy() -> str:
    tools("HAProxy", ["haproxy"], "haproxy")
    return "/usr/sbin/haproxy"


@pytest.fixture(scope="session")
def systemd() -> str:
    tools("systemd", ["systemd"])
    return "systemd-analyze"


@pytest.fixture(scope="session")
def compose() -> str:
    tools("docker-compose", ["docker-compose"])
    return "/usr/bin/docker-compose"


@pytest.fixture(scope="session")
def buildah() -> str:
    tools("buildah", ["buildah", "debootstrap"])
    return "buildah"
