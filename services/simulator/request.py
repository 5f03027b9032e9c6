"""An HTTP request and its answer, apart from any wire. Pure."""

from collections.abc import Awaitable, Callable

import msgspec


class Request(msgspec.Struct, frozen=True):
    """A request. `target` is the path and query as sent; header names are lower-case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


class Response(msgspec.Struct, frozen=True):
    """An answer."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Handle = Callable[[Request], Awaitable[Response | None]]
"""Answers a request; None closes the connection without an answer."""
