"""Laws of documents: read together, changed, written together or not at all."""

import pytest
from trio.testing import MockClock

from spider_common import schema
from spider_common.clock import TrioClock
from spider_common.schema import Key
from spider_common.stores.documents import Documents, Entry
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.table import Conflict
from tests.scripted import TroubledTable

ONE, OTHER = Key("p", "one"), Key("p", "other")


def table() -> TroubledTable:
    return TroubledTable(MemoryTable(schema.TRADING, TrioClock(0)), [])


async def put(table: TroubledTable, **values: int) -> None:
    """Replaces some documents, whatever they are."""
    documents = Documents(table)
    keys = {Key("p", name): value for name, value in values.items()}
    await documents.read(keys)
    for key, value in keys.items():
        documents.put(Entry(key=key, value=value))
    await documents.write()


async def test_what_was_put_is_given_back_and_written(autojump_clock: MockClock) -> None:
    """Law: a document is as it was read until it is put, then as put; the table has it once written."""
    store = table()
    await put(store, one=1)
    documents = Documents(store)
    await documents.read([ONE, OTHER])
    assert (documents.get(ONE, int), documents.get(OTHER, int)) == (1, None)
    documents.put(Entry(key=OTHER, value=7))
    assert documents.get(OTHER, int) == 7
    await documents.write()
    again = Documents(store)
    await again.read([OTHER])
    assert again.get(OTHER, int) == 7


async def test_each_is_read_once(autojump_clock: MockClock) -> None:
    """Law: reading again asks only for what is not there yet, in one call; writing nothing asks nothing."""
    store = table()
    documents = Documents(store)
    await documents.read([ONE, ONE])
    await documents.read([ONE, OTHER])
    await documents.read([OTHER])
    await documents.write()
    assert store.calls == 2


async def test_what_was_read_must_not_have_moved(autojump_clock: MockClock) -> None:
    """Law: if one of those put has moved since it was read, or come to be, nothing is written."""
    store = table()
    await put(store, one=1)
    for moved in (ONE, OTHER):
        documents = Documents(store)
        await documents.read([ONE, OTHER])
        await put(store, **{moved.sk: 5})
        for key in (ONE, OTHER):
            documents.put(Entry(key=key, value=9))
        with pytest.raises(Conflict) as caught:
            await documents.write()
        assert caught.value.keys == (moved,)
