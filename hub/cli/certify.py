"""`hub connectors certify`: runs a connector against its twin, with faults, and says how it did."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.terminal import AsJson, as_json, err, is_watched, say, table
from hub.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.testing.certify import Certificate, Level, Row
    from hub.testing.front import Asked


def certify(
    name: Annotated[str, typer.Argument(help="A connector's name, as `list` gives it.")],
    level: Annotated[
        str, typer.Option(help="The level to be reached: bronze, silver, gold or platinum.")
    ] = "gold",
    record: Annotated[
        Path | None, typer.Option(help="Write every request that it made, one JSON line each.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Read a stand-in of the vendor's API with faults, and give the connector a level.

    Needs no configuration and no network. Exits with 1 below the level asked for.
    """
    import asyncio
    import logging

    from hub.testing.certify import certify as run

    wanted = _level(level)
    # What the faults do to servers and connectors is expected, and is in the table.
    logging.disable(logging.CRITICAL)
    asked: list[Asked] = []
    with err().status(f"certifying {name}") as status:

        def told(row: "Row") -> None:
            if is_watched():
                status.update(f"certifying {name}: {row.check}")

        certificate = asyncio.run(run(name, told, asked))
    if record is not None:
        _write(record, asked)
    if json:
        as_json(_found(certificate))
    else:
        _show(certificate, wanted)
    if certificate.level < wanted:
        raise typer.Exit(1)


def _level(name: str) -> "Level":
    from hub.testing.certify import Level

    try:
        return Level[name.upper()]
    except KeyError:
        raise ConfigError(
            f"there is no level {name!r}", "There are: bronze, silver, gold, platinum"
        ) from None


def _show(certificate: "Certificate", wanted: "Level") -> None:
    table(
        ["level", "check", "result", "reason", "s"],
        [
            [row.level.name.lower(), row.check, row.result, row.reason, f"{row.seconds:.2f}"]
            for row in certificate.rows
        ],
        numbers=["s"],
        whole=["level", "result"],
    )
    reached = certificate.level
    say()
    say(f"{certificate.connector}: {reached.name.lower()}", "green" if reached >= wanted else "red")
    if certificate.missing:
        following = type(reached)(reached + 1).name.lower()
        say(f"What misses to {following}: {', '.join(row.check for row in certificate.missing)}")


def _found(certificate: "Certificate") -> dict[str, Any]:
    return {
        "connector": certificate.connector,
        "level": certificate.level.name.lower(),
        "missing": [row.check for row in certificate.missing],
        "checks": [
            {
                "level": row.level.name.lower(),
                "check": row.check,
                "result": row.result,
                "reason": row.reason,
                "seconds": round(row.seconds, 3),
            }
            for row in certificate.rows
        ],
    }


def _write(file: Path, asked: "Sequence[Asked]") -> None:
    import orjson

    with file.open("wb") as lines:
        for one in asked:
            line = {
                "method": one.method,
                "path": one.path,
                "query": one.query,
                "headers": dict(one.headers),
                "body": one.body.decode(errors="replace"),
            }
            lines.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
