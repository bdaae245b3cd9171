"""Synapse, the reference Matrix homeserver, and what a person does there."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx2

from tests.live.systems import System, venv

CLIENT = "/_matrix/client/v3"
SERVER_NAME = "live.example"
PASSWORD = "live-password"
REGISTRATION = "live-registration-secret"


class Synapse(System):
    """https://element-hq.github.io/synapse/latest/setup/installation.html."""

    name = "synapse"

    def install(self) -> None:
        self.python = venv(self, "matrix-synapse>=1.150")

    def command(self) -> Sequence[str | Path]:
        config = self.home / "homeserver.yaml"
        config.write_text(json.dumps(self._config(), indent=1))  # JSON is YAML
        serve = (self.python, "-m", "synapse.app.homeserver", "--config-path", config)
        self.run(*serve, "--generate-keys")
        return serve

    def ready(self) -> str:
        return f"{self.url}/health"

    def _config(self) -> dict[str, Any]:
        """https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html."""
        often = {"per_second": 1000, "burst_count": 1000}
        log = self.home / "log.json"
        console = {"class": "logging.StreamHandler"}
        root = {"level": "WARNING", "handlers": ["console"]}
        log.write_text(json.dumps({"version": 1, "handlers": {"console": console}, "root": root}))
        listener = {
            "port": self.port,
            "type": "http",
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["client"]}],
        }
        return {
            "server_name": SERVER_NAME,
            "public_baseurl": f"{self.url}/",
            "listeners": [listener],
            "database": {"name": "sqlite3", "args": {"database": str(self.home / "synapse.db")}},
            "media_store_path": str(self.home / "media"),
            "signing_key_path": str(self.home / "signing.key"),
            "log_config": str(log),
            "pid_file": str(self.home / "synapse.pid"),
            "registration_shared_secret": REGISTRATION,
            "macaroon_secret_key": "live-macaroon-secret",
            "form_secret": "live-form-secret",
            "report_stats": False,
            "trusted_key_servers": [],
            "federation_domain_whitelist": [],
            "presence": {"enabled": False},
            "rc_message": often,
            "rc_login": {"address": often, "account": often},
            "rc_joins": {"local": often},
            "rc_room_creation": often,
            "rc_registration": often,
        }

    def register(self, name: str, displayname: str) -> "Resident":
        """Make an account through the registration API for administrators.

        https://element-hq.github.io/synapse/latest/admin_api/register_api.html
        """
        path = f"{self.url}/_synapse/admin/v1/register"
        nonce = httpx2.get(path, trust_env=False).raise_for_status().json()["nonce"]
        signed = f"{nonce}\0{name}\0{PASSWORD}\0notadmin".encode()
        mac = hmac.new(REGISTRATION.encode(), signed, hashlib.sha1).hexdigest()
        account = {"nonce": nonce, "username": name, "password": PASSWORD, "mac": mac}
        account |= {"displayname": displayname}
        made = httpx2.post(path, json=account, trust_env=False).raise_for_status().json()
        return Resident(self.url, made["user_id"], made["access_token"])


class Resident:
    """One account and its client: what a person does in Element."""

    def __init__(self, url: str, user_id: str, token: str) -> None:
        self.user_id = user_id
        self.token = token
        self.http = httpx2.Client(
            base_url=f"{url}{CLIENT}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def open_room(self, name: str, *, public: bool, **more: Any) -> str:
        preset = "public_chat" if public else "private_chat"
        answer = self.http.post("/createRoom", json={"name": name, "preset": preset, **more})
        room: str = answer.raise_for_status().json()["room_id"]
        return room

    def invite(self, room: str, guest: "Resident") -> None:
        self.http.post(f"/rooms/{quote(room)}/invite", json={"user_id": guest.user_id})
        guest.http.post(f"/join/{quote(room)}", json={}).raise_for_status()

    def send(self, room: str, body: str, **content: Any) -> str:
        return self._put(room, "send/m.room.message", {"msgtype": "m.text", "body": body} | content)

    def edit(self, room: str, event: str, body: str) -> str:
        new = {"msgtype": "m.text", "body": body}
        relation = {"rel_type": "m.replace", "event_id": event}
        return self.send(room, f"* {body}", **{"m.new_content": new, "m.relates_to": relation})

    def redact(self, room: str, event: str) -> str:
        return self._put(room, f"redact/{quote(event)}", {"reason": "wrong room"})

    def react(self, room: str, event: str, key: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event, "key": key}
        return self._put(room, "send/m.reaction", {"m.relates_to": relation})

    def _put(self, room: str, what: str, content: dict[str, Any]) -> str:
        path = f"/rooms/{quote(room)}/{what}/{uuid.uuid4().hex}"
        event: str = self.http.put(path, json=content).raise_for_status().json()["event_id"]
        return event
