"""The demo's folder: its database, its keys, and all that has happened at its vendors.

A twin lives in memory. So that a demo can go on another day, everything that happens at one is
written down and happens to it again, at the same times, when the demo starts.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Self

from hub.errors import ConfigError
from hub.roles import default_roles
from hub.signals import now
from hub.signing import new_secret
from hub.store.keys import new_key

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened at a vendor. `scripted`: a line of the week, which is not played again."""

    vendor: str
    record: Mapping[str, Any]
    scripted: bool = False


@dataclass(slots=True)
class Folder:
    path: Path
    started_at: datetime
    """When the demo began: where its week ends."""
    keys: dict[str, str]
    """An API key for each role, and one for `admin`."""
    session_secret: str
    webhook_secret: str
    ports: dict[str, int]
    """Where the vendors were served: addresses that somebody has noted stay true."""
    _journal: TextIOWrapper | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Make the folder of a new demo, or take up an old one. Raises ConfigError."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not (path / "demo.json").exists():
                if any(path.iterdir()):
                    raise ConfigError(
                        f"{path} holds something else than a demo", "Name a new folder"
                    )
                return cls._new(path)
            facts = json.loads((path / "demo.json").read_text())
            keys = json.loads((path / "keys.json").read_text())
            return cls(path, datetime.fromisoformat(facts.pop("started_at")), keys, **facts)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}", "Name another folder") from None
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"{path} is no demo that this version can take up: {error!r}", "Name a new folder"
            ) from None

    @classmethod
    def _new(cls, path: Path) -> Self:
        keys = {role: new_key() for role in (*default_roles(), ADMIN)}
        write_secret(path / "keys.json", json.dumps(keys, indent=2))
        folder = cls(path, now(), keys, secrets.token_urlsafe(48), new_secret(), {})
        folder.save()
        return folder

    def save(self) -> None:
        facts = {
            "started_at": self.started_at.isoformat(),
            "session_secret": self.session_secret,
            "webhook_secret": self.webhook_secret,
            "ports": self.ports,
        }
        write_secret(self.path / "demo.json", json.dumps(facts, indent=2))

    @property
    def database(self) -> str:
        return f"sqlite:///{self.path / 'hub.db'}"

    @property
    def journal(self) -> Path:
        return self.path / "happened.jsonl"

    def note(self, happening: Happening) -> None:
        if self._journal is None:
            self._journal = self.journal.open("a")
        line = {"vendor": happening.vendor, "record": happening.record}
        self._journal.write(json.dumps(line | {"scripted": happening.scripted}) + "\n")
        self._journal.flush()

    def happened(self) -> Iterator[Happening]:
        """Read what has happened so far, in its order. Raises ConfigError."""
        if not self.journal.exists():
            return
        for number, line in enumerate(self.journal.read_text().splitlines(), 1):
            try:
                yield Happening(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise ConfigError(
                    f"{self.journal}, line {number}: {error}", "Remove that line"
                ) from None

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, as a whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    part.touch(0o600)
    part.write_text(text + "\n")
    part.replace(path)
