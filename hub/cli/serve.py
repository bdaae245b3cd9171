"""`hub serve`: the hub itself, until it is told to stop."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs: `hub --help` is quick

from typing import Annotated

import typer

from hub.cli import prepare

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
    from hub.web.app import make_app

    settings = prepare.settings(host=host, port=port)
    set_up_logs(settings.log_level)
    app = make_app(settings, prepare.config(settings))
    with listener(settings.host, settings.port) as socket:
        serve_app(app, socket, verbose=settings.log_level == "DEBUG")
