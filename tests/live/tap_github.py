"""A tap that others have written, and the part of GitHub's API that it asks on this machine."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.live.systems import System, venv

TOKEN = "not-a-real-token-4711"


class TapGithub(System):
    """https://pypi.org/project/tap-github: AGPL, so nothing that the hub could depend on."""

    name = "tap-github"

    def install(self) -> None:
        self.program = venv(self, "tap-github==4.0.0").with_name("tap-github")

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError("the hub starts it")

    def ready(self) -> str:
        raise NotImplementedError("it serves nothing")

    def selection(self, config: dict[str, Any], *streams: str) -> Path:
        """Let the tap say what it can read, and select these streams of it."""
        file, selected = self.home / "config.json", self.home / "selected.json"
        file.write_text(json.dumps(config))
        catalog = json.loads(self.run(self.program, "--config", file, "--discover"))
        for stream in catalog["streams"]:
            is_wanted = stream["stream"] in streams
            stream["schema"]["selected"] = is_wanted
            for part in stream["metadata"]:
                if not part["breadcrumb"]:
                    part["metadata"]["selected"] = is_wanted
        selected.write_text(json.dumps(catalog))
        return selected


class GitHub:
    """Issues of one repository, as the tap asks for them; of all else there is nothing."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer)])

    async def answer(self, request: Request) -> Response:
        self.asked.append(f"{request.url.path}?{request.url.query}")
        if request.headers.get("authorization") != f"token {TOKEN}":
            return JSONResponse({"message": "Bad credentials"}, 401)
        found: list[dict[str, Any]] = []
        if request.url.path.endswith("/shop/issues"):
            since = request.query_params.get("since", "")
            found = [one for one in self.issues if one["updated_at"] >= since]
        # The tap takes an answer without this header for one of somebody else.
        return JSONResponse(
            sorted(found, key=lambda one: str(one["updated_at"]), reverse=True),
            headers={"X-RateLimit-Remaining": "4999"},
        )

    def put(self, number: int, title: str, updated_at: str) -> None:
        self.issues = [one for one in self.issues if one["number"] != number]
        self.issues.append(
            {
                "id": 1000 + number,
                "number": number,
                "title": title,
                "body": "Größe fehlt",
                "state": "open",
                "user": {"login": "jane", "id": 1},
                "labels": [],
                "html_url": f"https://github.com/acme/shop/issues/{number}",
                "created_at": updated_at,
                "updated_at": updated_at,
                "comments": 0,
            }
        )
