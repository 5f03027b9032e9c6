"""The simulation's table: calls take their time, and some of them get no answer."""

import random
from collections.abc import Sequence
from typing import Any, Final

import trio

from spider_common.schema import Key
from spider_common.stores.table import Ambiguous, Busy, Change, Page, Row, Table, Unavailable

SHORTEST_S: Final = 0.001
LONGEST_S: Final = 0.02
_FAILS: Final = 0.003  # of calls; a service makes some thousand in an hour


class ShakyTable:
    """A `Table` over another one. It fails as the port says: before a call has its effect, or after."""

    def __init__(self, table: Table, rng: random.Random) -> None:
        self._table, self._rng = table, rng
        self._fails = _FAILS
        self.failed = 0

    def calm(self) -> None:
        """From now on every call is answered."""
        self._fails = 0.0

    async def get(self, key: Key) -> Row | None:
        await self._before(Unavailable)
        return await self._table.get(key)

    async def get_all(self, keys: Sequence[Key]) -> dict[Key, Row]:
        await self._before(Unavailable)
        return await self._table.get_all(keys)

    async def query(self, pk: str, **how: Any) -> Page:
        self._perhaps(Unavailable)  # takes no time: nearly all queries find nothing, all through the hour
        return await self._table.query(pk, **how)

    async def write(self, *changes: Change) -> tuple[Row, ...]:
        await self._before(Busy)
        written = await self._table.write(*changes)
        await self._before(Ambiguous)
        return written

    async def put_all(self, rows: Sequence[Row]) -> None:
        await self._before(Busy)
        await self._table.put_all(rows)
        await self._before(Ambiguous)

    async def _before(self, failure: type[Unavailable | Busy | Ambiguous]) -> None:
        await trio.sleep(self._rng.uniform(SHORTEST_S, LONGEST_S))
        self._perhaps(failure)

    def _perhaps(self, failure: type[Unavailable | Busy | Ambiguous]) -> None:
        if self._rng.random() < self._fails:
            self.failed += 1
            raise failure("the simulation wants it so")
