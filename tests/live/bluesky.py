"""A Bluesky PDS, where accounts are kept, and what a person does there."""

import json
import os
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx2

from tests import debian
from tests.engines import free_port
from tests.live.systems import TAIL_LINES, System

PROGRAM = Path(__file__).with_name("bluesky.mjs")
PACKAGE = "@atproto/pds@0.4.217"  # later ones need Node.js 22
POST = "app.bsky.feed.post"
# Bookworm's headers of Node.js lie there: with them nothing has to be fetched to build an add-on.
HEADERS = Path("/usr/include/node")


class Bluesky(System):
    """https://github.com/bluesky-social/pds.

    It asks the network's index of posts (AppView) at `view_port` for what others say: a test
    puts the twin there.
    """

    name = "bluesky"

    def __init__(self) -> None:
        super().__init__()
        self.view_port, self.plc_port = free_port(), free_port()
        self.key, self.rotation_key = secrets.token_hex(16), secrets.token_hex(32)
        for folder in ("data", "blobs"):
            shutil.rmtree(self.home / folder, ignore_errors=True)  # its keys are new
            (self.home / folder).mkdir()

    def install(self) -> None:
        if missing := [one for one in ("node", "npm", "make", "g++") if shutil.which(one) is None]:
            packages = ["nodejs", "npm", "libnode-dev", "make", "g++"]
            debian.install(f"{self.name} ({', '.join(missing)})", packages)
        done = self.home / "installed.txt"
        if done.exists() and done.read_text() == PACKAGE:
            return
        (self.home / "package.json").write_text('{"private": true, "type": "module"}')
        # No lock: it would hold the addresses of whatever registry is used here.
        quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
        self._npm(self.home, "npm", "install", *quiet, PACKAGE)
        addon = self.home / "node_modules" / "better-sqlite3"
        self._npm(addon, "node", self._gyp(), "rebuild", "--release")
        done.write_text(PACKAGE)

    def command(self) -> Sequence[str | Path]:
        shutil.copy(PROGRAM, self.home)
        return ["node", PROGRAM.name]

    def ready(self) -> str:
        return f"{self.url}/xrpc/_health"

    def environment(self) -> dict[str, str]:
        """https://github.com/bluesky-social/atproto/tree/main/packages/pds."""
        return super().environment() | {
            "PLC_PORT": str(self.plc_port),
            "PDS_PORT": str(self.port),
            "PDS_HOSTNAME": "localhost",
            "PDS_DEV_MODE": "true",
            "PDS_DISABLE_SSRF_PROTECTION": "true",
            "PDS_DATA_DIRECTORY": str(self.home / "data"),
            "PDS_BLOBSTORE_DISK_LOCATION": str(self.home / "blobs"),
            "PDS_DID_PLC_URL": f"http://127.0.0.1:{self.plc_port}",
            "PDS_BSKY_APP_VIEW_URL": f"http://127.0.0.1:{self.view_port}",
            "PDS_BSKY_APP_VIEW_DID": "did:web:view.example",
            "PDS_INVITE_REQUIRED": "false",
            "PDS_SERVICE_HANDLE_DOMAINS": ".test",
            "PDS_JWT_SECRET": self.key,
            "PDS_ADMIN_PASSWORD": secrets.token_hex(16),
            "PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX": self.rotation_key,
            "PDS_RATE_LIMITS_ENABLED": "true",
            "LOG_ENABLED": "false",
        }

    def forget_sessions(self) -> None:
        """Begin again with another key: no token that was given out is good any longer."""
        self.stop()
        self.key = secrets.token_hex(16)
        self.__enter__()

    def account(self) -> "Account":
        """Make an account with a new name."""
        return Account(self.url, f"acme-{uuid.uuid4().hex[:8]}.test")

    def _npm(self, folder: Path, *command: str | Path) -> None:
        """Run npm as the person who runs this: it is their registry and certificates."""
        words = [str(one) for one in command]
        found = {"npm_config_nodedir": str(HEADERS.parents[1])} if HEADERS.exists() else {}
        done = subprocess.run(
            words,
            cwd=folder,
            env=os.environ | found,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:])
            raise RuntimeError(
                f"{self.name}: {' '.join(words)} ended with {done.returncode}\n{said}"
            )

    def _gyp(self) -> Path:
        """Find node-gyp, which npm brings along."""
        npm = Path(shutil.which("npm") or "").resolve()
        for folder in (npm.parents[1] / "node_modules", Path("/usr/share/nodejs")):
            if (script := folder / "node-gyp" / "bin" / "node-gyp.js").exists():
                return script
        raise debian.MissingSystem(f"{self.name}: npm at {npm} comes without node-gyp")


class Account:
    """One account and its client: what a person does in the app."""

    def __init__(self, url: str, handle: str) -> None:
        self.handle = handle
        self.http = httpx2.Client(base_url=f"{url}/xrpc/", timeout=30, trust_env=False)
        who = {"handle": handle, "email": f"{handle}@live.example", "password": "live-password"}
        made = self.call("com.atproto.server.createAccount", who)
        self.did: str = made["did"]
        self.http.headers["Authorization"] = f"Bearer {made['accessJwt']}"
        # What the hub is given: it cannot delete the account.
        asked = {"name": "the hub"}
        self.password: str = self.call("com.atproto.server.createAppPassword", asked)["password"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def call(self, method: str, record: dict[str, Any]) -> Any:
        answer = self.http.post(method, json=record)
        return json.loads(answer.raise_for_status().content or b"null")

    def post(self, text: str, **more: Any) -> str:
        made = self.call("com.atproto.repo.createRecord", self._named() | self._post(text, **more))
        uri: str = made["uri"]
        return uri

    def edit(self, uri: str, text: str) -> str:
        record = self._named(uri) | self._post(text)
        cid: str = self.call("com.atproto.repo.putRecord", record)["cid"]
        return cid

    def delete(self, uri: str) -> None:
        self.call("com.atproto.repo.deleteRecord", self._named(uri))

    def _named(self, uri: str | None = None) -> dict[str, Any]:
        name = {"rkey": uri.rpartition("/")[2]} if uri else {}
        return {"repo": self.did, "collection": POST} | name

    def _post(self, text: str, **more: Any) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"record": {"$type": POST, "text": text, "createdAt": now, "langs": ["en"], **more}}
