"""Listen keys: who may listen, until when, and who listens already. Pure."""

import random
from typing import Final, Protocol

from services.simulator.accounts import Account
from spider_common.clock import NS_PER_S

LIFE: Final = 60 * 60 * NS_PER_S


class Listener(Protocol):
    """A socket that was opened with a key."""


class ListenKeys:
    """The keys of one venue. Times are Unix ns."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._owners: dict[str, Account] = {}
        self._until: dict[str, int] = {}
        self._listeners: dict[str, list[Listener]] = {}

    def make(self, account: Account, now: int) -> str:
        key = f"{self._rng.getrandbits(256):064x}"
        self._owners[key], self._until[key] = account, now + LIFE
        return key

    def owner(self, key: str, now: int) -> Account | None:
        """Whose key it is; None once it has expired or been deleted."""
        return self._owners.get(key) if self._until.get(key, 0) > now else None

    def extend(self, key: str, now: int) -> None:
        self._until[key] = now + LIFE

    def expire(self, key: str) -> None:
        self._until[key] = 0

    def attach(self, key: str, listener: Listener) -> None:
        self._listeners.setdefault(key, []).append(listener)

    def detach(self, key: str, listener: Listener) -> None:
        self._listeners[key].remove(listener)

    def hears(self, key: str, listener: Listener, seq: int) -> bool:
        """Whether a listener gets an event: of several on one key, each gets a part of them."""
        listeners = self._listeners[key]
        return listeners[seq % len(listeners)] is listener
