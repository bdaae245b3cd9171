"""Saying in plain words why no answer came. Each text goes on after the name of a host."""

import ssl

import httpcore2


def timeout_words(error: httpcore2.TimeoutException, connect: float, read: float) -> str:
    if isinstance(error, httpcore2.ConnectTimeout):
        return f"could not be reached within {connect:g} s"
    if isinstance(error, httpcore2.WriteTimeout):
        return f"did not take the request within {read:g} s"
    return f"sent nothing for {read:g} s"


def connect_words(cause: BaseException | None) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return "refuses connections"
    if isinstance(cause, OSError) and cause.strerror:
        return f"cannot be reached ({cause.strerror})"
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
            return "cannot be asked: a header holds characters that HTTP forbids"
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
