"""The contract of `Table`, held by DynamoDB (moto's server) and by the twin in memory.

Where moto is not DynamoDB: it ignores ClientRequestToken, so that a repeated transaction is judged by
its conditions alone, and its indexes never lag.
"""

import random
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest
import trio
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spider_common.clock import NS_PER_S, SystemClock, TrioClock
from spider_common.schema import BY_STATE, BY_TIME, TRADING, Index, Key, TableShape
from spider_common.sdk.aws import Aws, CallTimeoutError
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.provision import provision
from spider_common.stores.table import (
    MAX_ROW_BYTES,
    PACK_FROM,
    Ambiguous,
    Busy,
    Conflict,
    Delete,
    Put,
    Row,
    Table,
    TooLarge,
    Unavailable,
    check_changes,
    row_bytes,
)

SHAPE = TableShape("contract", (Index("alpha"), Index("beta")))


@pytest.fixture(params=["dynamo", "memory"])
async def table(request: pytest.FixtureRequest, aws: Aws) -> Table:
    if request.param == "memory":
        return MemoryTable(SHAPE, SystemClock())
    await provision(aws, tables=[SHAPE], queues=[], prefix=f"{request.node.name}-".translate(_PLAIN))
    return DynamoTable(aws, SHAPE, random.Random(7), prefix=f"{request.node.name}-".translate(_PLAIN))


_PLAIN = str.maketrans("[]", "__")


async def _all(table: Table, pk: str, **how: Any) -> list[Row]:
    rows: list[Row] = []
    after = None
    while True:
        page = await table.query(pk, after=after, **how)
        rows += page.rows
        after = page.next
        if after is None:
            return rows


async def test_a_row_comes_back_as_it_was_written(table: Table) -> None:
    """Law: get(write(row)) is the row, one version higher, with its indexes and expiry."""
    row = Row(pk="p", sk="s", doc='{"a":"ß"}', index={"alpha": Key("ip", "is")}, expires=4_000_000_000)
    assert await table.get(row.key) is None
    stored = await table.write(Put(row))
    assert stored == (replace(row, version=1),)
    assert await table.get(row.key) == stored[0]


async def test_versions_guard_each_write(table: Table) -> None:
    """Law: a write over another version than the stored one changes nothing and names the row."""
    (first,) = await table.write(Put(Row(pk="p", sk="s", doc="1")))
    (second,) = await table.write(Put(replace(first, doc="2")))
    assert second.version == 2
    for stale in (first, replace(first, version=0), replace(first, version=3)):
        with pytest.raises(Conflict) as caught:
            await table.write(Put(replace(stale, doc="x")))
        assert caught.value.keys == (first.key,)
    with pytest.raises(Conflict):
        await table.write(Delete(first.key, expect=1))
    assert await table.get(first.key) == second
    assert await table.write(Delete(first.key, expect=2)) == ()
    assert await table.get(first.key) is None
    with pytest.raises(Conflict):
        await table.write(Put(second))


async def test_a_transaction_is_all_or_nothing(table: Table) -> None:
    """Law: when one condition of many fails nothing is written, and exactly the failed keys are named."""
    (held,) = await table.write(Put(Row(pk="p", sk="held", doc="1")))
    changes = [Put(Row(pk=f"p{n}", sk="new", doc="n")) for n in range(3)]
    with pytest.raises(Conflict) as caught:
        await table.write(changes[0], Put(replace(held, version=9)), *changes[1:], Delete(Key("q", "no"), 1))
    assert caught.value.keys == (held.key, Key("q", "no"))
    for change in changes:
        assert await table.get(change.key) is None
    stored = await table.write(*changes, Delete(held.key, expect=1))
    assert [row.version for row in stored] == [1, 1, 1]
    assert await table.get(held.key) is None


