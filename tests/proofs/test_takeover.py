"""A hub that is killed in mid-poll and in mid-delivery: another takes both over, and in time."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from hub.lease import LEASE
from hub.work import SWEEP
from tests import ledger, secrets
from tests.cli import ROOT, Folder
from tests.integration.test_deliveries import Receiver, endpoint
from tests.ledger import TOKEN, Book
from tests.running import until
from tests.servers import serve

PROMISED = 30  # seconds, by default
SHORT = 2.0


def test_a_lease_and_a_sweep_end_within_what_is_promised() -> None:
    assert LEASE.total_seconds() + SWEEP < PROMISED - 3


@pytest.mark.long
@pytest.mark.parametrize(
    ("database_url", "lease", "skew"),
    [
        ("postgres", SHORT, 60),
        ("sqlite", SHORT, 0),
        ("postgres", SHORT, -60),
        ("sqlite", None, 0),
        ("postgres", None, 60),
    ],
    indirect=["database_url"],
)
async def test_what_a_killed_hub_held_is_taken_over(
    database_url: str, lease: float | None, skew: int, tmp_path: Path
) -> None:
    """Not before, while its heart beats, whatever the clock of the other says."""
    slow, news, receiver = Book(), Book(), Receiver()
    slow.held, receiver.hang = asyncio.Event(), True
    news.write("Acme buys")
    first = _folder(tmp_path, database_url, lease)
    second = replace(first, environment={**first.environment, "PROOF_SKEW": str(skew)})
    clock = asyncio.get_running_loop().time
    async with (
        serve(slow.app) as slow_url,
        serve(news.app) as news_url,
        serve(receiver.app) as hook,
    ):
        tables = [_source("slow", slow_url), _source("news", news_url), endpoint(hook)]
        secrets.write(tmp_path, "\n".join(tables))
        await first.hub("migrate")
        async with first.serving() as dying, second.serving() as living:
            await until(lambda: slow.asked == 1 and len(receiver.got) == 1, within=60)
            await asyncio.sleep(1.3 * (lease or LEASE.total_seconds()))
            assert (slow.asked, len(receiver.got)) == (1, 1), "held by its heartbeats"
            os.kill(dying.process.pid, signal.SIGKILL)
            killed = clock()
            slow.held, receiver.hang = None, False
            took: dict[str, float] = {}

            def both() -> bool:
                if slow.asked > 1:
                    took.setdefault("poll", clock() - killed)
                if len(receiver.got) > 1:
                    took.setdefault("delivery", clock() - killed)
                return len(took) == 2

            await until(both, within=PROMISED)
            assert max(took.values()) < (lease or LEASE.total_seconds()) + SWEEP + 3, took
            await until(lambda: slow.asked > 3)
            assert [headers["webhook-id"] for headers, _ in receiver.got] == [
                receiver.got[0][0]["webhook-id"]
            ] * 2
            done = await living.stop(signal.SIGTERM)
            assert "Traceback" not in done.err


def _folder(path: Path, database: str, lease: float | None) -> Folder:
    packages = ledger.install(path / "packages")
    environment = {
        "HUB_DATABASE": database,
        "HUB_SECRET_KEY": "k" * 40,
        "PYTHONPATH": f"{packages}:{ROOT}",
        **({"PROOF_LEASE": str(lease)} if lease else {}),
    }
    return Folder(path, environment, module="tests.proofs.hub")


def _source(name: str, url: str) -> str:
    return (
        f'[sources.{name}]\nconnector = "ledger"\nurl = "{url}"\ntoken = "{TOKEN}"\n'
        'notify_after = "2020-01-01T00:00:00Z"\n'
    )
