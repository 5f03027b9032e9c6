"""Laws of news about an order with an id of our form that is not in the index (yet)."""

import trio
import trio.testing

from services.oms.executions import Executions
from services.oms.intake import Handled, Later
from spider_common import schema
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.identifiers import AccountId, ClientOrderId, Venue
from spider_common.messages import FollowerUpdate
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.logs import logger
from tests.strategies import fact

ORIGIN = 1_700_000_000 * NS_PER_S


def executions(clock: TrioClock) -> Executions:
    trading = TradingStore(MemoryTable(schema.TRADING, clock))
    return Executions(trading=trading, clock=clock, log=logger("test", clock, write=[].append))


def news(ts: int) -> FollowerUpdate:
    told = fact(client_order_id=ClientOrderId("0" * 32), ts_venue=ts)
    return FollowerUpdate(venue=Venue.OKX, account=AccountId("follower"), fact=told)


async def test_news_of_an_unknown_order_comes_back_ever_more_rarely(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Law: it waits for the index as long as a takeover can take, in fewer receives than the queue allows."""
    clock = TrioClock(ORIGIN)
    handler = executions(clock)
    update = news(clock.now())
    receives = 1
    while isinstance(verdict := await handler.handle(update), Later):
        receives += 1
        await trio.sleep((verdict.at - clock.now()) / NS_PER_S)
    assert verdict == Handled()
    assert clock.now() - ORIGIN > 60 * NS_PER_S
    assert receives < schema.COPY.max_receives


async def test_old_news_is_not_taken_for_a_strangers_by_a_new_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Law: news that waited while no task ran still waits for the index, which waited as well."""
    clock = TrioClock(ORIGIN)
    await trio.sleep(1)
    assert isinstance(await executions(clock).handle(news(ORIGIN - 3600 * NS_PER_S)), Later)
