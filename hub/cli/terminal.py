"""What the commands write: tables that fit, plain lines for pipes, JSON for programs, errors."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

import re
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from hub.errors import ConfigError, HubError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
Cell: TypeAlias = object

NOTHING = "-"
_STYLES = {
    "ok": "green", "sent": "green", "delivered": "green",
    "failing": "red", "auth_failed": "bold red", "dead": "bold red", "revoked": "red",
    "waiting": "yellow", "pending": "yellow", "paused": "yellow", "expired": "yellow",
    "removed": "dim", "withdrawn": "dim", "history": "dim", "not_permitted": "dim",
    "below_threshold": "dim",
}  # fmt: skip
# Titles and error texts come from elsewhere: they may not move the cursor, colour or reorder.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


@cache
def out() -> "Console":
    from rich.console import Console

    return Console(highlight=False, emoji=False)


@cache
def err() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def plain(text: object) -> str:
    """Put a foreign text on one line, without anything that a terminal would obey."""
    return _UNSEEN.sub(" ", str(text))


def styled(text: object, style: str = "") -> "Text":
    from rich.text import Text

    return Text(plain(text), style)


def say(text: object = "", style: str = "") -> None:
    """Write a line to standard output; a terminal gets it wrapped between words."""
    out().print(styled(text, style), soft_wrap=not out().is_terminal)


def code(text: str) -> None:
    """Write a line that people will copy."""
    out().print(styled(text), soft_wrap=True)


def heading(text: str) -> None:
    say()
    say(text, "bold")


def note(text: str) -> None:
    """Tell a person something beside the output, on standard error."""
    err().print(styled(text), soft_wrap=not err().is_terminal)


def as_json(value: Any) -> None:
    """Write JSON, and nothing else, to standard output."""
    import orjson

    written = orjson.dumps(value, default=_known, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)
    typer.echo(written.decode())


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    numbers: Collection[str] = (),
    whole: Collection[str] = (),
    indent: int = 0,
) -> None:
    """Write a table that fits the terminal; elsewhere lines that are as long as they are.

    `whole`: columns that are never folded.
    """
    if not out().is_terminal:
        _lines(columns, rows, numbers, indent)
        return
    from rich.padding import Padding
    from rich.table import Table

    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column in columns:
        grid.add_column(
            column,
            justify="right" if column in numbers else "left",
            no_wrap=column in whole,
            overflow="fold",
        )
    for row in rows:
        grid.add_row(*(styled(_words(cell), _style(cell)) for cell in row))
    out().print(Padding(grid, (0, 0, 0, indent)))


def _lines(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], numbers: Collection[str], indent: int
) -> None:
    cells = [list(columns), *([_words(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        typer.echo(f"{' ' * indent}{line}".rstrip())


def _words(cell: Cell) -> str:
    if isinstance(cell, StrEnum):
        return cell.replace("_", " ")
    return NOTHING if cell is None or cell == "" else plain(cell).strip()


def _style(cell: Cell) -> str:
    return _STYLES.get(cell, "") if isinstance(cell, StrEnum) else ""


def moment(at: datetime | None) -> str:
    """Write a time in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else NOTHING


def span(of: timedelta) -> str:
    """Write a duration in its largest unit: 12 s, 5 min, 3 h, 40 d."""
    seconds = of.total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 9.5 else f"{max(seconds, 0):.2g} s"


def complain(error: HubError) -> None:
    """Write what happened and what to do next, a line each."""
    from rich.text import Text

    from hub.hidden import redact

    for head, style, text in (
        ("error: ", "bold red", error.message),
        ("  fix: ", "bold", error.suggestion),
    ):
        if text:
            err().print(Text.assemble((head, style), plain(redact(text))), soft_wrap=True)


def exit_code(error: HubError) -> int:
    """Give 2 for bad usage or configuration, 1 for something that is wrong."""
    return 2 if isinstance(error, ConfigError) else 1


def is_watched() -> bool:
    """Tell whether a person looks at standard error, so that progress is worth showing."""
    return sys.stderr.isatty()


def _known(value: object) -> Any:
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{type(value).__name__} is not written as JSON")
