"""One blocking connection: made to an address that was checked, and signed in."""

import imaplib
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from hub.connector import Bearer, Imap, SecretStr
from hub.errors import AuthFailed, SourceMisbehaved, SourceUnavailable
from hub.http.words import connect_words
from hub.imap.answers import refusal

CONNECT, ANSWER = 5.0, 30.0  # seconds: to reach the server, and for the next bytes
LARGEST = 16 * 1024 * 1024  # of one literal


class Client(imaplib.IMAP4):
    """imaplib's client over a socket that is connected already."""

    literal: Any  # typeshed has text here; imaplib wants bytes

    def __init__(self, connected: socket.socket, host: str, port: int) -> None:
        self._connected = connected
        super().__init__(host, port)  # reads the greeting

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        del timeout
        return self._connected

    def read(self, size: int) -> bytes:
        if size > LARGEST:  # the server says how much is to be kept in memory
            raise SourceMisbehaved(f"{self.host} sends a literal of {size} bytes")
        return super().read(size)


def connect(
    endpoint: Imap,
    way_in: SecretStr | Bearer,
    addresses: Sequence[str],
    context: ssl.SSLContext,
) -> Client:
    """Connect and sign in. Raises SourceError, or what imaplib and sockets raise."""
    port = port_of(endpoint)
    if endpoint.tls == "none" and any(ip_address(address).is_global for address in addresses):
        raise SourceMisbehaved(
            f"{endpoint.host} has a public address, where no password is sent unencrypted",
            "Set tls to implicit or starttls",
        )
    raw = _reach(endpoint.host, addresses, port)
    try:
        if endpoint.tls == "implicit":
            raw = context.wrap_socket(raw, server_hostname=endpoint.host)
        client = Client(raw, endpoint.host, port)
    except BaseException:
        raw.close()
        raise
    try:
        if endpoint.tls == "starttls":
            _start_tls(client, context)
        _sign_in(client, endpoint, way_in)
    except BaseException:
        client.shutdown()
        raise
    return client


def _start_tls(client: Client, context: ssl.SSLContext) -> None:
    if "STARTTLS" not in client.capabilities:
        raise SourceMisbehaved(f"{client.host} offers no STARTTLS", "Try tls = implicit")
    client.starttls(context)


def port_of(endpoint: Imap) -> int:
    return endpoint.port or (993 if endpoint.tls == "implicit" else 143)


def _reach(host: str, addresses: Sequence[str], port: int) -> socket.socket:
    words = "has no address"
    for address in addresses:
        try:
            # An address that swallows packets may not eat the time of the next one.
            raw = socket.create_connection((address, port), CONNECT / len(addresses))
        except TimeoutError:
            words = f"could not be reached within {CONNECT:g} s"
        except OSError as error:
            words = connect_words(error)
        else:
            raw.settimeout(ANSWER)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return raw
    raise SourceUnavailable(f"{host} {words}")


def _sign_in(client: Client, endpoint: Imap, way_in: SecretStr | Bearer) -> None:
    offered = set(client.capabilities)
    user = endpoint.user
    try:
        if isinstance(way_in, Bearer):
            # https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
            token = f"user={user}\1auth=Bearer {way_in.token.get_secret_value()}\1\1".encode()
            answers = iter((token, b""))  # a refusal is told first, and wants an empty answer
            client.authenticate("XOAUTH2", lambda _: next(answers, b""))
        elif "AUTH=PLAIN" in offered:  # takes a password of any characters
            plain = f"\0{user}\0{way_in.get_secret_value()}".encode()
            client.authenticate("PLAIN", lambda _: plain)
        elif "LOGINDISABLED" in offered:
            raise AuthFailed(
                f"{endpoint.host} takes no password on a connection that is not encrypted",
                "Set tls to implicit or starttls",
            )
        else:
            client.login(user, way_in.get_secret_value())
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        raise refusal(endpoint.host, error.args[0], signing_in=True) from None
    except UnicodeError:
        raise AuthFailed(
            f"{endpoint.host} takes only ASCII in a user's name and password"
        ) from None


def folder_name(name: str) -> str:
    """Write a folder's name as IMAP has it: quoted, in its own variant of UTF-7.

    https://www.rfc-editor.org/rfc/rfc3501#section-5.1.3
    """

    def shifted(run: re.Match[str]) -> str:
        if run[0] == "&":
            return "&-"
        coded = b64encode(run[0].encode("utf-16-be")).decode().rstrip("=")
        return f"&{coded.replace('/', ',')}-"

    return quoted(re.sub(r"&|[^\x20-\x7e]+", shifted, name))


def quoted(text: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'
