"""A simulated company: a script of a week, played into the vendors' stand-ins on loopback.

The hub's own connectors read it from there over HTTP. Nothing is put into the hub from behind.
"""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from hub.demo.banner import greet
from hub.demo.folder import Folder, write_secret
from hub.demo.servers import listen
from hub.demo.stage import Stage, staged
from hub.errors import ConfigError
from hub.logs import set_up_logs

try:
    import uvloop
except ImportError:  # it does not exist for every system
    _new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    _new_loop = uvloop.new_event_loop


def run(
    *,
    port: int,
    data: Path | None,
    fast: bool,
    ready_file: Path | None,
    host: str = "127.0.0.1",
) -> None:
    """Run the demo until Ctrl-C or SIGTERM. Raises ConfigError.

    `data`: a folder that is kept, and taken up again by the next run with its keys, its addresses
    and all that has happened; without it all is gone at the end. `fast`: the vendors are polled
    five times a second, and after the week nothing more happens by itself, as tests want it.
    `ready_file`: written once the week is stored, with the addresses and the keys.
    """
    began = time.monotonic()
    set_up_logs("WARNING")
    if ready_file:
        if not ready_file.parent.is_dir():
            raise ConfigError(f"there is no folder {ready_file.parent}", "Create it")
        ready_file.unlink(missing_ok=True)
    with ExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        path = data or Path(stack.enter_context(TemporaryDirectory(prefix="hub-demo-")))
        folder = stack.enter_context(closing(Folder.open(path.resolve())))

        async def perform() -> None:
            async with staged(listener, folder, fast=fast) as stage:
                console = Console(highlight=False)
                greet(
                    console,
                    url=stage.url,
                    receiver=stage.receiver,
                    keys=folder.keys,
                    vendors=stage.addresses,
                    kept=str(folder.path) if data else None,
                )
                await stage.tell_week()
                signals, took = await stage.count(), time.monotonic() - began
                console.print(f"the week is told: {signals} signals, after {took:.1f} s")
                if ready_file:
                    write_secret(ready_file, _ready(stage))
                await (asyncio.Event().wait() if fast else stage.go_on())

        with asyncio.Runner(loop_factory=_new_loop) as runner, suppress(KeyboardInterrupt):
            try:
                runner.run(_until_stopped(perform))
            except BaseExceptionGroup as group:
                raise _cause(group) from None


async def _until_stopped(perform: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Perform until a signal; a second Ctrl-C does not wait for what is under way."""
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    assert main is not None
    stopped = asyncio.Event()

    def stop() -> None:
        if not stopped.is_set():
            stopped.set()
            loop.remove_signal_handler(signal.SIGINT)
            main.cancel()

    with suppress(NotImplementedError):  # where there are no signals, Ctrl-C interrupts the run
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop)
    try:
        await perform()
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Take the error out of the groups that our task groups put around it."""
    first = group.exceptions[0]
    return _cause(first) if isinstance(first, BaseExceptionGroup) else first


def _ready(stage: Stage) -> str:
    facts = {"url": stage.url, "keys": stage.folder.keys, "vendors": stage.addresses}
    return json.dumps({**facts, "receiver": stage.receiver}, indent=2)
