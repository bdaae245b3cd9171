"""A real tap, which the hub starts, reads and resumes."""

import asyncio
import json
import tomllib
from pathlib import Path

import pytest

from connectors.twins import subprocess as twin
from tests.live.hub import reading
from tests.live.systems import HOME
from tests.live.tap_github import TOKEN, GitHub, TapGithub
from tests.servers import serve

pytestmark = pytest.mark.live

SHIPPED = Path(twin.__file__).parent / "recorded" / "subprocess.json"
FIELDS = """
[sources.live.streams.issues]
kind = "product.work_item"
id = "$.number"
title = "$.title"
body = "$.body"
url = "$.html_url"
author = {name = "$.user.login"}
occurred_at = "$.created_at"
revised_at = "$.updated_at"
"""


async def test_a_tap_is_read_and_resumed(tap_github: TapGithub, tmp_path: Path) -> None:
    github = GitHub()
    for number in range(1, 4):
        github.put(number, f"Issue {number}", f"2026-11-0{number}T09:00:00Z")
    async with serve(github.app) as url:
        config = {"repository": "acme/shop", "start_date": "2026-01-01T00:00:00Z", "base_url": url}
        whole = {**config, "access_token": TOKEN}
        # In a thread: it asks the server of this very loop what there is.
        selected = await asyncio.to_thread(tap_github.selection, whole, "issues")
        argv = json.dumps([str(tap_github.program), "--properties", str(selected)])
        told = ", ".join(f"{key} = {json.dumps(word)}" for key, word in config.items())
        source = (
            f'connector = "subprocess"\nargv = {argv}\nconfig = {{ {told} }}\n'
            'secrets = { access_token = "${TOKEN}" }\n'
        )
        async with reading(tmp_path, source, {"TOKEN": TOKEN}, FIELDS) as hub:
            shown = await hub.shows("3", title="Issue 3")
            assert (shown["kind"], shown["body"]) == ("product.work_item", "Größe fehlt")
            assert shown["author"]["name"] == "jane"
            assert shown["url"] == "https://github.com/acme/shop/issues/3"
            github.put(1, "Issue 1, again", "2026-11-20T09:00:00Z")
            await hub.shows("1", title="Issue 1, again")
            assert len(await hub.signals()) == 3
        # The state is the cursor: of what was read, only the boundary is asked for again.
        assert any("since=2026-11-0" in one or "since=2026-11-2" in one for one in github.asked)
        async with reading(tmp_path, source, {"TOKEN": "not the right one"}, FIELDS) as hub:
            said = await hub.state("AUTH_FAILED")
    assert "not the right one" not in said["lastError"]


async def test_what_the_tap_writes_is_recorded(tap_github: TapGithub) -> None:
    """Writes build/live/recorded/subprocess.json: look through it, and put it beside the twin."""
    github = GitHub()
    for number in range(1, 4):
        github.put(number, f"Issue {number}", f"2026-11-0{number}T09:00:00Z")
    async with serve(github.app) as url:
        config = {"repository": "acme/shop", "start_date": "2026-01-01T00:00:00Z", "base_url": url}
        whole = {**config, "access_token": TOKEN}
        selected = await asyncio.to_thread(tap_github.selection, whole, "issues")
        argv = (tap_github.program, "--config", tap_github.home / "config.json")
        text = await asyncio.to_thread(tap_github.run, *argv, "--properties", selected)
    fields = tomllib.loads(FIELDS)["sources"]["live"]["streams"]
    told = {
        "source": "tap-github 4.0.0 over issues of ours, by tests/live/test_subprocess.py",
        "licence": "Apache-2.0",
        "signals": 3,
        "settings": {"streams": fields},
        "exchanges": [{"method": "run", "path": "", "text": text}],
    }
    written = HOME / "recorded" / "subprocess.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    kinds = [json.loads(line)["type"] for line in text.splitlines()]
    shipped = json.loads(SHIPPED.read_text())["exchanges"][0]["text"].splitlines()
    assert [json.loads(line)["type"] for line in shipped] == kinds, "another version: look at it"
