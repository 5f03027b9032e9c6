"""What an account and its key are, and how they are set."""

import math
from decimal import Decimal

from spider_common.clock import NS_PER_S
from spider_common.domain.products import MarginMode
from spider_common.secret import Credentials, Secret
from spider_common.venues.outcomes import (
    Outcome,
    Rejected,
)
from tests.venues.bench import Bench, key
from tests.venues.cards import accepted, card


@card("account.instruments")
async def instruments(bench: Bench) -> None:
    listed = {each.symbol: each for each in await bench.client.instruments()}
    items = {item.symbol: item for item in bench.venue.instruments}
    assert listed.keys() == items.keys()
    for symbol, item in items.items():
        known = listed[symbol]
        assert (known.lot, known.minimum, known.tick) == (item.lot, item.minimum, item.tick)
        assert (known.base, known.quote, known.settle) == (item.base, "USDT", "USDT")
        assert known.contract_size == item.unit
        assert known.minimum_notional == item.minimum_notional


@card("account.server_time")
async def server_time(bench: Bench) -> None:
    told = await bench.client.server_time()
    assert math.isclose(told, bench.venue.clock.now(), abs_tol=NS_PER_S)


@card("account.marks")
async def marks(bench: Bench) -> None:
    bench.price("61234.5")
    told = await bench.client.marks()
    assert told[bench.symbol].price == Decimal("61234.5")
    assert {symbol: mark.price for symbol, mark in told.items()} == {
        symbol: market.price for symbol, market in bench.venue.exchange.markets.items()
    }
    for symbol, mark in told.items():
        assert mark.symbol == symbol
        assert math.isclose(mark.ts_venue, bench.venue.clock.now(), abs_tol=NS_PER_S)


@card("account.permissions")
async def permissions(bench: Bench) -> None:
    bench.open_account("bound", addresses=("203.0.113.7", "203.0.113.8"))
    told = await bench.client.permissions(key("bound"))
    assert (told.read, told.trade, told.withdraw) == (True, True, False)
    assert told.addresses == ("203.0.113.7", "203.0.113.8")
    bench.open_account("reader", rights=("read",))
    told = await bench.client.permissions(key("reader"))
    assert (told.read, told.trade, told.withdraw, told.addresses) == (True, False, False, ())


@card("account.withdrawal_is_seen")
async def withdrawal_is_seen(bench: Bench) -> None:
    bench.open_account("rich", rights=("read", "trade", "withdraw"))
    assert (await bench.client.permissions(key("rich"))).withdraw


@card("account.leverage")
async def leverage(bench: Bench) -> None:
    async def set_to(factor: int) -> Outcome:
        return await bench.client.set_leverage(
            key("alice"), bench.net, bench.symbol, factor, MarginMode.CROSS
        )

    accepted(await set_to(7))
    assert bench.venue.exchange.accounts["alice"].leverage_of(bench.symbol) == 7
    assert isinstance(await set_to(1_000), Rejected)
    assert bench.venue.exchange.accounts["alice"].leverage_of(bench.symbol) == 7


@card("account.hedge_mode")
async def hedge_mode(bench: Bench) -> None:
    async def set_to(*, hedge: bool) -> Outcome:
        return await bench.client.set_hedge_mode(key("alice"), bench.net, hedge=hedge)

    for hedge in (True, False):
        accepted(await set_to(hedge=hedge))
        mode = bench.venue.exchange.accounts["alice"].position_mode
        assert mode == ("long_short" if hedge else "net")
    bench.by_hand()
    assert isinstance(await set_to(hedge=True), Rejected)
    assert bench.venue.exchange.accounts["alice"].position_mode == "net"


@card("account.wrong_secret")
async def wrong_secret(bench: Bench) -> None:
    forged = Credentials(Secret("alice"), Secret("guessed"), Secret("alice-phrase"))
    outcome = await bench.client.place(forged, bench.order(), expires=bench.within())
    assert isinstance(outcome, Rejected)
    assert "guessed" not in repr(outcome)
    assert bench.placed() == []