async def test_of_two_writers_one_wins(table: Table) -> None:
    """Law: of writers who read the same version exactly one succeeds; the others get Conflict."""
    (base,) = await table.write(Put(Row(pk="p", sk="s", doc="base")))
    won: list[str] = []
    lost: list[str] = []

    async def compete(name: str) -> None:
        other = Put(Row(pk="extra", sk=name, doc="-"))
        try:
            await table.write(Put(replace(base, doc=name)), other)
        except Conflict:
            lost.append(name)
        else:
            won.append(name)

    async with trio.open_nursery() as nursery:
        for n in range(6):
            nursery.start_soon(compete, f"w{n}")
    assert len(won) == 1
    assert len(lost) == 5
    final = await table.get(base.key)
    assert final is not None
    assert (final.doc, final.version) == (won[0], 2)
    assert [row.sk for row in await _all(table, "extra")] == won


async def test_queries_page_in_order_within_their_bounds(table: Table) -> None:
    """Law: pages together give each row of the bounds once, in order, forwards and backwards."""
    names = [f"a{n:02d}" for n in range(7)] + ["b", "a", "ä"]
    await table.put_all([Row(pk="p", sk=name, doc=name) for name in names])
    await table.put_all([Row(pk="other", sk="a00", doc="-")])
    ordered = sorted(names)
    for limit in (1, 2, 3, 100):
        for descending in (False, True):
            want = ordered[::-1] if descending else ordered
            how: dict[str, Any] = {"limit": limit, "descending": descending}
            assert [row.sk for row in await _all(table, "p", **how)] == want
            within = [name for name in want if name.startswith("a")]
            assert [row.sk for row in await _all(table, "p", begins_with="a", **how)] == within
            bounded = [name for name in within if name <= "a04"]
            assert [row.sk for row in await _all(table, "p", begins_with="a", up_to="a04", **how)] == bounded
    page = await table.query("p", after="a03", limit=2)
    assert [row.sk for row in page.rows] == ["a04", "a05"]
    assert (await table.query("p", begins_with="zz")).rows == ()
    assert (await table.query("p", begins_with="b", up_to="a")).rows == ()


async def test_an_index_holds_just_the_rows_that_enter_it(table: Table) -> None:
    """Law: a row is found in an index where it says it stands, and leaves when it says so no more."""
    rows = [Row(pk=f"p{n}", sk="s", doc=f"{n}", index={"alpha": Key("x", f"{9 - n}")}) for n in range(3)]
    stored = await table.write(*(Put(row) for row in rows), Put(Row(pk="plain", sk="s", doc="-")))
    assert [row.doc for row in await _all(table, "x", index="alpha", limit=2)] == ["2", "1", "0"]
    assert await _all(table, "x", index="beta") == []
    await table.write(Put(replace(stored[0], index={"beta": Key("x", "moved")})))
    await table.write(Delete(stored[1].key, expect=1))
    assert await _all(table, "x", index="alpha") == [stored[2]]
    assert [row.key for row in await _all(table, "x", index="beta")] == [stored[0].key]
    with pytest.raises(ValueError, match="gamma"):
        await table.query("x", index="gamma")
    with pytest.raises(ValueError, match="gamma"):
        await table.write(Put(Row(pk="p", sk="s", doc="-", index={"gamma": Key("x", "y")})))


async def test_put_all_stores_any_number(table: Table) -> None:
    """Law: put_all stores every row over whatever is there."""
    await table.write(Put(Row(pk="p", sk="000", doc="old")))
    rows = [Row(pk="p", sk=f"{n:03d}", doc=f"{n}") for n in range(60)]
    await table.put_all(rows)
    assert await _all(table, "p") == [replace(row, version=1) for row in rows]
    with pytest.raises(ValueError, match="named twice"):
        await table.put_all([rows[0], rows[0]])


async def test_get_all_gives_those_that_are_there(table: Table) -> None:
    """Law: get_all gives of any number of keys the rows that there are, as last written."""
    rows = [Row(pk=f"p{n % 7}", sk=f"{n:03d}", doc="x" * 2_000) for n in range(230)]
    await table.put_all(rows)
    (newer,) = await table.write(Put(replace(rows[3], version=1, doc="newer")))
    stored = {row.key: replace(row, version=1) for row in rows} | {newer.key: newer}
    missing = [Key("p0", "no"), Key("nowhere", "001")]
    assert await table.get_all([*stored, *missing]) == stored
    assert await table.get_all(missing) == {}
    assert await table.get_all([]) == {}
    with pytest.raises(ValueError, match="named twice"):
        await table.get_all([newer.key, newer.key])


