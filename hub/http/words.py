"""Saying in plain words why no answer came. Each text goes on after the name of a host."""

import ssl

import httpcore2


def timeout_words(
    error: httpcore2.TimeoutException, *, over: bool, connect: float, read: float, total: float
) -> str:
    """Name the wait that was too long; `over` tells that the time for everything has run out."""
    if isinstance(error, httpcore2.ConnectTimeout):
        return f"could not be reached within {_seconds(min(connect, total))}"
    if over:
        return f"did not finish within {_seconds(total)}"
    if isinstance(error, httpcore2.WriteTimeout):
        return f"did not take the request within {_seconds(read)}"
    return f"sent nothing for {_seconds(read)}"


def _seconds(value: float) -> str:
    return f"{round(value, 1):g} s"


def connect_words(cause: BaseException | None) -> str:
    while cause is not None:  # anyio wraps the system's error in one of its own
        if isinstance(cause, ConnectionRefusedError):
            return "refuses connections"
        if isinstance(cause, OSError) and cause.strerror:
            return f"cannot be reached ({cause.strerror})"
        cause = cause.__cause__
    return "cannot be reached"


def tls_words(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return f"failed at TLS ({cause.reason.replace('_', ' ').lower()})"
    return "closed the connection during TLS"


def failure_words(error: Exception) -> str:
    match error:
        case httpcore2.ConnectError():
            return str(error) or "cannot be reached"
        case httpcore2.ProxyError():
            return f"cannot be reached through the proxy ({error})"
        case httpcore2.LocalProtocolError():
            # Its text quotes the header, which may be the token.
            return "cannot be asked: the headers given for it are not valid in HTTP"
        case httpcore2.RemoteProtocolError():
            return _protocol_words(str(error))
        case _:
            return "broke off the connection"


def _protocol_words(said: str) -> str:
    if "without sending a response" in said:
        return "closed the connection without an answer"
    if "incomplete" in said or "without sending complete" in said:
        return "broke off in the middle of its answer"
    return "does not answer in HTTP"
