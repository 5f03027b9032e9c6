"""redis-py's connection and pool over Trio streams. `spider_common.sdk.redis` is the way in.

Everything here runs inside a greenback portal: what waits, waits through `greenback.await_`.
"""

import math
import ssl
from typing import Any, Final, Protocol

import greenback
import redis
import trio
from redis.credentials import CredentialProvider

from spider_common.network import Network
from spider_common.secret import Login

_STALE_AFTER_S: Final = 1.0  # a connection idle for longer is looked at before it is used


class LoginSource(Protocol):
    """Where user and password come from. They may change while connections are open."""

    async def get(self) -> Login | None:
        """The login; None: it cannot be read now."""
        ...

    async def renew(self, refused: Login) -> bool:
        """Whether there is another one now, after the server has refused this."""
        ...


class StreamSocket:
    """As much of a blocking socket as redis-py uses, over a Trio stream.

    Without a timeout set it waits for as long as the cancel scope around the call allows.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._timeout: float | None = None

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def sendall(self, data: bytes) -> None:
        try:
            greenback.await_(self._stream.send_all(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionResetError(f"connection lost while sending: {error}") from error

    def recv(self, size: int) -> bytes:
        if self._timeout is None:
            return self._receive(size)
        scope = trio.CancelScope(relative_deadline=self._timeout or math.inf)
        if self._timeout == 0:  # what is here by now: the wait is tried once, on whatever clock
            trio.lowlevel.current_trio_token().run_sync_soon(scope.cancel)
        with scope:
            return self._receive(size)
        raise TimeoutError("timed out")

    def _receive(self, size: int) -> bytes:
        try:
            return bytes(greenback.await_(self._stream.receive_some(size)))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionResetError(f"connection lost while receiving: {error}") from error

    def shutdown(self, how: int) -> None:
        """Nothing to do before `close`."""

    def close(self) -> None:
        """Close at once, also when the caller is being cancelled: nothing is flushed or waited for."""
        greenback.await_(_close(self._stream))


class TrioConnection(redis.Connection):
    """A connection whose bytes go through a `Network`. Connecting and logging in take `connect_s` at most."""

    def __init__(
        self,
        *,
        network: Network,
        tls: ssl.SSLContext | None,
        login: LoginSource | None,
        connect_s: float,
        **options: Any,
    ) -> None:
        self._network = network
        self._tls = tls
        self._login = None if login is None else _Shown(login)
        self._connect_s = connect_s
        self._retired = False
        self.idle_since = 0.0  # Trio's clock
        super().__init__(credential_provider=self._login, **options)

    def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if self.is_connected:
            return
        with trio.fail_after(self._connect_s):  # noqa: ASYNC100 what waits, waits through greenback
            try:
                super().connect_check_health(check_health, retry_socket_connect)
            except redis.AuthenticationError:
                if self._login is None or not self._login.renew():
                    raise
                super().connect_check_health(check_health, retry_socket_connect)

    def retire(self) -> None:
        """Disconnect for good, whoever still holds on to this object."""
        self._retired = True
        self.disconnect()

    def _connect(self) -> StreamSocket:
        if self._retired:
            raise redis.ConnectionError("this connection was given up")
        try:
            stream = greenback.await_(self._network.connect(self.host, self.port, tls=self._tls))
        except trio.BrokenResourceError as error:
            raise OSError(f"TLS handshake failed: {error.__cause__ or error}") from error
        return StreamSocket(stream)


class TrioPool(redis.ConnectionPool):
    """At most `size` connections; who finds all of them busy waits its turn.

    A connection that broke in a call has been disconnected by redis-py: it comes back empty, and its
    next user connects it anew.
    """

    def __init__(self, size: int, **options: Any) -> None:
        self._slots = trio.Semaphore(size)
        self._borrowed: dict[TrioConnection, trio.lowlevel.Task] = {}
        super().__init__(TrioConnection, max_connections=size, **options)

    def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> Any:  # noqa: ARG002 as redis-py calls it
        try:
            self._slots.acquire_nowait()
        except trio.WouldBlock:
            greenback.await_(self._slots.acquire())
        idle: list[Any] = self._available_connections
        connection: Any = idle.pop() if idle else self.make_connection()
        self._in_use_connections.add(connection)
        self._borrowed[connection] = trio.lowlevel.current_task()
        try:
            if connection.is_connected and trio.current_time() - connection.idle_since > _STALE_AFTER_S:
                _drop_if_stale(connection)
            connection.connect()
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Any) -> None:
        if self._borrowed.pop(connection, None) is None:
            return
        if connection.should_reconnect():
            connection.disconnect()
        connection.idle_since = trio.current_time()
        self._in_use_connections.discard(connection)
        self._available_connections.append(connection)
        self._slots.release()

    def borrowed_by(self, task: trio.lowlevel.Task) -> list[TrioConnection]:
        """What a task has borrowed and not given back."""
        return [connection for connection, borrower in self._borrowed.items() if borrower is task]

    def forfeit(self, connection: TrioConnection) -> None:
        """Take a connection from a borrower that was cut short before it could give it back."""
        del self._borrowed[connection]
        self._in_use_connections.discard(connection)
        self._created_connections -= 1  # another is made in its place
        self._slots.release()
        connection.retire()

    def reconnect(self) -> None:
        """Has every connection made anew: idle ones at their next use, others once they are given back."""
        self.update_active_connections_for_reconnect()
        self.disconnect(inuse_connections=False)

    @property
    def free(self) -> int:
        """How many connections could be borrowed without waiting."""
        return self._slots.value


class _Shown(CredentialProvider):
    """A login as redis-py asks for it, at each connect. It knows which one it has shown last."""

    def __init__(self, source: LoginSource) -> None:
        self._source = source
        self._shown: Login | None = None

    def get_credentials(self) -> tuple[str, str]:
        self._shown = greenback.await_(self._source.get())
        if self._shown is None:
            raise redis.ConnectionError("the user's password cannot be read")
        return self._shown.user, self._shown.password.reveal()

    def renew(self) -> bool:
        return self._shown is not None and bool(greenback.await_(self._source.renew(self._shown)))


def _drop_if_stale(connection: TrioConnection) -> None:
    """Disconnect when the server has closed, or sent what nobody asked for."""
    try:
        if connection.can_read(timeout=0):
            connection.disconnect()
    except redis.ConnectionError:
        connection.disconnect()


async def _close(stream: trio.abc.Stream) -> None:
    with trio.CancelScope(shield=True):
        await trio.aclose_forcefully(stream)
