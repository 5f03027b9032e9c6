"""Pooled HTTP/1.1 connections on Trio streams: one request in, one whole answer out.

`sdk/http.py` puts httpx on it, `sdk/aws.py` boto3.
"""

import ssl
from collections import deque
from types import TracebackType
from typing import NamedTuple, Self

import httpx
import trio

from spider_common.network import Network
from spider_common.sdk._connection import (
    Connection,
    Limits,
    Origin,
    Request,
    Step,
    Timeouts,
    Watch,
    may_resend,
)
from spider_common.sdk._wire import Response, ResponseTooLarge

__all__ = [
    "Limits",
    "Origin",
    "Pool",
    "PoolStatistics",
    "Request",
    "Response",
    "ResponseTooLarge",
    "Timeouts",
]


class PoolStatistics(NamedTuple):
    """A moment of the pool: connections open, of these idle, and requests waiting for one."""

    open: int
    idle: int
    waiting: int


class _Ticket:
    """A request that waits for a connection."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.connection: Connection | None = None  # what it was given


class _Host:
    """The connections of one origin."""

    def __init__(self) -> None:
        self.open = 0  # idle, lent or being opened
        self.idle: deque[Connection] = deque()  # the one used last is right-most
        self.waiting: dict[trio.lowlevel.Task, _Ticket] = {}  # oldest first


class Pool:
    """HTTP/1.1 connections, bounded per origin and in all; idle ones are used again, the last one first.

    Requests wait for a connection in the order of their coming. `async with` closes the idle
    connections at its end; those in use close when their request ends.
    """

    def __init__(
        self, *, network: Network, tls: ssl.SSLContext | None = None, limits: Limits | None = None
    ) -> None:
        self._network = network
        self._tls = tls
        self._limits = Limits() if limits is None else limits
        self._hosts: dict[Origin, _Host] = {}
        self._open = 0
        self._tickets = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the idle connections; no request is taken from here on."""
        self._closed = True
        idle = [connection for host in self._hosts.values() for connection in host.idle]
        for host in self._hosts.values():
            host.idle.clear()
        for connection in idle:
            await self._drop(connection)
        await trio.lowlevel.checkpoint()

    def statistics(self) -> PoolStatistics:
        """How full the pool is."""
        hosts = self._hosts.values()
        return PoolStatistics(
            self._open, sum(len(host.idle) for host in hosts), sum(len(host.waiting) for host in hosts)
        )

    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> Response:
        """Sends one request and reads its whole answer.

        A request whose end is anything but a whole answer (an error, a timeout, a cancellation)
        closes its connection: no later request can read an answer that is not its own.

        **Sent twice?** A kept-alive connection may have been closed by the peer just before a request
        goes out. Such a request, on a *used* connection and without one byte of an answer, is sent once
        more on a new connection, when that cannot make it happen twice:

        - the connection refused it: writing failed, so at least its last byte never left, and no peer
          holds a complete request to act on (RFC 9112 8); or
        - it is idempotent: GET, HEAD, OPTIONS, PUT, DELETE, or marked so by its sender.

        Anything else, above all a POST that places an order, fails here. Its outcome is unknown, and
        only who knows what the request means may find out and send it again. The cost of that is kept
        small: an idle connection whose end is already visible is never used.

        Raises:
            httpx.TimeoutException: PoolTimeout, ConnectTimeout, WriteTimeout or ReadTimeout, by the step.
            httpx.ConnectError: nobody answers there, or TLS failed (a certificate that does not verify).
            httpx.WriteError, httpx.ReadError: the connection broke.
            httpx.RemoteProtocolError: the answer is cut off or not HTTP; `ResponseTooLarge`: over a limit.
        """
        watch = Watch(timeouts)
        with watch.scope:
            return await self._send(origin, request, timeouts, watch)
        raise watch.error()

    async def _send(self, origin: Origin, request: Request, timeouts: Timeouts, watch: Watch) -> Response:
        await self._drop_expired()
        connection = await self._take(origin, watch, timeouts)
        try:
            if connection.alive():
                try:
                    return await connection.exchange(request, watch, timeouts)
                except (httpx.NetworkError, httpx.RemoteProtocolError):
                    if not may_resend(connection.progress, request):
                        raise
            watch.enter(Step.CONNECT, timeouts.connect)
            await connection.open(self._network, self._tls_for(origin))
            return await connection.exchange(request, watch, timeouts)
        finally:
            if connection.reusable() and not self._closed:
                self._keep(connection)
            else:
                await self._drop(connection)

    def _tls_for(self, origin: Origin) -> ssl.SSLContext | None:
        if origin.scheme != "https":
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def _take(self, origin: Origin, watch: Watch, timeouts: Timeouts) -> Connection:
        if self._closed:
            raise RuntimeError("the connection pool is closed; send before its `async with` ends")
        host = self._hosts.get(origin)
        if host is None:
            host = self._hosts[origin] = _Host()
        # Nobody is overtaken: while a request waits that this one competes with, nothing can be claimed.
        connection = self._claim(origin, host)
        if connection is None:
            watch.enter(Step.POOL, timeouts.pool)
            connection = await self._wait(origin, host)
        return connection

    def _claim(self, origin: Origin, host: _Host) -> Connection | None:
        if host.idle:
            return host.idle.pop()
        if host.open >= self._limits.per_host:
            return None
        if self._open < self._limits.total:
            self._open += 1
            host.open += 1
            return Connection(origin, self._limits)
        # All places are taken: the one idle for longest, at another origin, changes over.
        others = [other for other in self._hosts.values() if other.idle]
        if not others:
            return None
        other = min(others, key=lambda other: other.idle[0].idle_until)
        connection = other.idle.popleft()
        other.open -= 1
        self._forget_if_empty(connection.origin)
        host.open += 1
        connection.move(origin)
        return connection

    async def _wait(self, origin: Origin, host: _Host) -> Connection:
        task = trio.lowlevel.current_task()
        self._tickets += 1
        ticket = host.waiting[task] = _Ticket(self._tickets)

        def abort(_: object) -> trio.lowlevel.Abort:
            del host.waiting[task]
            self._forget_if_empty(origin)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        assert ticket.connection is not None
        return ticket.connection

    def _serve(self) -> None:
        """Gives the place that has just become free to the longest waiting request that can have it."""
        waiting = [
            (next(iter(host.waiting.values())).number, origin, host)
            for origin, host in self._hosts.items()
            if host.waiting
        ]
        for _, origin, host in sorted(waiting, key=lambda entry: entry[0]):
            connection = self._claim(origin, host)
            if connection is not None:
                task, ticket = next(iter(host.waiting.items()))
                del host.waiting[task]
                ticket.connection = connection
                trio.lowlevel.reschedule(task)
                return

    def _keep(self, connection: Connection) -> None:
        connection.idle_until = trio.current_time() + self._limits.keep_alive
        self._hosts[connection.origin].idle.append(connection)
        self._serve()

    async def _drop(self, connection: Connection) -> None:
        await connection.close()
        self._open -= 1
        self._hosts[connection.origin].open -= 1
        self._forget_if_empty(connection.origin)
        self._serve()

    async def _drop_expired(self) -> None:
        now = trio.current_time()
        expired: list[Connection] = []
        for host in self._hosts.values():
            while host.idle and host.idle[0].idle_until <= now:
                expired.append(host.idle.popleft())
        for connection in expired:
            await self._drop(connection)

    def _forget_if_empty(self, origin: Origin) -> None:
        host = self._hosts[origin]
        if not host.open and not host.waiting:
            del self._hosts[origin]