async def test_limits_are_refused_before_anything_is_sent(table: Table) -> None:
    """Law: a row or write over DynamoDB's limits raises TooLarge that names it; nothing is stored."""
    big = Row(pk="p", sk="big", doc=random.Random(1).randbytes(409_600).hex())  # compressed, half of that
    small = Put(Row(pk="p", sk="small", doc="-"))
    with pytest.raises(TooLarge, match="p / big"):
        await table.write(small, Put(big))
    with pytest.raises(TooLarge, match="p / big"):
        await table.put_all([big])
    with pytest.raises(TooLarge, match="101 changes"):
        await table.write(*(Put(Row(pk="p", sk=f"{n}", doc="-")) for n in range(101)))
    with pytest.raises(TooLarge, match="bytes, over 4194304"):
        await table.write(*(Put(Row(pk="p", sk=f"{n}", doc="x" * 400_000)) for n in range(11)))
    with pytest.raises(ValueError, match="named twice"):
        await table.write(small, small)
    with pytest.raises(ValueError, match="at least one"):
        await table.write()
    assert await _all(table, "p") == []


async def test_a_row_just_under_the_limit_is_stored(table: Table) -> None:
    """Law: a row as large as moto takes is stored; ours, as DynamoDB's limit, is a little higher."""
    row = Row(pk="p", sk="s", doc="")
    check_changes([Put(replace(row, doc="x" * (400 * 1024 - row_bytes(row))))])
    full = replace(row, doc="x" * 404_000)  # moto refuses at 405,000 where DynamoDB does at 409,600
    await table.write(Put(full))
    assert await table.get(full.key) == replace(full, version=1)


@pytest.mark.parametrize("length", [PACK_FROM - 1, PACK_FROM, 3 * MAX_ROW_BYTES])
async def test_a_long_document_is_stored_compressed(table: Table, length: int) -> None:
    """Law: a document of any length comes back as it was, from the table and from an index, as long as
    compressed it fits; beside one that would not fit nothing is stored."""
    row = Row(pk="p", sk="s", doc="é" + "x" * (length - 1), index={"alpha": Key("a", "s")})
    (stored,) = await table.write(Put(row))
    assert stored == replace(row, version=1)
    assert await table.get(row.key) == stored
    assert await _all(table, "a", index="alpha") == [stored]
    (again,) = await table.write(Put(replace(stored, doc=stored.doc + "y")))
    assert await table.get(row.key) == again


async def test_the_twins_index_lags_by_the_clock(autojump_clock: trio.testing.MockClock) -> None:
    """Law: with a lag an index shows each row's earlier state until the lag has passed."""
    table = MemoryTable(TRADING, TrioClock(0), index_lag_ns=2 * NS_PER_S)
    row = Row(pk="p", sk="s", doc="1", index={BY_TIME.name: Key("c", "1")})
    (stored,) = await table.write(Put(row))
    assert await _all(table, "c", index=BY_TIME.name) == []
    await trio.sleep(2)
    assert await _all(table, "c", index=BY_TIME.name) == [stored]
    await table.write(Put(replace(stored, index={BY_STATE.name: Key("o", "1")})))
    assert await _all(table, "c", index=BY_TIME.name) == [stored]
    assert await _all(table, "o", index=BY_STATE.name) == []
    await trio.sleep(2)
    assert await _all(table, "c", index=BY_TIME.name) == []
    assert len(await _all(table, "o", index=BY_STATE.name)) == 1


async def test_the_twin_drops_a_row_past_its_time(autojump_clock: trio.testing.MockClock) -> None:
    """Law: past `expires` the twin's row is gone from table and index, and may be written anew."""
    table = MemoryTable(TRADING, TrioClock(0))
    row = Row(pk="p", sk="s", doc="1", index={BY_TIME.name: Key("c", "1")}, expires=10)
    (stored,) = await table.write(Put(row))
    await trio.sleep(9.5)
    assert await table.get(row.key) == stored
    await trio.sleep(0.5)
    assert await _all(table, "c", index=BY_TIME.name) == []
    assert await _all(table, "p") == []
    assert await table.get(row.key) is None
    await table.write(Put(row))


