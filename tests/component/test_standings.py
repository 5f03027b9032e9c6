"""What limits are checked against is read, and only while some limit needs it."""

import json
from decimal import Decimal
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from services.oms import standings
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.products import Equity, Limits
from spider_common.domain.risk import MARK_AGE
from spider_common.domain.standing import Standing, Worth
from tests.oms_rig import SYMBOL, Rig, Worker
from tests.venues.bench import DIALECTS, Dialect, open_bench

ALICE, BOB = AccountId("alice-account"), AccountId("bob-account")


async def _worker(rig: Rig, **limits: Any) -> Worker:
    """A worker of a product whose first follower has limits."""
    first, *others = rig.product.subscriptions
    limited = replace(first, limits=Limits(**limits))
    rig.product = replace(rig.product, subscriptions=(limited, *others))
    return await rig.worker()


def _equity(account: AccountId, worth: int, ts: int) -> Equity:
    return Equity(account=account, equity=Decimal(worth), currency="USDT", ts_venue=ts)


async def test_without_limits_nothing_is_asked(autojump_clock: MockClock) -> None:
    """No limit, no question: neither at an event nor in the background."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig)
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.standings.serve)
        await worker.standings.know(rig.product)
        await trio.sleep(10 * standings.READ_S)
        nursery.cancel_scope.cancel()

    assert rig.venue.marked == 0
    assert worker.standings.of(rig.product) == {}


async def test_marks_are_read_for_who_needs_them(autojump_clock: MockClock) -> None:
    """At once for the first event under a limit, then now and then; a failure keeps the last, and is told."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig, max_order_notional=Decimal(100))
    rig.venue.prices = {SYMBOL: Decimal(60_000)}
    for _ in range(3):
        await worker.standings.know(rig.product)
    assert rig.venue.marked == 1
    assert worker.standings.marks[Venue.OKX][SYMBOL].price == 60_000

    async with trio.open_nursery() as nursery:
        await nursery.start(worker.standings.serve)
        rig.venue.prices = {SYMBOL: Decimal(61_000)}
        await trio.sleep(1.1 * standings.READ_S)
        told = worker.standings.marks[Venue.OKX][SYMBOL]
        assert told.price == 61_000
        rig.venue.prices = None
        await trio.sleep(standings.READ_S)
        assert worker.standings.marks[Venue.OKX][SYMBOL] == told
        nursery.cancel_scope.cancel()
    assert json.loads(rig.lines[-1])["event"] == "marks.stale"


async def test_a_venue_that_does_not_answer_is_not_waited_for(autojump_clock: MockClock) -> None:
    """An event waits a second at the most; without marks what needs them is denied by the limits."""
    rig = Rig("alice")
    worker = await _worker(rig, fat_finger_bps=Decimal(100))

    async def silent() -> Any:
        await trio.sleep_forever()

    rig.venue.marks = silent  # type: ignore[method-assign]  # a venue that hangs
    begun = trio.current_time()
    await worker.standings.know(rig.product)

    assert trio.current_time() - begun == standings.WAIT_S
    assert worker.standings.marks == {}


async def test_worth_of_who_is_limited(autojump_clock: MockClock) -> None:
    """What the table has of an account is in the standing; of one without limits nothing is looked up."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig, max_daily_loss=Decimal(100))
    now = rig.clock.now()
    assert worker.standings.of(rig.product) == {ALICE: Standing()}

    for account in (ALICE, BOB):
        for worth, ts in ((1_000, now), (900, now + 1)):
            await rig.trading.put_equity(Venue.OKX, _equity(account, worth, ts))
    await worker.reference.know_equities(rig.product)

    first, latest = _equity(ALICE, 1_000, now), _equity(ALICE, 900, now + 1)
    known = Worth(latest=latest, opening=first, peak=Decimal(1_000))
    assert worker.standings.of(rig.product) == {ALICE: Standing(worth=known)}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)
async def test_marks_of_a_quiet_venue_count(autojump_clock: MockClock, dialect: Dialect) -> None:
    """What a venue tells of swaps and pairs that nobody has traded for a while is young all the same."""
    async with open_bench(dialect) as bench:
        await trio.sleep(10 * MARK_AGE / NS_PER_S)
        marks = await bench.client.marks()
        for symbol in (dialect.symbol, dialect.spot):
            assert abs(bench.clock.now() - marks[symbol].ts_venue) < MARK_AGE / 2
