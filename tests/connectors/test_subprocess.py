"""Programs that speak Singer's protocol or Airbyte's, against scripted ones."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors.subprocess import Program
from connectors.twins import Fault
from connectors.twins.subprocess import FIELDS, TOKEN, Twin
from hub.config import load_tables, read_config
from hub.connector import (
    AuthFailed,
    Command,
    RateLimited,
    SourceError,
    SourceMisbehaved,
    SourceUnavailable,
)
from hub.errors import ConfigError
from hub.http import Clients
from tests.connectors.polling import Poller, polling

MANUAL = Path(__file__).parents[2] / "docs" / "taps.md"
NINE = "2026-05-04T09:00:00+00:00"


def record(number: int, stream: str = "items", **more: Any) -> str:
    what = {"id": number, "title": f"Item {number}", "updated_at": NINE, **more}
    return json.dumps({"type": "RECORD", "stream": stream, "record": what})


def state(value: Any) -> str:
    return json.dumps({"type": "STATE", "value": value})


async def test_records_and_the_state_that_follows_them() -> None:
    twin = Twin()
    twin.emit({"id": 1, "title": "Größe", "at": NINE})
    async with polling(twin) as source:
        (draft,) = await source.fresh()
        assert (draft.kind, draft.external_id, draft.title) == ("product.work_item", "1", "Größe")
        assert source.cursor == {"state": {"version": 1, "epoch": 1}}
        twin.emit({"id": 2})
        assert [one.external_id for one in await source.fresh()] == ["1", "2"]  # inclusive
        assert len(source.stored) == 2


async def test_a_state_is_kept_with_the_records_before_it_and_no_others() -> None:
    twin = Twin()
    twin.write(record(1), state({"at": 1}), record(2), record(3), state({"at": 3}), record(4))
    async with polling(twin) as source:
        pages = await source.poll()
    assert [([one.external_id for one in page.drafts], page.cursor) for page in pages] == [
        (["1"], {"state": {"at": 1}}),
        (["2", "3"], {"state": {"at": 3}}),
        (["4"], {"state": {"at": 3}}),
    ]


async def test_a_state_that_stands_still_holds_no_page_up() -> None:
    twin = Twin()
    twin.write(state({"at": 1}), record(1), state({"at": 1}), state({"at": 1}), record(2))
    async with polling(twin) as source:
        await source.poll()
        assert source.current.keys() == {"1", "2"}
        await source.poll()
        assert source.cursor == {"state": {"at": 1}}


async def test_without_a_state_for_long_records_are_stored_and_read_again_after_a_crash() -> None:
    """Taps that read the newest first tell their state at the end alone."""
    twin = Twin()
    twin.write(*(record(number) for number in range(450)), state({"at": "end"}))
    async with polling(twin) as source:
        await source.poll(stop_after=2)
        assert source.cursor == {"loose": 400}
        assert len(source.current) == 400
        await source.poll()
        assert source.cursor == {"state": {"at": "end"}}
        assert len(source.stored) == 450


async def test_what_a_program_is_given(tmp_path: Path) -> None:
    script = tmp_path / "tap.py"
    script.write_text(
        "import json, os, sys\n"
        "read = lambda flag: json.load(open(sys.argv[sys.argv.index(flag) + 1]))\n"
        "told = {'config': read('--config'), 'arguments': sys.argv[1:2],"
        " 'state': '--state' in sys.argv, 'region': os.environ.get('REGION')}\n"
        "record = {'id': 1, 'title': json.dumps(told), 'updated_at': '2026-05-04'}\n"
        "print(json.dumps({'type': 'RECORD', 'stream': 'items', 'record': record}))\n"
    )
    source = Program.model_validate(
        {
            "argv": [sys.executable, str(script), "--properties"],
            "config": {"start_date": "2026-01-01", "credentials": {"user": "u"}},
            "secrets": {"credentials.token": TOKEN},
            "environment": {"REGION": "eu"},
            "streams": {"items": FIELDS},
        }
    )
    async with Clients() as clients:
        poller = Poller(source, clients)
        await poller.poll()
    (draft,) = poller.current.values()
    assert json.loads(draft.title) == {
        "config": {"start_date": "2026-01-01", "credentials": {"user": "u", "token": TOKEN}},
        "arguments": ["--properties"],
        "state": False,
        "region": "eu",
    }
    assert TOKEN not in repr(source)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault.TOKEN_EXPIRED, AuthFailed, "401 Client Error"),
        (Fault.FORBIDDEN, AuthFailed, "403 Client Error"),
        (Fault.LIMITED, RateLimited, "429 Client Error"),
        (Fault.BROKEN, SourceUnavailable, "503 Server Error"),
        (Fault.CUT_SHORT, SourceUnavailable, "in the middle of a line"),
    ],
)
async def test_how_a_program_fails_is_told_from_its_last_words(
    fault: Fault, kind: type[SourceError], words: str
) -> None:
    twin = Twin()
    twin.emit({"id": 1})
    twin.play(fault)
    async with polling(twin) as source:
        with pytest.raises(kind, match=words):
            await source.poll()
        twin.play(None)
        assert len(await source.fresh()) == 1


@pytest.mark.parametrize("words", ["processed 403 records and died", "port 4010 is in use"])
async def test_a_number_is_no_refusal(words: str, tmp_path: Path) -> None:
    script = tmp_path / "tap.py"
    script.write_text(f"import sys; sys.exit({words!r})")
    given = {"argv": [sys.executable, str(script)], "streams": {"items": FIELDS}}
    async with Clients() as clients:
        with pytest.raises(SourceUnavailable, match=words):
            await Poller(Program.model_validate(given), clients).poll()


async def test_what_is_no_message_is_set_aside_and_the_rest_is_read() -> None:
    twin = Twin()
    twin.write(
        "Starting sync",
        "",
        "[1, 2]",
        '{"type": "RECORD", "record": {}}',
        '{"type": "METRIC", "value": 1}',
        '{"type": "ACTIVATE_VERSION", "stream": "items", "version": 1}',
        record(1),
        record(2, stream="others"),
        record(3, title=None),
    )
    async with polling(twin) as source:
        await source.poll()
    assert source.current.keys() == {"1"}
    assert [bad.reason for bad in source.bad] == [
        "title: the record has none",
        "the program wrote no message",
        "the program wrote no message",
        "a message RECORD that lacks what it must have",
    ]


async def test_records_in_files_are_refused_and_not_lost_silently() -> None:
    twin = Twin()
    twin.write('{"type": "BATCH", "stream": "items", "manifest": ["s3://x"]}')
    async with polling(twin) as source:
        with pytest.raises(SourceMisbehaved, match="Turn its batches off"):
            await source.poll()


def airbyte(stream: str, number: int) -> str:
    data = {"id": number, "title": f"Item {number}", "updated_at": NINE}
    return json.dumps({"type": "RECORD", "record": {"stream": stream, "data": data}})


def stream_state(stream: str, value: Any) -> str:
    about = {"stream_descriptor": {"name": stream}, "stream_state": value}
    return json.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": about}})


async def test_airbytes_protocol(tmp_path: Path) -> None:
    script, seen = tmp_path / "source.py", tmp_path / "seen.json"
    lines = [
        '{"type": "LOG", "log": {"level": "INFO", "message": "x"}}',
        airbyte("items", 1),
        stream_state("items", {"at": 1}),
        airbyte("others", 2),
        stream_state("others", {"at": 2}),
        stream_state("items", {"at": 3}),
    ]
    script.write_text(
        "import json, sys\n"
        "told = dict(zip(sys.argv[2::2], (json.load(open(one)) for one in sys.argv[3::2])))\n"
        f"open({str(seen)!r}, 'w').write(json.dumps([sys.argv[1], told]))\n"
        f"print({chr(10).join(lines)!r})\n"
    )
    given = {
        "argv": [sys.executable, str(script)],
        "protocol": "airbyte",
        "streams": {"items": FIELDS, "others": FIELDS},
    }
    async with Clients() as clients:
        source = Poller(Program.model_validate(given), clients)
        await source.poll()
        word, told = json.loads(seen.read_text())
        assert word == "read"
        assert told.keys() == {"--config", "--catalog"}
        assert [one["stream"]["name"] for one in told["--catalog"]["streams"]] == [
            "items",
            "others",
        ]
        await source.poll()
    assert source.current.keys() == {"1", "2"}
    word, told = json.loads(seen.read_text())
    assert [one["stream"]["stream_state"] for one in told["--state"]] == [{"at": 3}, {"at": 2}]


@pytest.mark.parametrize("code", [0, 1])
async def test_what_airbytes_source_says_of_its_failure(code: int, tmp_path: Path) -> None:
    script = tmp_path / "source.py"
    error = {"message": "The API key is invalid: 401 Unauthorized", "failure_type": "config_error"}
    trace = json.dumps({"type": "TRACE", "trace": {"type": "ERROR", "error": error}})
    script.write_text(f"import sys\nprint({trace!r})\nsys.exit({code})\n")
    given = {
        "argv": [sys.executable, str(script)],
        "protocol": "airbyte",
        "streams": {"items": FIELDS},
    }
    async with Clients() as clients:
        with pytest.raises(AuthFailed, match="The API key is invalid"):
            await Poller(Program.model_validate(given), clients).poll()


def test_the_endpoint_holds_no_secret_in_what_is_shown() -> None:
    given = {
        "argv": ["tap"],
        "environment": {"TOKEN": TOKEN},
        "silent": "10s",
        "longest": "2m",
        "streams": {"items": FIELDS},
    }
    endpoint = Program.model_validate(given).endpoint()
    assert isinstance(endpoint, Command)
    assert (endpoint.silent.total_seconds(), endpoint.longest.total_seconds()) == (10, 120)
    assert TOKEN not in repr(endpoint)


def test_the_source_in_the_manual_is_one(tmp_path: Path) -> None:
    [told] = re.findall(r"```toml\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    source = read_config(told, {"GITHUB_TOKEN": TOKEN}).sources["issues"].connector
    assert isinstance(source, Program)
    assert source.streams.keys() == {"issues"}
    assert source.secrets["access_token"].get_secret_value() == TOKEN
    file = tmp_path / "hub.toml"
    file.write_text(told.replace("${GITHUB_TOKEN}", TOKEN))
    with pytest.raises(ConfigError, match="a secret is written out here"):
        load_tables(file)
