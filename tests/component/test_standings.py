"""What limits are checked against is read, and only while some limit needs it."""

import json
from decimal import Decimal
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from services.oms import standings
from services.oms.intake import Handled
from spider_common.clock import NS_PER_S
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import CopyMode, Equity, Limits
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import PositionFact
from spider_common.domain.risk import MARK_AGE
from spider_common.domain.standing import DAY, Standing, Worth
from spider_common.messages import EquityUpdate, FollowerUpdate, PositionUpdate
from spider_common.stores.table import Unavailable
from tests.oms_rig import SYMBOL, Rig, Worker
from tests.scripted import Trouble
from tests.strategies import altered
from tests.venues.bench import DIALECTS, Dialect, open_bench

ALICE, BOB = AccountId("alice-account"), AccountId("bob-account")


async def _worker(rig: Rig, mode: CopyMode = CopyMode.FILLS, **limits: Any) -> Worker:
    """A worker of a product whose first follower has limits."""
    first, *others = rig.product.subscriptions
    limited = replace(first, mode=mode, limits=Limits(**limits))
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
    assert worker.standings.of(rig.product, {}) == {}


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
    assert worker.standings.of(rig.product, {}) == {ALICE: Standing()}

    for account in (ALICE, BOB):
        for worth, ts in ((1_000, now), (900, now + 1)):
            await rig.told(EquityUpdate(venue=Venue.OKX, equity=_equity(account, worth, ts)))
    await worker.reference.know_equities(rig.product)

    first, latest = _equity(ALICE, 1_000, now), _equity(ALICE, 900, now + 1)
    known = Worth(latest=latest, opening=first, peak=Decimal(1_000))
    assert worker.standings.of(rig.product, {}) == {ALICE: Standing(worth=known)}


async def _tell(rig: Rig, account: AccountId, quantity: str) -> None:
    """A sweep says what an account holds, and that this is all."""
    fact = PositionFact(
        venue=Venue.OKX,
        account=account,
        symbol=SYMBOL,
        position_side=PositionSide.NET,
        quantity=Decimal(quantity),
        entry_price=None,
        ts_venue=rig.clock.now(),
    )
    update = PositionUpdate(
        venue=Venue.OKX,
        account=account,
        positions=(fact,),
        whole=(InstrumentKind.SWAP,),
        asked=rig.clock.now(),
    )
    await rig.told(update)


async def test_positions_are_read_for_who_needs_them(autojump_clock: MockClock) -> None:
    """At once for the first event under a limit, then now and then; a silent table keeps the last."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig, max_leverage=Decimal(3))
    rig.venue.prices = {SYMBOL: Decimal(60_000)}
    await _tell(rig, ALICE, "-2")
    await worker.standings.know(rig.product)
    stands = worker.standings.of(rig.product, {})[ALICE]
    assert stands.notional == 120_000
    assert stands.positions == (await rig.positions.positions(Venue.OKX, ALICE)).value

    async with trio.open_nursery() as nursery:
        await nursery.start(worker.standings.serve)
        rig.venue.prices = {SYMBOL: Decimal(50_000)}
        await _tell(rig, ALICE, "3")
        await trio.sleep(1.1 * standings.READ_S)
        assert worker.standings.of(rig.product, {})[ALICE].notional == 150_000
        rig.table.trouble_queries(Trouble(Unavailable("no answer"), "held"))
        await trio.sleep(standings.READ_S)
        assert worker.standings.of(rig.product, {})[ALICE].notional == 150_000
        nursery.cancel_scope.cancel()
    assert json.loads(rig.lines[-1])["event"] == "positions.stale"


async def test_leverage_counts_all_that_the_account_holds(autojump_clock: MockClock) -> None:
    """Our own orders and others', by the newest word of the venue; without any word nothing is opened."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig, max_leverage=Decimal(3))
    rig.venue.prices = {SYMBOL: Decimal(60_000)}
    await rig.told(EquityUpdate(venue=Venue.OKX, equity=_equity(ALICE, 60_000, rig.clock.now())))
    unknown = await _outcomes(rig, worker, rig.event(order="1"))
    assert unknown == {"alice": Reason.POSITIONS_UNKNOWN, "bob": "accepted"}

    await _tell(rig, ALICE, "-2")
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.standings.serve)
        assert (await _outcomes(rig, worker, rig.event(order="2")))["alice"] == "accepted"
        await _tell(rig, ALICE, "2.1")
        await trio.sleep(1.1 * standings.READ_S)
        assert (await _outcomes(rig, worker, rig.event(order="3")))["alice"] == Reason.MAX_LEVERAGE
        nursery.cancel_scope.cancel()


async def _outcomes(rig: Rig, worker: Worker, event: LeaderEvent) -> dict[str, str]:
    """What becomes of an event, by client: the reason, or the state."""
    await worker.copier.handle(event, rig.clock.now())
    return {client: intent.reason or intent.state for client, intent in (await rig.intents(event)).items()}


