"""Whether Redis lets somebody in: AUTH and PING over TLS, without a client library."""

import socket
import ssl
from typing import Final

PATIENCE_S: Final = 5.0
"""For each wait at the wire."""


def is_let_in(host: str, port: int, tls: ssl.SSLContext, user: str, password: str) -> bool:
    """Whether every node that a name leads to lets a user in: in a cluster each learns of a password alone.

    Raises:
        OSError: a node is not there, or not who it says it is.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return all(_lets_in(address, host, tls, user, password) for *_, address in found)


def _lets_in(
    address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
    host: str,
    tls: ssl.SSLContext,
    user: str,
    password: str,
) -> bool:
    with (
        socket.create_connection((str(address[0]), int(address[1])), timeout=PATIENCE_S) as plain,
        tls.wrap_socket(plain, server_hostname=host) as stream,
        stream.makefile("rb") as answers,
    ):
        stream.sendall(_command("AUTH", user, password) + _command("PING"))
        return [answers.readline().rstrip() for _ in range(2)] == [b"+OK", b"+PONG"]


def _command(*words: str) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
