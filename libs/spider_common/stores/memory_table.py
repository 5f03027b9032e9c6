"""`MemoryTable`: the twin of `dynamo_table.DynamoTable`, for the simulation and for tests."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import trio

from spider_common.clock import NS_PER_S, Clock
from spider_common.schema import Key, TableShape
from spider_common.stores.table import (
    Change,
    Conflict,
    Page,
    Put,
    Row,
    check_changes,
    check_keys,
    check_row,
)

_Past = list[tuple[int, Row | None]]  # what an index shows of a row: from when (ns), which state


class MemoryTable:
    """A table in memory.

    An index shows a write `index_lag_ns` later, as DynamoDB's may; a row past its `expires` is dropped
    the first time somebody looks, which is the earliest that DynamoDB may drop it.
    """

    def __init__(self, shape: TableShape, clock: Clock, *, index_lag_ns: int = 0) -> None:
        self._index_names = tuple(index.name for index in shape.indexes)
        self._clock = clock
        self._index_lag_ns = index_lag_ns
        self._partitions: defaultdict[str, dict[str, Row]] = defaultdict(dict)
        self._past: defaultdict[Key, _Past] = defaultdict(list)
        # (index, partition) -> the rows that are, were or soon will be in it
        self._near: defaultdict[tuple[str, str], dict[Key, None]] = defaultdict(dict)

    async def get(self, key: Key) -> Row | None:
        await trio.lowlevel.checkpoint()
        return self._row(key)

    async def get_all(self, keys: Sequence[Key]) -> dict[Key, Row]:
        check_keys(keys)
        await trio.lowlevel.checkpoint()
        found = {key: self._row(key) for key in keys}
        return {key: row for key, row in found.items() if row is not None}

    async def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        begins_with: str = "",
        after: str | None = None,
        up_to: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        await trio.lowlevel.checkpoint()
        found = []
        for sort, row in self._partition(pk) if index is None else self._index_partition(index, pk):
            if not sort.startswith(begins_with):
                continue
            if up_to is not None and sort > up_to:
                continue
            if after is not None and (sort >= after if descending else sort <= after):
                continue
            found.append((sort, row))
        found.sort(key=lambda entry: entry[0], reverse=descending)  # code points sort as their UTF-8 does
        page = found[:limit]
        return Page(tuple(row for _, row in page), page[-1][0] if len(found) > limit else None)

    async def write(self, *changes: Change) -> tuple[Row, ...]:
        check_changes(changes)
        self._check_indexes([change.row for change in changes if isinstance(change, Put)])
        await trio.lowlevel.checkpoint()
        failed = [change.key for change in changes if self._version(change.key) != change.expect]
        if failed:
            raise Conflict(failed)
        stored = []
        for change in changes:
            if isinstance(change, Put):
                stored.append(self._store(change.row))
            else:
                self._drop(change.key)
        return tuple(stored)

    async def put_all(self, rows: Sequence[Row]) -> None:
        check_keys([row.key for row in rows])
        for row in rows:
            check_row(row)
        self._check_indexes(rows)
        await trio.lowlevel.checkpoint()
        for row in rows:
            self._store(row)

    def rows(self) -> list[Row]:
        """All that is stored, by key: for a look from outside, which no table in the cloud offers."""
        found = [row for partition in self._partitions.values() for row in partition.values()]
        return sorted((row for row in found if not self._is_over(row)), key=lambda row: row.key)

    def _row(self, key: Key) -> Row | None:
        row = self._partitions[key.pk].get(key.sk)
        if row is not None and self._is_over(row):
            self._drop(key)
            return None
        return row

    def _is_over(self, row: Row) -> bool:
        return row.expires is not None and row.expires * NS_PER_S <= self._clock.now()

    def _version(self, key: Key) -> int:
        row = self._row(key)
        return 0 if row is None else row.version

    def _drop(self, key: Key) -> None:
        del self._partitions[key.pk][key.sk]
        self._remember(key, None)

    def _store(self, row: Row) -> Row:
        stored = msgspec.structs.replace(row, version=row.version + 1)
        self._partitions[row.pk][row.sk] = stored
        for name, (partition, _) in row.index.items():
            self._near[name, partition][row.key] = None
        self._remember(row.key, stored)
        return stored

    def _remember(self, key: Key, row: Row | None) -> None:
        past, now = self._past[key], self._clock.now()
        while len(past) > 1 and past[1][0] <= now:  # the state before the one that shows is of no use
            past.pop(0)
        past.append((now + self._index_lag_ns, row))

    def _partition(self, pk: str) -> list[tuple[str, Row]]:
        return [(sk, row) for sk, row in self._partitions[pk].items() if not self._is_over(row)]

    def _index_partition(self, index: str, pk: str) -> list[tuple[str, Row]]:
        if index not in self._index_names:
            raise ValueError(f"index {index!r} is not one of {self._index_names}")
        near, now = self._near[index, pk], self._clock.now()
        entries = []
        for key in list(near):
            past = self._past[key]
            shown = [row for since, row in past if since <= now][-1:]
            held = [row for row in shown if row is not None and _stands_in(row, index, pk)]
            entries += [(row.index[index].sk, row) for row in held if not self._is_over(row)]
            if not held and not any(row and _stands_in(row, index, pk) for since, row in past if since > now):
                del near[key]
        return entries

    def _check_indexes(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for name in row.index:
                if name not in self._index_names:
                    raise ValueError(
                        f"row {row.pk} / {row.sk}: index {name!r} is not one of {self._index_names}"
                    )


def _stands_in(row: Row, index: str, pk: str) -> bool:
    return index in row.index and row.index[index].pk == pk
