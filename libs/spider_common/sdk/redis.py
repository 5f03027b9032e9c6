"""redis-py on Trio, without threads: its commands, parser and pipelines unmodified, our wire.

redis-py is written for blocking sockets. Here its connection's socket is a Trio stream whose calls wait
through greenback, so that a cancelled or late call ends at the wire itself, and its connection with it.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

import greenback
import redis
import trio
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.credentials import CredentialProvider
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from spider_common.network import Network
from spider_common.sdk.redis_wire import TrioPool

T = TypeVar("T")

_QUIET_S: Final = 20.0  # a subscription that has heard nothing for so long asks whether the server is there


class Message(NamedTuple):
    """What was published, and where."""

    channel: str
    body: bytes


class RedisClient:
    """A pool of connections to one Redis or Valkey server, speaking RESP3.

        async with RedisClient(network, "cache.internal", 6379) as client:
            await client.call(lambda r: r.set("key", "value", ex=60))
            value = await client.call(lambda r: r.get("key"))

    Args:
        network: opens the streams.
        host: name or address of the server.
        port: its port.
        tls: encrypts and verifies when given.
        credentials: gives user name and password at each connect, so that they may change.
        database: the number of the database.
        size: connections at most, subscriptions included; a call that finds all busy waits its turn.
        deadline_s: of a whole call: waiting for a connection, connecting, sending and receiving.
    """

    def __init__(
        self,
        network: Network,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        credentials: Callable[[], tuple[str, str]] | None = None,
        database: int = 0,
        size: int = 16,
        deadline_s: float = 2.0,
    ) -> None:
        self._deadline_s = deadline_s
        self._pool = TrioPool(
            size,
            network=network,
            tls=tls,
            connect_s=deadline_s,
            host=host,
            port=port,
            db=database,
            protocol=3,
            credential_provider=None if credentials is None else _Rotating(credentials),
            socket_timeout=None,  # the deadline of the whole call holds instead
            retry=Retry(NoBackoff(), 0),  # a command is not known to be harmless twice
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._redis = redis.Redis(connection_pool=self._pool)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):  # closing forcefully waits for nothing
            await greenback.with_portal_run_sync(self._pool.disconnect)

    async def call(self, work: Callable[[redis.Redis], T]) -> T:
        """What `work` returns, given redis-py's client: a command, a pipeline, a script, anything.

        `work` is a plain function; it waits inside, as if the client blocked, while other tasks run.

        Raises:
            trio.TooSlowError: the deadline passed. Whether commands were executed is not known.
            redis.RedisError: the server answered with an error, or the connection was lost.
        """
        with trio.fail_after(self._deadline_s):
            return await greenback.with_portal_run_sync(self._guarded, work)

    @asynccontextmanager
    async def subscription(self, *channels: str) -> AsyncIterator["Subscription"]:
        """Messages published on `channels` from now on, until the block ends.

        Raises:
            trio.TooSlowError: the server did not confirm within the deadline.
            redis.RedisError: the connection was lost, or the server refused.
        """
        pubsub = self._redis.pubsub()
        try:
            with trio.fail_after(self._deadline_s):
                await greenback.with_portal_run_sync(_subscribe, pubsub, channels)
            yield Subscription(pubsub, self._deadline_s)
        finally:
            with trio.CancelScope(shield=True):  # closing forcefully waits for nothing
                await greenback.with_portal_run_sync(pubsub.reset)

    def _guarded(self, work: Callable[[redis.Redis], T]) -> T:
        task = trio.lowlevel.current_task()
        held = self._pool.borrowed_by(task)  # its subscriptions
        try:
            return work(self._redis)
        except BaseException:
            for connection in self._pool.borrowed_by(task):
                if connection not in held:
                    self._pool.forfeit(connection)
            raise


class Subscription:
    """The messages of some channels, as an asynchronous iterator. Cancelling a wait loses none.

    Raises:
        redis.ConnectionError, trio.TooSlowError: the server was lost. What was published meanwhile is
            lost too, so a reader subscribes anew and then fetches the present state.
    """

    def __init__(self, pubsub: PubSub, deadline_s: float) -> None:
        self._pubsub = pubsub
        self._deadline_s = deadline_s

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while True:
            received = await greenback.with_portal_run_sync(self._pubsub.get_message, False, _QUIET_S)
            if received is None:
                with trio.fail_after(self._deadline_s):
                    received = await greenback.with_portal_run_sync(self._ask)
            if received["type"] == "message":
                return Message(received["channel"].decode(), received["data"])

    def _ask(self) -> Any:
        """Whatever comes first after a ping: its answer, or a message."""
        self._pubsub.ping()
        return self._pubsub.handle_message(self._pubsub.parse_response())


class _Rotating(CredentialProvider):
    """Asks for user name and password at each connect."""

    def __init__(self, credentials: Callable[[], tuple[str, str]]) -> None:
        self._credentials = credentials

    def get_credentials(self) -> tuple[str, str]:
        return self._credentials()


def _subscribe(pubsub: PubSub, channels: tuple[str, ...]) -> None:
    pubsub.subscribe(*channels)
    for _ in channels:  # confirmed by the server: what is published from now on will come
        pubsub.handle_message(pubsub.parse_response())
