"""`hub init`: a commented hub.toml and a secret key, never over what is there."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

import os
from pathlib import Path

from hub.cli.terminal import code, complain, say
from hub.errors import ConfigError

_NEXT = (
    ("hub migrate", "make the database"),
    ("hub keys create --name me --role sales", "a key for you, shown once"),
    ("hub serve", "then open the page"),
)
_ENV = """\
# Signs sessions, encrypts tokens. Two, separated by a space, while one is replaced: the new one
# first.
HUB_SECRET_KEY={key}
# Who sends it as a bearer token may read /metrics.
HUB_METRICS_TOKEN={token}
"""


def init() -> None:
    """Write hub.toml with examples, and .env with a secret key.

    What is there already is left alone.
    """
    from hub import registry
    from hub.cli.example import hub_toml
    from hub.settings import ENV_FILE, load_settings

    file = load_settings().config
    connectors = {}
    for name in registry.names():
        try:
            connectors[name] = registry.find(name)
        except ConfigError as error:
            complain(error)  # one that is broken does not keep the others from the file
    if _write(file, hub_toml(connectors), 0o644):
        say(f"wrote {file}: what the hub reads, who hears of it, where it is sent")
    else:
        say(f"left {file} alone: it is there already")
    _secret_key(ENV_FILE)
    say()
    say("Name your sources in it (hub check says what is wrong), then:")
    for command, what in _NEXT:
        code(f"  {command:<40}# {what}")


def _secret_key(file: Path) -> None:
    import secrets

    from hub.settings import environment

    text = _ENV.format(key=secrets.token_urlsafe(48), token=secrets.token_urlsafe(24))
    if _write(file, text, 0o600):
        say(f"wrote {file}: HUB_SECRET_KEY and HUB_METRICS_TOKEN, for your eyes only")
        return
    say(f"left {file} alone: it is there already")
    if not environment().get("HUB_SECRET_KEY"):
        say("It has no HUB_SECRET_KEY, without which the hub does not start. Add one with:")
        code(f'  echo "HUB_SECRET_KEY=$(openssl rand -hex 32)" >> {file}')


def _write(file: Path, text: str, mode: int) -> bool:
    """Write a new file; False where there is one. Raises ConfigError."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as opened:
            opened.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror}", "Go to a folder that you may write to"
        ) from None
    return True
