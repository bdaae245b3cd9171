"""`hub demo`: a simulated company, read by the real connectors."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from pathlib import Path
from typing import Annotated

import typer


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port.")] = 8000,
    data: Annotated[
        Path | None, typer.Option(help="Keep its keys and history here, and go on with them.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Play the week at once, and nothing after it.")
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="Write addresses and keys here once signals are there.")
    ] = None,
    host: Annotated[str, typer.Option(help="Loopback only: the demo gives its keys away.")] = (
        "127.0.0.1"
    ),
) -> None:
    """Play a simulated company, and serve its hub on this machine."""
    import hub.demo

    hub.demo.run(port=port, data=data, fast=fast, ready_file=ready_file, host=host)
