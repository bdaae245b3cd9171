"""A hub.toml as people must write it: its secrets stand in .env beside it."""

import re
from pathlib import Path

_SECRET = re.compile(r"""^(token|\w*secret|password) = (["'])([^"'$]+)\2$""", re.MULTILINE)


def write(folder: Path, toml: str) -> None:
    """Write hub.toml with names in place of secrets, and .env with their values."""
    values: list[str] = []

    def named(found: re.Match[str]) -> str:
        values.append(found[3])
        return f'{found[1]} = "${{SECRET_{len(values)}}}"'

    (folder / "hub.toml").write_text(_SECRET.sub(named, toml))
    lines = (f"SECRET_{number}='{value}'\n" for number, value in enumerate(values, 1))
    (folder / ".env").write_text("".join(lines))
