"""Which node of a cluster has which key. PURE.

A cluster has 16,384 slots; a key's is the CRC16 of what stands between its first braces, or of all of it.
Source: the Redis cluster specification.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot


class Address(NamedTuple):
    """Where a node listens."""

    host: str
    port: int


def slot_of(key: str) -> int:
    """The slot of a key, 0 to 16,383."""
    return key_slot(key.encode())


class SlotMap:
    """The owner of each slot, where one is known; `owners` is changed by what redirections say."""

    def __init__(self, ranges: Iterable[tuple[int, int, Address]]) -> None:
        self.owners: list[Address | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, owner in ranges:
            self.owners[first : last + 1] = [owner] * (last + 1 - first)

    @classmethod
    def told(cls, reply: Sequence[Any], teller: Address) -> Self:
        """From what CLUSTER SLOTS answers: ``[first, last, [host, port, id, ...], replicas...]`` each.

        A node that does not know its own name leaves the host empty: it is where it was asked.

        Raises:
            ValueError: it is no such answer.
        """
        try:
            return cls(
                (int(first), int(last), Address(_text(host) or teller.host, int(port)))
                for first, last, (host, port, *_), *_ in reply
            )
        except TypeError as error:
            raise ValueError(f"not an answer to CLUSTER SLOTS: {error}") from error

    @property
    def nodes(self) -> list[Address]:
        """All owners, in a fixed order."""
        return sorted({owner for owner in self.owners if owner is not None})


def _text(host: Any) -> str:
    text = host.decode() if isinstance(host, bytes) else host or ""
    return "" if text == "?" else text
