"""What accounts hold, where it differs from what was planned, and who looks: the reconciler's rows.

They stand in the Trading table beside the journal. Failures are those of `spider_common.stores.table`.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from spider_common import schema
from spider_common.domain.drift import Drift, DriftKey
from spider_common.domain.held import AccountPositions
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.positions import Book
from spider_common.schema import Key
from spider_common.stores.documents import Entry, Stored, read
from spider_common.stores.table import MAX_WRITE_CHANGES, Ambiguous, Change, Conflict, Delete, Put, Row, Table

T = TypeVar("T")

_BOOK: Final = "book#"


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who reconciles a product until when, Unix ns."""

    owner: str
    until: int


class Adjusted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`since` (Unix ns) of the joining or leaving that was acted on."""

    since: int


class PositionStore:
    """See the module."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def positions(self, venue: Venue, account: AccountId) -> Stored[AccountPositions]:
        """What is known of an account's positions; version 0 if nothing is."""
        found = await self._get(schema.held_key(venue, account), AccountPositions)
        return found or Stored(AccountPositions(), 0)

    async def all_positions(self, venue: Venue) -> dict[AccountId, AccountPositions]:
        """What is known of every account of a venue of which anything is."""
        rows = await self._all(schema.held_partition(venue), "")
        return {AccountId(row.sk): read(row, AccountPositions).value for row in rows}

    async def books(self, product: ProductId, shard: int) -> dict[str, Book]:
        """A shard's books by the leader's symbol."""
        rows = await self._all(schema.shard_partition(product, shard), _BOOK)
        return {row.sk.removeprefix(_BOOK): read(row, Book).value for row in rows}

    async def drifts(
        self, product: ProductId, client: ClientId | None = None
    ) -> dict[DriftKey, Stored[Drift]]:
        """What of a product, or of one client of it, is not where it should be."""
        begins = "" if client is None else schema.drift_prefix(client)
        rows = await self._all(schema.drift_partition(product), begins)
        found = [read(row, Drift) for row in rows]
        return {each.value.key: each for each in found}

    async def save_drifts(self, drifts: Iterable[Stored[Drift]]) -> set[DriftKey]:
        """Replaces them, many at a time; gives those that it has. Of the others somebody else was quicker."""
        return await self._change(
            [
                (drift.value.key, Put(Entry(key=_place(drift), value=drift.value).row(drift.version)))
                for drift in drifts
            ]
        )

    async def drop_drifts(self, drifts: Iterable[Stored[Drift]]) -> set[DriftKey]:
        """Removes those that are gone, in the same way."""
        return await self._change(
            [(drift.value.key, Delete(_place(drift), drift.version)) for drift in drifts]
        )

    async def _change(self, changes: Sequence[tuple[DriftKey, Change]]) -> set[DriftKey]:
        done: set[DriftKey] = set()
        for start in range(0, len(changes), MAX_WRITE_CHANGES):
            left = list(changes[start : start + MAX_WRITE_CHANGES])
            while left:
                try:
                    await self._table.write(*(change for _, change in left))
                except Conflict as conflict:
                    moved = set(conflict.keys)
                    left = [each for each in left if each[1].key not in moved]
                else:
                    done.update(key for key, _ in left)
                    break
        return done

    async def take_turn(self, owner: str, now: int, until: int) -> bool:
        """Whether it is `owner`'s turn to reconcile; then nobody else's before `until` (both Unix ns).

        Who thinks so wrongly does no harm: what he writes is refused, what he asks for is one event.
        """
        key = schema.reconciling_key()
        stored = await self._get(key, Turn)
        if stored is not None and stored.value.owner != owner and stored.value.until > now:
            return False
        turn = Stored(Turn(owner=owner, until=until), stored.version if stored else 0)
        with contextlib.suppress(Conflict, Ambiguous):  # somebody else has it, or nobody knows
            await self._put(key, turn)
            return True
        return False

    async def adjusted(self, product: ProductId, client: ClientId) -> Stored[Adjusted]:
        """Up to when a subscription's joining or leaving was acted on; 0: never."""
        return await self._get(schema.adjusted_key(product, client), Adjusted) or Stored(Adjusted(since=0), 0)

    async def save_adjusted(self, product: ProductId, client: ClientId, adjusted: Stored[Adjusted]) -> None:
        """Replaces it. Raises Conflict: somebody else did meanwhile."""
        await self._put(schema.adjusted_key(product, client), adjusted)

    async def _all(self, partition: str, begins_with: str) -> list[Row]:
        found: list[Row] = []
        after: str | None = None
        while True:
            page = await self._table.query(partition, begins_with=begins_with, after=after)
            found.extend(page.rows)
            if (after := page.next) is None:
                return found

    async def _get(self, key: Key, kind: type[T]) -> Stored[T] | None:
        row = await self._table.get(key)
        return None if row is None else read(row, kind)

    async def _put(self, key: Key, stored: Stored[Any]) -> None:
        await self._table.write(Put(Entry(key=key, value=stored.value).row(stored.version)))


def _place(drift: Stored[Drift]) -> Key:
    return schema.drift_key(*drift.value.key)


def held_entry(venue: Venue, account: AccountId, positions: AccountPositions) -> Entry[AccountPositions]:
    """What is known of an account's positions."""
    return Entry(key=schema.held_key(venue, account), value=positions)