class Flaky:
    """Passes calls on to AWS, twice, as if the first answer were lost; between, `fault` may raise."""

    def __init__(self, aws: Aws, fault: Callable[[], None] = lambda: None) -> None:
        self._aws = aws
        self._fault = fault

    def client(self, service: Any) -> Any:
        return self._aws.client(service)

    async def call(self, method: Any, /, **arguments: Any) -> Any:
        await self._aws.call(method, **arguments)
        self._fault()
        return await self._aws.call(method, **arguments)


def _fault(code: str, status: int = 400, **more: Any) -> Callable[[], None]:
    def raise_it() -> None:
        response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
        raise ClientError(response, "Write")

    return raise_it


@pytest.mark.parametrize("extra", [(), (Put(Row(pk="p", sk="t", doc="2")),)], ids=["put", "transaction"])
async def test_a_lost_answer_is_not_a_conflict(aws: Aws, extra: tuple[Put, ...]) -> None:
    """Law: a write repeated after its answer was lost finds its own row and succeeds."""
    prefix = f"lost{len(extra)}-"
    await provision(aws, tables=[SHAPE], queues=[], prefix=prefix)
    flaky: Any = Flaky(aws)
    table = DynamoTable(flaky, SHAPE, random.Random(1), prefix=prefix)
    stored = await table.write(Put(Row(pk="p", sk="s", doc="1")), *extra)
    assert await table.get(Key("p", "s")) == stored[0]
    with pytest.raises(Conflict):  # by another write the row is still guarded
        await table.write(Put(Row(pk="p", sk="s", doc="1")), *extra)


async def test_an_unknown_outcome_is_ambiguous(aws: Aws) -> None:
    """Law: a 5xx, a broken connection and a deadline surface as Ambiguous, never as a failed condition."""
    await provision(aws, tables=[SHAPE], queues=[], prefix="ambiguous-")

    def too_slow() -> None:
        raise CallTimeoutError(operation="put_item", seconds=3)

    def broken() -> None:
        raise botocore.exceptions.HTTPClientError(error="reset")

    for n, fault in enumerate((_fault("InternalServerError", 500), too_slow, broken)):
        flaky: Any = Flaky(aws, fault)
        table = DynamoTable(flaky, SHAPE, random.Random(1), prefix="ambiguous-")
        with pytest.raises(Ambiguous):
            await table.write(Put(Row(pk="p", sk=f"{n}", doc="1")))
        with pytest.raises(Ambiguous):
            await table.put_all([Row(pk="p", sk=f"{n}", doc="1")])


