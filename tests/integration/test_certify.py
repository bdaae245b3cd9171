"""Certification: what is scaffolded passes, what is broken is found, and a wheel is as good."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncGenerator, Mapping
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from zipfile import ZipFile

import pytest

from hub.testing.certify import CHECKS, Level, Result, Row, examine
from hub.testing.faults import Excuse, Fault
from hub.testing.house import House, opened
from tests.cli import ROOT, Folder


def scaffolded(part: str, changed: Mapping[str, str] | None = None) -> Any:
    """Load a file of the scaffold, with other words in places."""
    text = files("hub.cli.scaffold").joinpath(f"{part}.py.txt").read_text()
    for old, new in (changed or {}).items():
        assert old in text
        text = text.replace(old, new)
    made = ModuleType(f"scaffolded_{part}")
    made.__file__ = str(Path(__file__).parent / "nowhere" / f"{part}.py")
    sys.modules[made.__name__] = made  # where pydantic looks for what annotations name
    exec(compile(text, f"{part}.py.txt", "exec"), vars(made))  # noqa: S102 - it is ours
    return made


@pytest.fixture
async def house() -> AsyncGenerator[House]:
    async with opened() as house:
        yield house


async def run(module: str, *words: str, folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *words, cwd=folder, stdout=PIPE, stderr=STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


async def examined(house: House, what: str, connector: Any, twin: Any) -> Row:
    check = next(one for one in CHECKS if one[1] == what)
    return await examine(house, "newname", connector, twin, check)


NEXT = 'Batch(body["records"], body["next"])'
REVISION = 'revision=record["changed_at"]'
BROKEN: dict[tuple[str, str], dict[str, str]] = {
    ("loads", "no kinds of the catalogue"): {'{"customer.feedback"}': '{"customer.whim"}'},
    ("validates its settings", "an unknown setting is taken"): {
        "    url: str\n": '    model_config = {"extra": "ignore"}\n    url: str\n'
    },
    ("reads what there is", "lost: record/3, record/4"): {
        NEXT: f'{NEXT[:-1]} if len(body["records"]) == 100 else None)'
    },
    (Fault.CRASH, "lost: "): {
        "walk.pages(cursor, ": "walk.pages({'since': str(now())} if cursor else {}, ",
        "    utc,\n": "    now,\n    utc,\n",
    },
    (Fault.AGAIN, "stored more often than they changed: record/1"): {
        REVISION: "revision=str(now())",
        "    utc,\n": "    now,\n    utc,\n",
    },
    (Fault.EDIT, "lost: record/1"): {REVISION: 'revision="1"'},
    (Fault.TOKEN_EXPIRED, "took the refusal for an answer"): {
        '            body = await api.get("records"': (
            "            try:\n"
            '                await api.get("records")\n'
            "            except Exception:\n"
            "                return Batch([])\n"
            '            body = await api.get("records"'
        )
    },
    (Fault.EMPTY_PAGE, "ended at it, with 0 of 5 read"): {
        NEXT: f'{NEXT[:-1]} if body["records"] else None)'
    },
    (Fault.CLOCK_SKEW, "lost: record/3"): {
        "ModifiedSince()": "ModifiedSince(overlap=timedelta(0))",
        "import datetime": "import datetime, timedelta",
    },
    (Fault.DRIFT, "it broke: TypeError: '<' not supported"): {
        'Batch(body["records"]': 'Batch(sorted(body["records"], key=lambda one: one["id"])'
    },
    (Fault.GONE, "it is still information"): {
        'Status.DELETED if record["deleted"] else Status.INFORMATION': "Status.INFORMATION"
    },
    (Fault.PUSH, "the twin cannot push, and excuses nothing"): {},
    (Fault.RECORDED, "no payloads of the real system"): {},
}


@pytest.mark.parametrize(("what", "reason"), BROKEN)
async def test_what_a_connector_does_wrong_is_found(house: House, what: str, reason: str) -> None:
    twin = scaffolded("twin").Twin
    right = await examined(house, what, scaffolded("connector").NewClass, twin)
    changed = BROKEN[what, reason]
    wrong = await examined(house, what, scaffolded("connector", changed).NewClass, twin)
    assert wrong.result is Result.FAILED, wrong
    assert reason in wrong.reason
    assert right.result is (Result.PASSED if changed else Result.FAILED), right


@pytest.mark.parametrize(
    ("link", "result"), [("https://vendor.example/api", "not applicable"), ("", "failed")]
)
async def test_an_excuse_counts_with_the_vendors_page_only(
    house: House, link: str, result: str
) -> None:
    class Twin(scaffolded("twin").Twin):  # type: ignore[misc]
        excused: ClassVar = {Fault.PUSH: Excuse("it has no webhooks", link)}

    row = await examined(house, Fault.PUSH, scaffolded("connector").NewClass, Twin)
    assert row.result == result
    assert "it has no webhooks" in row.reason


@pytest.mark.processes
async def test_a_wheel_of_ones_own_is_certified_like_any_other(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert (await folder.hub("connectors", "new", "acme_desk")).code == 0
    package = tmp_path / "hub-acme_desk"
    await run("hatchling", "build", "-t", "wheel", folder=package)
    [wheel] = (package / "dist").glob("*.whl")
    with ZipFile(wheel) as opened_wheel:
        opened_wheel.extractall(tmp_path / "installed")  # which is what installing one is
    path = {"PYTHONPATH": f"{ROOT}:{tmp_path / 'installed'}"}

    listed = await folder.hub("connectors", "list", "--json", **path)
    assert "acme_desk" in {one["name"] for one in listed.json}
    record = tmp_path / "asked.jsonl"
    words = ("connectors", "certify", "acme_desk", "--json", "--record", str(record))
    done = await folder.hub(*words, **path)
    assert done.code == 0, done
    assert Level[done.json["level"].upper()] >= Level.SILVER
    assert done.json["level"] == "gold"
    assert done.json["missing"] == [Fault.PUSH, Fault.RECORDED]
    assert '"path":"/records"' in record.read_text()

    lacking = await folder.hub("connectors", "certify", "acme_desk", "--level", "platinum", **path)
    assert lacking.code == 1
    assert "What misses to platinum: push meeting poll" in lacking.out
    (await folder.hub("connectors", "certify", "acme_desk", "--level", "tin")).said(2, "tin")
    (await folder.hub("connectors", "certify", "acme_desk")).said(2, "acme_desk")


@pytest.mark.processes
async def test_in_a_checkout_the_files_go_beside_the_others_and_over_none(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for package in ("hub", "connectors"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    environment = {"PYTHONSAFEPATH": "1"}  # else the empty packages would be the hub's
    done = await folder.hub("connectors", "new", "acme", **environment)
    assert done.code == 0, done
    written = ["connectors/acme.py", "connectors/twins/acme.py", "tests/connectors/test_acme.py"]
    assert [f"wrote {one}" in done.out for one in written] == [True] * 3
    for words in (("check", "--ignore", "INP,I"), ("format", "--check")):
        await run("ruff", *words, "--config", str(ROOT / "pyproject.toml"), ".", folder=tmp_path)
    (await folder.hub("connectors", "new", "acme", **environment)).said(2, "exists already")
    (await folder.hub("connectors", "new", "Acme!", **environment)).said(2, "may not be called")
    (await folder.hub("connectors", "new", "zendesk", **environment)).said(2, "already")
