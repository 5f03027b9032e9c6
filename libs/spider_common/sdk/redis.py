"""redis-py on Trio, without threads: its commands, parser and scripts unmodified, our wire.

redis-py is written for blocking sockets. Here its connection's socket is a Trio stream whose calls wait
through greenback, so that a cancelled or late call ends at the wire itself, and its connection with it.

A cluster is found, not configured: a server that stands alone never answers MOVED. The first time one
does, the map of slots is asked for, and kept by what further redirections say. redis-py's own cluster
client is not used: it sleeps and locks as threads do.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

import greenback
import redis
import trio
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from spider_common.network import Network
from spider_common.sdk.redis_slots import Address, SlotMap, slot_of
from spider_common.sdk.redis_wire import LoginSource, TrioPool

T = TypeVar("T")

_QUIET_S: Final = 20.0  # a subscription that has heard nothing for so long asks whether the server is there
_HOPS: Final = 5  # one moved slot needs one hop, one on the move two; then something is wrong
_PAUSE_S: Final = 0.05  # before asking again what a change of masters is about to make possible
_ASK_S: Final = 0.5  # how long a node may take to tell the map before another one is asked
_DOUBT_S: Final = 1.0  # a map is not asked for more often only because a node was lost


class Message(NamedTuple):
    """What was published, and where."""

    channel: str
    body: bytes


class Node:
    """One server and the connections to it. `run` and `reconnect` are called in a greenback portal."""

    def __init__(self, address: Address, pool: TrioPool) -> None:
        self.address, self.pool = address, pool
        self._redis, self._asking = redis.Redis(connection_pool=pool), _Asking(connection_pool=pool)

    def run(self, work: Callable[[redis.Redis], T], asks: bool = False) -> T:
        """What `work` returns; what it has not given back of the connections is closed.

        Args:
            asks: it is let into a slot that is moving to this node.
        """
        task = trio.lowlevel.current_task()
        held = self.pool.borrowed_by(task)  # its subscriptions
        try:
            return work(self._asking if asks else self._redis)
        except BaseException:
            for connection in self.pool.borrowed_by(task):
                if connection not in held:
                    self.pool.forfeit(connection)
            raise

    def pubsub(self) -> PubSub:
        made: PubSub = self._redis.pubsub()
        return made


class RedisClient:
    """Connections to a Redis or Valkey server, or to a cluster of them, speaking RESP3.

        async with RedisClient(network, "cache.internal", 6379) as client:
            await client.call(lambda r: r.set("name", "value", ex=60), key="name")
            value = await client.call(lambda r: r.get("name"), key="name")

    Args:
        network: opens the streams.
        host: name or address of the server, or one that leads to any node of the cluster.
        port: its port.
        tls: encrypts and verifies when given.
        login: gives user name and password at each connect.
        database: the number of the database.
        size: connections to one node at most, subscriptions included; a call that finds all busy waits.
        deadline_s: of a whole call: waiting for a connection, connecting, sending, receiving, and being
            sent elsewhere.
    """

    def __init__(
        self,
        network: Network,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        login: LoginSource | None = None,
        database: int = 0,
        size: int = 16,
        deadline_s: float = 2.0,
    ) -> None:
        self._deadline_s = deadline_s
        self._pool = partial(
            TrioPool,
            size,
            network=network,
            tls=tls,
            login=login,
            connect_s=deadline_s,
            db=database,
            protocol=3,
            socket_timeout=None,  # the deadline of the whole call holds instead
            retry=Retry(NoBackoff(), 0),  # a command is not known to be harmless twice
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self._nodes: dict[Address, Node] = {}
        self._entry = self._anyone = self._node(Address(host, port))
        self._map: SlotMap | None = None  # of a cluster
        self._is_doubtful = False
        self._learned_at = 0.0  # Trio's clock
        self._learning = trio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):  # closing forcefully waits for nothing
            for node in self._nodes.values():
                await greenback.with_portal_run_sync(node.pool.disconnect)

    async def call(self, work: Callable[[redis.Redis], T], *, key: str | None = None) -> T:
        """What `work` returns, given redis-py's client: a command, a script, a pipeline, anything.

        `work` is a plain function; it waits inside, as if the client blocked, while other tasks run.

        Args:
            work: in a cluster it touches the slot of `key` only, and it is called again where that has
                moved: a pipeline that is no transaction may then have done a part of it before.
            key: tells which node of a cluster is asked; None: any node will do.

        Raises:
            trio.TooSlowError: the deadline passed. Whether commands were executed is not known.
            redis.RedisError: the server answered with an error, or the connection was lost.
        """
        with trio.fail_after(self._deadline_s):
            if self._is_doubtful and trio.current_time() - self._learned_at > _DOUBT_S:
                await self._learn()
            node, asks = self._owner(key), False
            for hops_left in reversed(range(_HOPS)):
                try:
                    return await greenback.with_portal_run_sync(node.run, work, asks)
                except redis.ResponseError as error:
                    if not hops_left:
                        raise
                    node, asks = await self._next(error, node, key)
                except (redis.ConnectionError, trio.TooSlowError, trio.Cancelled):
                    self._doubt(node)
                    raise
        raise AssertionError("the last hop answers or fails")

    @asynccontextmanager
    async def subscription(self, *channels: str) -> AsyncIterator["Subscription"]:
        """Messages published on `channels` from now on, at whichever node, until the block ends.

        Raises:
            trio.TooSlowError: the server did not confirm within the deadline.
            redis.RedisError: the connection was lost, or the server refused.
        """
        node = self._anyone
        pubsub = node.pubsub()
        try:
            try:
                with trio.fail_after(self._deadline_s):
                    await greenback.with_portal_run_sync(_subscribe, pubsub, channels)
                yield Subscription(pubsub, self._deadline_s)
            except (redis.ConnectionError, trio.TooSlowError, trio.Cancelled):
                self._doubt(node)
                raise
        finally:
            with trio.CancelScope(shield=True):  # closing forcefully waits for nothing
                await greenback.with_portal_run_sync(pubsub.reset)

    def _node(self, address: Address) -> Node:
        """One that left the cluster keeps its place here, without connections: few ever do."""
        if address not in self._nodes:
            self._nodes[address] = Node(address, self._pool(host=address.host, port=address.port))
        return self._nodes[address]

    def _owner(self, key: str | None) -> Node:
        if self._map is None or key is None:
            return self._anyone
        owner = self._map.owners[slot_of(key)]
        return self._anyone if owner is None else self._node(owner)

    async def _next(self, error: redis.ResponseError, node: Node, key: str | None) -> tuple[Node, bool]:
        """Where to ask again after an answer that says that nothing was done, and whether by ASKING.

        Raises:
            redis.ResponseError: it was another answer.
        """
        match error:
            case MovedError():  # an AskError too, to redis-py
                owner = self._node(Address(error.host or node.address.host, error.port))
                if self._map is None or self._map.owners[error.slot_id] != owner.address:
                    await self._learn(owner, node)
                if self._map is not None:
                    self._map.owners[error.slot_id] = owner.address
                return owner, False
            case AskError():
                return self._node(Address(error.host or node.address.host, error.port)), True
            case redis.ReadOnlyError():  # its name leads to another master by now, or will
                await greenback.with_portal_run_sync(node.pool.reconnect)
            case ClusterDownError() | TryAgainError():
                self._doubt(node)
            case _:
                raise error
        await trio.sleep(_PAUSE_S)
        return self._owner(key), False

    def _doubt(self, node: Node) -> None:
        """A node of a cluster was lost: the next call asks who does its work now."""
        if self._map is None:
            return
        self._is_doubtful = True
        if node is self._anyone:
            everyone = list(dict.fromkeys((self._entry.address, *self._map.nodes)))
            after = everyone.index(node.address) + 1 if node.address in everyone else 0
            self._anyone = self._node(everyone[after % len(everyone)])

    async def _learn(self, *likely: Node) -> None:
        """Asks for the map, once for all who want it now. When nobody tells it, the old one stays."""
        old = self._map
        async with self._learning:
            if self._map is not old:
                return
            self._learned_at = trio.current_time()  # also when it is in vain, or cut short
            known = [] if old is None else [self._node(address) for address in old.nodes]
            for node in dict.fromkeys((*likely, self._anyone, self._entry, *known)):
                with trio.move_on_after(_ASK_S):
                    try:
                        reply = await greenback.with_portal_run_sync(node.run, _ask_for_slots)
                        self._map = SlotMap.told(reply, node.address)
                    except trio.Cancelled:
                        self._doubt(node)
                        raise
                    except (redis.RedisError, trio.TooSlowError, ValueError):
                        continue
                    self._is_doubtful = False
                    await self._leave()
                    return

    async def _leave(self) -> None:
        """Closes what idles at nodes that have no slots any more."""
        here = {self._entry.address, self._anyone.address, *(self._map.nodes if self._map else ())}
        for address, node in self._nodes.items():
            if address not in here:
                await greenback.with_portal_run_sync(node.pool.reconnect)


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


class _Asking(redis.Redis):
    """Says ASKING before each command, on the same connection: it holds for one."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        with self.pipeline(transaction=False) as pipe:
            pipe.execute_command("ASKING")
            pipe.execute_command(*args, **options)
            return pipe.execute()[1]


def _ask_for_slots(r: redis.Redis) -> Any:
    return r.execute_command("CLUSTER SLOTS")


def _subscribe(pubsub: PubSub, channels: tuple[str, ...]) -> None:
    pubsub.subscribe(*channels)
    for _ in channels:  # confirmed by the server: what is published from now on will come
        pubsub.handle_message(pubsub.parse_response())