class Canned:
    """Answers every call with the next of `answers`; an exception is raised."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.sent: list[dict[str, Any]] = []

    def client(self, service: str) -> Any:
        return self

    def __getattr__(self, name: str) -> str:
        return name

    async def call(self, method: Any, /, **arguments: Any) -> Any:
        self.sent.append(arguments)
        answer = self.answers.pop(0)
        if callable(answer):
            answer()
        return answer


async def test_contention_is_not_a_failed_condition() -> None:
    """Law: a transaction that lost to another's raises Busy, one with a failed condition Conflict.

    moto runs one request at a time, so the service's answer is written out here
    (API_TransactWriteItems, "Cancellation reasons").
    """
    puts = [Put(Row(pk="p", sk="a", doc="-")), Put(Row(pk="p", sk="b", doc="-"))]
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
    canned: Any = Canned([_fault("TransactionCanceledException", CancellationReasons=reasons)])
    with pytest.raises(Busy):
        await DynamoTable(canned, SHAPE, random.Random(1)).write(*puts)
    mixed = [{"Code": "ConditionalCheckFailed"}, {"Code": "TransactionConflict"}]
    canned = Canned([_fault("TransactionCanceledException", CancellationReasons=mixed)])
    with pytest.raises(Conflict) as caught:
        await DynamoTable(canned, SHAPE, random.Random(1)).write(*puts)
    assert caught.value.keys == (Key("p", "a"),)
    throttled = _fault("ThrottlingException")
    canned = Canned([throttled, throttled])
    with pytest.raises(Busy):
        await DynamoTable(canned, SHAPE, random.Random(1)).write(puts[0])
    with pytest.raises(Busy):
        await DynamoTable(canned, SHAPE, random.Random(1)).put_all([puts[0].row])


async def test_a_read_without_an_answer_is_unavailable(aws: Aws) -> None:
    """Law: no answer to a read, or a refusal for now, surfaces as Unavailable; other errors as they are."""
    key = Key("p", "s")
    for code, status in (("InternalServerError", 500), ("ThrottlingException", 400)):
        canned: Any = Canned([_fault(code, status)])
        with pytest.raises(Unavailable, match=code):
            await DynamoTable(canned, SHAPE, random.Random(1)).get(key)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        await DynamoTable(aws, SHAPE, random.Random(1), prefix="nowhere-").query("p")


async def test_unprocessed_keys_are_asked_again(autojump_clock: trio.testing.MockClock) -> None:
    """Law: what BatchGetItem left over is asked for until it comes, and Unavailable tells when it never does.

    moto answers all of it, so the service's answers are written out here.
    """
    rows = [Row(pk="p", sk=f"{n:03d}", doc="-") for n in range(130)]
    items = [
        {"pk": {"S": "p"}, "sk": {"S": row.sk}, "doc": {"S": "-"}, "version": {"N": "1"}} for row in rows
    ]

    def answer(found: list[Any], left: int) -> dict[str, Any]:
        keys = [{"pk": item["pk"], "sk": item["sk"]} for item in items[:left]]
        unread = {SHAPE.name: {"Keys": keys, "ConsistentRead": True}} if left else {}
        return {"Responses": {SHAPE.name: found}, "UnprocessedKeys": unread}

    canned: Any = Canned([answer(items[40:100], 40), answer([], 70), answer(items[:40] + items[100:], 0)])
    found = await DynamoTable(canned, SHAPE, random.Random(1)).get_all([row.key for row in rows])
    assert found == {row.key: replace(row, version=1) for row in rows}
    asked = [sent["RequestItems"][SHAPE.name] for sent in canned.sent]
    assert [len(request["Keys"]) for request in asked] == [100, 70, 70]
    assert all(request["ConsistentRead"] for request in asked)
    canned = Canned([answer([], 1)] * 8)
    with pytest.raises(Unavailable, match="1 rows not read"):
        await DynamoTable(canned, SHAPE, random.Random(1)).get_all([rows[0].key])


async def test_unprocessed_items_are_sent_again(autojump_clock: trio.testing.MockClock) -> None:
    """Law: what BatchWriteItem left over is sent until it is stored, and Busy tells when it never is."""
    rows = [Row(pk="p", sk=f"{n:02d}", doc="-") for n in range(30)]

    def left(n: int) -> dict[str, Any]:
        return {"UnprocessedItems": {SHAPE.name: [{"PutRequest": {"Item": {"n": {"N": "0"}}}}] * n}}

    canned: Any = Canned([left(25), left(3), left(0), {}])
    await DynamoTable(canned, SHAPE, random.Random(1)).put_all(rows)
    assert [len(sent["RequestItems"][SHAPE.name]) for sent in canned.sent] == [25, 25, 8]
    canned = Canned([left(25)] * 8)
    with pytest.raises(Busy, match="30 rows"):
        await DynamoTable(canned, SHAPE, random.Random(1)).put_all(rows)


@given(
    st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), unique=True, max_size=6),
    st.text(max_size=2),
)
def test_order_by_code_point_is_order_by_utf8(pairs: list[tuple[str, str]], bound: str) -> None:
    """Law: Python's order of text is DynamoDB's, that of its UTF-8 bytes (surrogates cannot be encoded)."""
    texts = [text for pair in pairs for text in pair] + [bound]
    texts = [text for text in texts if not any("\ud800" <= letter <= "\udfff" for letter in text)]
    assert sorted(texts) == sorted(texts, key=str.encode)
