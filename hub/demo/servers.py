"""Real HTTP servers on loopback, guests in the demo's loop: they end when the demo does."""

import socket

from hub.errors import ConfigError
from hub.web import server as web

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def listen(host: str, port: int) -> socket.socket:
    """Bind a port of this machine; 0 takes a free one. Raises ConfigError."""
    if host not in HOSTS:
        raise ConfigError(
            f"the demo lets everybody in, so it is served on this machine only, not on {host}",
            "Leave the host away, or serve a hub of your own: hub init",
        )
    suggestion = f"Choose another: hub demo --port {port + 1 if port else 8123}"
    return web.listen("127.0.0.1" if host == "localhost" else host, port, suggestion)


def listen_near(port: int) -> socket.socket:
    """Bind this port of 127.0.0.1, or a free one where it is taken."""
    try:
        return listen("127.0.0.1", port)
    except ConfigError:
        return listen("127.0.0.1", 0)
