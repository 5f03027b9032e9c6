"""Bitget's sweep and session against the simulator: both tell the same."""

from decimal import Decimal
from itertools import pairwise

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from services.simulator.actions import Cancel, Place, SetPrice, apply
from services.simulator.rules import NewOrder
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side
from spider_common.secret import Credentials, Secret
from spider_common.venues.socket import open_socket
from spider_common.venues.venue import Failed, Told
from tests.component.bitget_bench import HEDGED, IDS, ONE_WAY, RESTING, by_hand, converse, key
from tests.component.bitget_trader import SWAP


async def test_a_sweep_tells_what_is_and_what_was(autojump_clock, bench):
    """Open orders, finished ones, their fills with our ids, equity, positions; each in the order of time."""
    for number, price in enumerate((60000, 59000, 58000)):
        await bench.place(
            replace(RESTING, client_order_id=IDS[number], price=Decimal(price), order_type=OrderType.LIMIT)
        )
        await trio.sleep(1)
    apply(bench.venue, Cancel(account="alice", symbol=SWAP, client_order_id=IDS[2]))
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    assert [(fact.client_order_id, fact.status) for fact in told.facts] == [
        (IDS[0], OrderStatus.FILLED),
        (IDS[1], OrderStatus.LIVE),
        (IDS[2], OrderStatus.CANCELED),
    ]
    assert [(each.client_order_id, each.quantity) for each in told.executions] == [(IDS[0], Decimal("0.01"))]
    assert [(each.currency, each.equity) for each in told.equities] == [("USDT", Decimal("999999.7"))]
    assert [(each.position_side, each.quantity) for each in told.positions] == [
        (PositionSide.NET, Decimal("0.01"))
    ]


async def test_an_order_that_was_filled_after_resting_for_long_is_told_by_its_fill(autojump_clock, bench):
    """History goes by the time of making: of an old order only the new fill is in its listing."""
    await bench.place(RESTING)
    await trio.sleep(3600)
    since = bench.clock.now()
    apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(50000)))
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=since)
    assert [(fact.client_order_id, fact.status) for fact in told.facts] == [(IDS[0], OrderStatus.FILLED)]
    assert [each.client_order_id for each in told.executions] == [IDS[0]]


async def test_a_sweep_reads_every_page(autojump_clock, bench):
    """More orders and fills than a page holds, each of them once."""
    for number in range(250):
        apply(bench.venue, by_hand("alice", number % 100))
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    assert len({fact.venue_order_id for fact in told.facts}) == len(told.facts) == 250
    assert len({each.trade_id for each in told.executions}) == len(told.executions) == 250


@pytest.mark.parametrize("account", [ONE_WAY, HEDGED], ids=["net", "hedged"])
async def test_socket_and_sweep_tell_the_same_facts(autojump_clock, bench, account):
    """What was last pushed of each order has the event id, and each fill the very form, that REST gives."""
    name = account.account
    leg = "long" if account.hedge_mode else "net"

    async def trade():
        apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(60000), depth=Decimal("0.004")))
        for number in range(3):
            apply(bench.venue, by_hand(name, number, leg=leg))
        apply(bench.venue, Cancel(account=name, symbol=SWAP, client_order_id=IDS[1]))
        await trio.sleep(100)  # over three pings
        apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(59999), depth=None))

    events = await converse(bench, account, trade)
    assert all(isinstance(event, Told) for event in events)
    pushed = {fact.venue_order_id: fact for event in events for fact in event.facts}
    executions = [each for event in events for each in event.executions]
    swept = await bench.client.sweep(key(name), account.account, since=0)
    assert {fact.event_id for fact in swept.facts} == {fact.event_id for fact in pushed.values()}
    assert list(swept.executions) == sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))
    assert len(executions) == 5
    last = [event.positions for event in events if event.positions][-1]
    assert [(each.position_side, each.quantity) for each in last] == [
        (each.position_side, each.quantity) for each in swept.positions
    ]
    assert [event.equities for event in events if event.equities][-1][0].equity == swept.equities[0].equity


@pytest.mark.parametrize("category", ["full_liquidation", "adl"])
@pytest.mark.parametrize("account", [ONE_WAY, HEDGED], ids=["net", "hedged"])
async def test_the_venues_own_closes_are_read_as_any_other(autojump_clock, bench, account, category):
    """A liquidation or deleveraging of a long sells, by socket and by sweep."""
    name = account.account
    leg = "long" if account.hedge_mode else "net"
    apply(bench.venue, by_hand(name, 0, leg=leg))
    closing = NewOrder(
        symbol=SWAP, side="sell", kind="market", size=Decimal("0.01"), leg=leg, category=category
    )

    async def close():
        apply(bench.venue, Place(account=name, order=closing))

    events = await converse(bench, account, close)
    swept = await bench.client.sweep(key(name), account.account, since=0)
    for executions in ([each for event in events for each in event.executions], swept.executions[1:]):
        assert [(each.side, each.quantity) for each in executions] == [(Side.SELL, Decimal("0.01"))]
    assert swept.positions == ()


async def test_facts_of_one_order_are_pushed_in_its_order(autojump_clock, bench):
    """Each fact is newer than the one before: by fill, then by status."""

    async def trade():
        apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(60000), depth=Decimal("0.004")))
        apply(bench.venue, by_hand("alice", 0))
        apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(59999), depth=None))

    facts = [fact for event in await converse(bench, ONE_WAY, trade) for fact in event.facts]
    assert [fact.cum_filled for fact in facts] == [0, Decimal("0.004"), Decimal("0.01")]
    assert all(before.age_key < after.age_key for before, after in pairwise(facts))


async def test_a_refused_login_is_fatal(autojump_clock, bench):
    """A wrong key stays wrong until somebody acts."""
    wrong = Credentials(Secret("alice"), Secret("not-the-secret"), Secret("alice-pass"))
    session = bench.client.session(wrong, ONE_WAY.account)
    url = await bench.client.socket_url(wrong)
    async with open_socket(bench.network, url, tls=None) as socket:
        (login,) = session.opened(bench.clock.now())
        await socket.send(login.text)
        assert session.received(await socket.receive(), bench.clock.now()) == [
            Failed("30015 Invalid sign", fatal=True)
        ]
