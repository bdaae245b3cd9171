"""How long a signal is kept: the most specific rule wins, in Python and in SQL alike."""

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import insert

from hub.config import Config, read_config
from hub.errors import ConfigError
from hub.retention import cutoffs
from hub.store import open_store
from hub.store.erase import old_signals
from hub.store.tables import SignalRow
from tests.running import migrated

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOML = """
[retention]
signals = "40d"
log = "9d"
[retention.kinds]
"*" = "35d"
"chat.*" = "9d"
"chat.decision" = "30d"
"policy.*" = "800d"
[sources.mail]
connector = "rss"
url = "https://a.example"
keep = "3d"
[sources.news]
connector = "rss"
url = "https://b.example"
"""


@pytest.fixture(scope="module")
def config() -> Config:
    return read_config(TOML, {})


@pytest.mark.parametrize(
    ("source", "kind", "days"),
    [
        ("mail", "policy.legal", 3),  # what stands at the source goes first
        ("news", "policy.legal", 800),
        ("news", "chat.message", 9),
        ("news", "chat.decision", 30),  # the longest pattern
        ("news", "sales.deal.won", 35),
        ("hub", "chat.message", 9),
        ("gone", "chat.message", 9),
    ],
)
def test_the_most_specific_rule_wins(config: Config, source: str, kind: str, days: int) -> None:
    assert config.keeps(source, kind) == timedelta(days=days)


def test_the_defaults_are_those_of_the_design() -> None:
    keep = read_config("", {}).retention
    days = (keep.signals.days, keep.log.days, keep.raw.days, keep.deliveries.days)
    assert days == (400, 90, 30, 30)


@pytest.mark.parametrize(
    "line", ['signals = "0s"', 'log = "soon"', 'kinds = {"Chat" = "1d"}', 'bodies = "3d"']
)
def test_what_is_wrong_is_said(line: str) -> None:
    with pytest.raises(ConfigError, match=r"hub.toml:2: retention\."):
        read_config(f"[retention]\n{line}\n", {})


async def test_sql_finds_what_the_rule_says(config: Config, tmp_path: Path) -> None:
    every = product(
        ["mail", "news", "hub"],
        ["chat.message", "chat.decision", "policy.legal", "sales.deal.won"],
        [1, 5, 10, 31, 36, 41, 900],
        [False, True],
    )
    ages = {f"{number:03}": one for number, one in enumerate(every)}
    async with open_store(await migrated(f"sqlite:///{tmp_path}/hub.db")) as store:
        async with store.write() as connection:
            await connection.execute(
                insert(SignalRow), [_row(id_, *of) for id_, of in ages.items()]
            )
        async with store.read() as connection:
            found = await old_signals(connection, cutoffs(config, NOW), None, 1000)
    assert {one.id for one in found} == {
        id_
        for id_, (source, kind, days, deleted) in ages.items()
        if timedelta(days=days) > config.keeps(source, kind)
        or (deleted and timedelta(days=days) > config.retention.log)
    }
    assert [one.updated_at for one in found] == sorted(one.updated_at for one in found)


def _row(id_: str, source: str, kind: str, days: int, deleted: bool) -> dict[str, object]:
    at = NOW - timedelta(days=days)
    times = dict.fromkeys(("occurred_at", "received_at", "updated_at", "revised_at"), at)
    texts = dict.fromkeys(("title", "summary", "revision"), "x")
    return {
        "id": id_, "source": source, "external_id": id_, "kind": kind, **times, **texts,
        "department": "sales", "origin": "poll", "severity": 0, "classification": 1,
        "status": "deleted" if deleted else "open", "labels": [], "attributes": {},
    }  # fmt: skip