async def test_a_limit_denies_its_own_client_alone(autojump_clock: MockClock) -> None:
    """By the mark of the moment; what was denied is not made up, and a close always goes."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig, max_order_notional=Decimal(59_999))
    assert await _outcomes(rig, worker, rig.event()) == {"alice": Reason.MARK_UNKNOWN, "bob": "accepted"}

    rig.venue.prices = {SYMBOL: Decimal(60_000)}
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.standings.serve)
        over = await _outcomes(rig, worker, rig.event(order="2"))
        assert over == {"alice": Reason.MAX_ORDER_NOTIONAL, "bob": "accepted"}
        within = await _outcomes(rig, worker, rig.event("0.9", order="3"))
        assert within == {"alice": "accepted", "bob": "accepted"}
        nursery.cancel_scope.cancel()
    rig.venue.prices = None
    await trio.sleep(2 * MARK_AGE / NS_PER_S)
    stale = await _outcomes(rig, worker, rig.event("0.1", order="4"))
    assert stale == {"alice": Reason.MARK_UNKNOWN, "bob": "accepted"}
    closed = await _outcomes(rig, worker, rig.event("3", order="5", side=Side.SELL))
    assert closed == {"alice": "accepted", "bob": "accepted"}


async def test_a_loss_stops_opening_until_the_next_day(autojump_clock: MockClock) -> None:
    """By the equity in the table: from the fact that told the loss until midnight, and for good below the
    highest equity."""
    rig = Rig("alice")
    worker = await _worker(rig, max_daily_loss=Decimal(99), max_drawdown=Decimal("0.3"))

    async def told(worth: int) -> str:
        await trio.sleep(1)
        update = EquityUpdate(venue=Venue.OKX, equity=_equity(ALICE, worth, rig.clock.now()))
        assert await worker.executions.handle(update) == Handled()
        await worker.reference.load()
        return (await _outcomes(rig, worker, rig.event(order=f"{worth}")))["alice"]

    assert await told(1_000) == "accepted"
    assert await told(901) == "accepted"
    assert await told(900) == Reason.DAILY_LOSS
    await trio.sleep(DAY / NS_PER_S)
    assert await told(899) == "accepted"
    await trio.sleep(DAY / NS_PER_S)
    assert await told(801) == "accepted"
    await trio.sleep(DAY / NS_PER_S)
    assert await told(703) == "accepted"
    await trio.sleep(DAY / NS_PER_S)
    assert await told(699) == Reason.DRAWDOWN
    await trio.sleep(DAY / NS_PER_S)
    stale = await _outcomes(rig, worker, rig.event(order="stale"))
    assert stale == {"alice": Reason.EQUITY_STALE}


def _waits(rig: Rig, order: str) -> LeaderEvent:
    """A leader's order that rests."""
    event = rig.event("0", order=order)
    told = altered(
        event.fact,
        order_type=OrderType.LIMIT,
        price=Decimal(50_000),
        average_price=None,
        status=OrderStatus.LIVE,
    )
    return replace(event, fact=told)


async def test_orders_that_rest_are_counted(autojump_clock: MockClock) -> None:
    """By what the table has as open of the account: of any product, until its venue tells the end of one."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig, mode=CopyMode.ORDERS, max_open_orders=2)
    told = [await _outcomes(rig, worker, _waits(rig, order)) for order in ("1", "2", "3")]
    assert told == [{"alice": "accepted"}, {"alice": "accepted"}, {"alice": Reason.MAX_OPEN_ORDERS}]
    assert await worker.standings.resting(rig.product) == {ALICE: 2}

    taken = altered(next(iter(rig.venue.orders.values())), status=OrderStatus.CANCELED)
    update = FollowerUpdate(venue=Venue.OKX, account=ALICE, fact=altered(taken, ts_venue=taken.ts_venue + 1))
    assert await worker.executions.handle(update) == Handled()
    assert await _outcomes(rig, worker, _waits(rig, "4")) == {"alice": "accepted"}


async def test_orders_are_counted_for_who_needs_it(autojump_clock: MockClock) -> None:
    """Nothing is asked of accounts without that limit, nor of those whose copies do not rest; a table that
    does not answer is told as that."""
    rig = Rig("alice", "bob")
    worker = await _worker(rig, max_open_orders=2)
    rig.table.trouble_queries(Trouble(Unavailable("no answer"), "orders"))
    assert await worker.standings.resting(rig.product) == {}

    worker = await _worker(rig, mode=CopyMode.ORDERS, max_open_orders=2)
    with pytest.raises(Unavailable):
        await worker.standings.resting(rig.product)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)
async def test_marks_of_a_quiet_venue_count(autojump_clock: MockClock, dialect: Dialect) -> None:
    """What a venue tells of swaps and pairs that nobody has traded for a while is young all the same."""
    async with open_bench(dialect) as bench:
        await trio.sleep(10 * MARK_AGE / NS_PER_S)
        marks = await bench.client.marks()
        for symbol in (dialect.symbol, dialect.spot):
            assert abs(bench.clock.now() - marks[symbol].ts_venue) < MARK_AGE / 2
