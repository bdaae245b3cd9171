"""`hub serve` and `hub worker`: the processes of the hub, until they are told to stop."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from typing import Annotated

import typer

from hub.cli import prepare
from hub.errors import ConfigError

WORKER_PORT = 8001

Host = Annotated[
    str | None, typer.Option(help="The address to listen at; else HUB_HOST, or 127.0.0.1.")
]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="The port; else HUB_PORT, or 8000. 0: any.")
]


def serve(host: Host = None, port: Port = None) -> None:
    """Run the hub: poll, deliver, serve GraphQL and the dashboard."""
    from hub.cli.server import listener, serve_app
    from hub.logs import set_up_logs
    from hub.settings import telemetry
    from hub.traces import sending
    from hub.web.app import make_app

    settings = prepare.settings(host=host, port=port)
    set_up_logs(settings.log_level, settings.log_format)
    app = make_app(settings)
    with listener(settings.host, settings.port) as socket, sending(telemetry()):
        serve_app(app, socket, settings)


def worker(
    host: Host = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port of the probes. 0: any.")
    ] = WORKER_PORT,
) -> None:
    """Poll and deliver beside other processes: needs HUB_REDIS. Serves probes and /metrics."""
    from hub.cli.server import listener, serve_app
    from hub.logs import set_up_logs
    from hub.settings import telemetry
    from hub.traces import sending
    from hub.web.app import make_app

    settings = prepare.settings(host=host, port=port)
    set_up_logs(settings.log_level, settings.log_format)
    if settings.redis is None:
        raise ConfigError(
            "a worker is for many processes, and HUB_REDIS is not set",
            "Set HUB_REDIS, also for `hub serve`; without it `hub serve` polls and delivers itself",
        )
    app = make_app(settings, worker=True)
    with listener(settings.host, settings.port) as socket, sending(telemetry()):
        serve_app(app, socket, settings, name="A worker")
