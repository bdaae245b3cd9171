"""The harness keeps its promises: the form of its rows, whole baselines, CI's rule about goals."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlmodel import SQLModel, col

from hub.store import open_store
from hub.store.tables import SignalRow
from tests.bench.__main__ import BENCHES, chosen, main, save
from tests.bench.clones import clone, cloned
from tests.bench.databases import Databases, Filled, rest
from tests.bench.drafts import PAGE, pages
from tests.bench.growth import bench_growth
from tests.bench.ingest import bench_ingest, pipeline
from tests.bench.measured import Result, table
from tests.bench.page import DOCUMENTS, FILTERS, requests
from tests.bench.routing import bench_routing
from tests.bench.rows import read_pages, writer
from tests.bench.scale import bench_scale
from tests.engines import Postgres

RULE = Path(__file__).parents[2] / ".ci" / "bench_goals.py"
ROW = {
    "name", "value", "unit", "baseline", "ratio", "better", "goal", "ok", "runs", "detail",
}  # fmt: skip
# What the pipeline changes without adding to it, or only when something is wrong.
STATE = {"log_head", "sources", "endpoints", "applied", "quarantine", "keys", "attempts"}


def result(**facts: Any) -> Result:
    given: dict[str, Any] = {"name": "query_page_sqlite", "value": 1.0, "unit": "requests/s"}
    return Result(**(given | facts))


@pytest.fixture
def places(tmp_path: Path, postgres: Postgres) -> Databases:
    return Databases(tmp_path, AsyncExitStack(), postgres=postgres)


def judge(tmp_path: Path, results: Sequence[Result]) -> subprocess.CompletedProcess[str]:
    save(results, tmp_path / "bench.json")
    return subprocess.run(
        [sys.executable, RULE, tmp_path / "bench.json"], capture_output=True, text=True, check=False
    )


def test_a_row_has_what_machines_read(tmp_path: Path) -> None:
    save([result(detail={"range": [1.0, 2.0]})], tmp_path / "bench.json")
    (row,) = json.loads((tmp_path / "bench.json").read_text())
    assert row.keys() == ROW
    assert (row["better"], row["goal"], row["ok"], row["runs"]) == ("higher", None, None, 1)
    assert row["detail"] == {"range": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("ratio", "goal", "better", "ok"),
    [
        (12.1, 12.0, "higher", True),
        (11.9, 12.0, "higher", False),
        (0.9, 1.0, "lower", True),
        (1.1, 1.0, "lower", False),
        (12.0, None, "higher", None),
        (None, 12.0, "higher", None),
    ],
)
def test_a_result_is_ok_when_it_reaches_its_goal(
    ratio: float | None, goal: float | None, better: str, ok: bool | None
) -> None:
    assert result(ratio=ratio, goal=goal, better=better).ok is ok


def test_ci_refuses_only_a_ratio_far_below_its_goal(tmp_path: Path) -> None:
    good = [
        result(),
        result(ratio=0.01),
        result(ratio=0.8, goal=1.0, baseline="raw x"),
        result(ratio=1.2, goal=1.0, better="lower", baseline="raw x"),
    ]
    assert judge(tmp_path, good).returncode == 0
    bad = result(ratio=0.79, goal=1.0, baseline="raw x")
    assert bad.ok is False
    said = judge(tmp_path, [*good, bad])
    assert said.returncode == 1
    assert "query_page_sqlite: 0.79 times raw x, the goal is 1 (higher is better)" in said.stdout


def test_the_table_says_which_goal_was_missed() -> None:
    lines = table([result(ratio=2.0, goal=1.0), result(ratio=0.5, goal=1.0)]).splitlines()
    assert [line.split()[-1] for line in lines] == ["ok", "yes", "NO"]


def test_benchmarks_are_chosen_by_the_beginnings_of_their_names() -> None:
    assert list(chosen("")) == list(BENCHES)
    assert list(chosen("query,routing")) == ["routing", "query_page_sqlite", "query_page_postgres"]
    assert list(chosen("ingest_sqlite")) == ["ingest_sqlite"]


def test_an_unknown_name_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as gave_up:
        main(["--only", "qeury"])
    assert gave_up.value.code == 2
    assert "no benchmark begins with 'qeury'; there are: startup_import" in capsys.readouterr().err


def test_the_drafts_are_the_same_in_every_run() -> None:
    first, second = (list(islice(pages(), 4)) for _ in range(2))
    assert first == second
    keys = [(page.source, one.external_id, one.revision) for page in first for one in page.drafts]
    assert len(keys) == len(set(keys)) == 4 * PAGE


@pytest.mark.processes
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_the_baseline_writes_every_row_that_the_pipeline_wrote(
    places: Databases, engine: str
) -> None:
    made = Filled(await places.new(engine), pages())
    before = await counts(made.url)
    async with pipeline(made) as work:
        await work.feed(islice(made.rest, 6))
    after = await counts(made.url)
    written = await read_pages(made.url)
    assert len(written) == 6

    tables = {name for page in written for name in page}
    assert {name for name in after if after[name] > before[name]} - tables <= STATE
    totals = {name: sum(len(page.get(name, ())) for page in written) for name in tables}
    assert totals == {name: after[name] for name in tables}
    assert totals["changes"] == totals["revisions"] == 6 * PAGE
    assert totals["signals"] == made.signals

    again = await places.new(engine)
    async with writer(again) as write:
        cost = await write(written)
    assert cost.wall > 0
    assert [in_order(page) for page in await read_pages(again)] == [
        in_order(page) for page in written
    ]


def in_order(page: dict[str, list[Sequence[Any]]]) -> dict[str, list[str]]:
    return {name: sorted(map(repr, rows)) for name, rows in page.items()}


async def counts(url: str) -> dict[str, int]:
    async with open_store(url) as store, store.read() as connection:
        return {
            name: await connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0  # noqa: S608
            for name in SQLModel.metadata.tables
        }


@pytest.mark.processes
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_clones_are_as_whole_as_what_the_pipeline_made(
    places: Databases, engine: str
) -> None:
    made = Filled(await places.new(engine), pages())
    async with pipeline(made) as work:
        await work.feed(islice(made.rest, 5))
    await rest(made.url)
    large = await places.copy(engine, made.url)
    await clone(large, 10)
    await rest(large)
    before, after = await counts(made.url), await counts(large)
    for name in ("signals", "revisions", "changes", "relevance"):
        assert after[name] == 11 * before[name] > 0
    assert after["deliveries"] == 2 * before["deliveries"] > 0
    assert after["people"] == before["people"]
    async with open_store(large) as store, store.read() as connection:
        for name in ("revisions", "changes", "relevance", "deliveries"):
            strangers = (
                f"SELECT count(*) FROM {name} t"  # noqa: S608
                " WHERE NOT EXISTS (SELECT 1 FROM signals s WHERE s.id = t.signal_id)"
            )
            assert await connection.scalar(text(strangers)) == 0, name
        head = await connection.scalar(text("SELECT seq FROM log_head"))
        assert await connection.scalar(text("SELECT max(seq) FROM changes")) <= head
        newest = await connection.scalar(text("SELECT id FROM signals ORDER BY id DESC LIMIT 1"))
    draft = next(pages()).drafts[0]
    records = {cloned(draft.external_id, copy) for copy in range(11)}
    async with open_store(large) as store, store.read() as connection:
        kept = await connection.execute(
            select(SignalRow).where(col(SignalRow.external_id).in_(records))
        )
        signals = sorted(kept, key=lambda row: str(row.id))
    assert len(signals) == len(records)
    times = [signal.occurred_at for signal in signals]
    assert times == sorted(times), "older in ids and in times"
    assert newest is not None
    assert signals[-1].id <= newest
    assert signals[-1].external_id == draft.external_id


@pytest.mark.processes
async def test_a_full_database_is_measured_beside_a_small_one(
    places: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bench.scale.SMALL", 500)
    monkeypatch.setattr("tests.bench.scale.WARM_UP", 0)
    results = await bench_scale("sqlite", places, rounds=1, signals=2_000)
    names = {one.name.removeprefix("scale_").removesuffix("_sqlite") for one in results}
    assert names == {
        "status_change", "claim", "count", "first_page", "feed", "log", "history",
    }  # fmt: skip
    assert all(one.ratio and one.value > 0 for one in results)


@pytest.mark.processes
async def test_the_memory_of_a_long_ingest_is_weighed(places: Databases) -> None:
    measured = await bench_growth("sqlite", places, drafts=500)
    assert measured.detail["drafts"] == 600
    assert 500 < measured.detail["signals"] <= 600
    assert measured.value > 20
    assert measured.ratio


@pytest.mark.processes
async def test_ingest_is_measured_by_turns_with_its_rows(places: Databases) -> None:
    measured = await bench_ingest("sqlite", places, runs=1, drafts=1_000)
    assert measured.name == "ingest_sqlite"
    assert measured.runs == 1
    assert measured.detail["signals"] == places.filled["sqlite"].signals > 800
    assert measured.detail["rows"] > 5 * measured.detail["signals"]
    assert measured.ratio is not None
    assert 0 < measured.ratio < 1
    with pytest.raises(ValueError, match="no whole slices"):
        await bench_ingest("sqlite", places, runs=1, drafts=150)


def test_routing_judges_every_signal_for_every_role() -> None:
    measured = bench_routing(runs=1, signals=200)
    assert measured.value > 1_000
    assert measured.detail["signals"] == 200
    assert 0 < measured.detail["sent"] < 1


def test_every_document_is_asked_with_every_filter() -> None:
    asked = requests(8000, "hub_key")
    assert len(asked) == len(set(asked)) == len(DOCUMENTS) * len(FILTERS) == 120
    for request in asked:
        head, _, body = request.partition("\r\n\r\n")
        assert "Authorization: Bearer hub_key" in head
        assert f"Content-Length: {len(body)}" in head
        assert json.loads(body)["variables"]["first"] == 50
