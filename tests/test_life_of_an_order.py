"""docs/life-of-an-order.md in code: one order, step by step, against the simulated venue.

The whole system runs in one process, on Trio's clock, which moves only when every task waits.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import trio
from trio.testing import MockClock

from services.local.seed import LEADER, PRODUCT, Follower, seed
from services.local.world import World, open_world
from services.simulator.actions import Arm, Place, apply
from services.simulator.faults import Fault
from services.simulator.ledger import Executed, Placed
from services.simulator.rules import NewOrder
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.follower_orders import FollowerOrder
from spider_common.domain.identifiers import client_order_id
from spider_common.domain.intents import Intent
from spider_common.domain.journal import Timing
from spider_common.domain.orders import CopyState, OrderStatus, Side
from spider_common.domain.positions import LegKind
from spider_common.domain.products import FixedRatio
from spider_common.messages import LeaderOrder, Message, decode, leader_group
from spider_common.stores.queue import Delivery

ORIGIN = 1_700_000_000 * NS_PER_S
SWAP = "BTC-USDT-SWAP"  # a contract is 0.01 BTC, a lot 0.01 contracts
ANA = Follower(client="ana", sizing=FixedRatio(Decimal("0.5")), deposit=Decimal(500_000))
BRUNO = Follower(client="bruno", sizing=FixedRatio(Decimal("0.1")), deposit=Decimal(60_000))


async def settled() -> None:
    """Half a second on the mock clock: time for what is on the wire, and for no timer of the services."""
    await trio.sleep(0.5)


async def test_the_life_of_an_order(autojump_clock: MockClock) -> None:
    """A leader's buy becomes each follower's buy: durable before it is sent, sent once, counted once."""
    async with open_system() as world, world.ingest():
        venue = world.simulator.okx

        # 1. A leader buys on OKX, and OKX pushes the order to the leader's private socket.
        buy = NewOrder(symbol=SWAP, side="buy", kind="market", size=Decimal(200))
        order_id = apply(venue, Place(account=LEADER, order=buy))
        await a_moment()

        # 2. and 3. The push has become a fact, in base quantity, and the fact a message. The venue
        # tells of an order as it is placed and as it is filled; each is a fact of its own.
        placed, filled = [each for each in await world.messages() if isinstance(each, LeaderOrder)]
        assert placed.event.fact.status is OrderStatus.LIVE
        fact = filled.event.fact
        assert (fact.venue_order_id, fact.account, fact.symbol) == (order_id, LEADER, SWAP)
        assert (fact.status, fact.side) == (OrderStatus.FILLED, Side.BUY)
        assert fact.cum_filled == Decimal(2)  # 200 contracts of 0.01 BTC
        assert placed.event.fact.event_id != fact.event_id

        # 4. The order service starts and takes the message. The venue is slow: it will look at the
        # followers' orders two seconds after it has received them.
        apply(venue, Arm(fault=Fault(kind="hold_request", delay=2 * NS_PER_S, times=2)))
        async with world.oms():
            await a_moment()

            # 5. It is planned: for each follower an order by its own rule, or the reason for none.
            (row,) = await world.trading.event_journal(fact.event_id)
            ana, bruno = row.intents
            assert (ana.client, ana.side, ana.quantity) == ("ana", Side.BUY, Decimal(1))
            assert (bruno.client, bruno.side, bruno.quantity) == ("bruno", Side.BUY, Decimal("0.2"))
            assert (ana.size, bruno.size) == (Decimal(100), Decimal(20))  # contracts again

            # 6. It is durable, under an id that any other worker would give it, BEFORE the venue has
            # seen any order. What was planned of the leader's order is durable with it.
            assert [intent.state for intent in row.intents] == [CopyState.PLANNED] * 2
            assert accepted(world, ANA) == accepted(world, BRUNO) == []
            for intent in row.intents:
                assert intent.client_order_id == client_order_id(
                    fact.event_id, PRODUCT, intent.client, LegKind.OPEN
                )
            cursor = await world.trading.cursor(PRODUCT, row.event.shard, fact.venue_order_id)
            assert cursor is not None
            assert cursor.value.cum_filled == fact.cum_filled

            # 7. It is on its way. Its message is still in the queue, kept from other workers.
            assert await world.messages() == []
            assert world.queue_holds(leader_group(PRODUCT, row.event.shard))

            # 8. Two seconds later the venue accepts each follower's order, under that id.
            await trio.sleep(2)
            await a_moment()
            assert accepted(world, ANA) == [(ana.client_order_id, Decimal(100))]
            assert accepted(world, BRUNO) == [(bruno.client_order_id, Decimal(20))]

            # 9. The outcome is recorded with the venue's own id, and the message is deleted.
            (row,) = await world.trading.event_journal(fact.event_id)
            assert [intent.state for intent in row.intents] == [CopyState.ACCEPTED] * 2
            assert [intent.venue_order_id for intent in row.intents] == [
                venue_ids(world, ANA)[0],
                venue_ids(world, BRUNO)[0],
            ]
            assert not row.unfinished
            assert not world.queue_holds(leader_group(PRODUCT, row.event.shard))

            # 10. The fills came back on the followers' own sockets, and are counted once: in what the
            # order has come to, and in what the client holds for this product.
            for intent in row.intents:
                order = await world.order(intent)
                assert order.state is CopyState.FILLED
                assert order.progress.executed == order.progress.cum_filled == intent.quantity
                assert await world.holding(intent) == intent.quantity

            # Whatever is told again, by the sweeps of the next minutes too, changes nothing.
            await trio.sleep(180)
            assert len(accepted(world, ANA)) == len(accepted(world, BRUNO)) == 1
            assert [await world.holding(intent) for intent in row.intents] == [ana.quantity, bruno.quantity]
            assert executed(world, ANA) == ana.size
            assert executed(world, BRUNO) == bruno.size
            assert await world.trading.event_journal(fact.event_id) == [row]
            assert await world.dead_letters.receive(wait_s=0) == []


class System:
    """The world, and what this story asks of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.simulator, self.trading, self.dead_letters = world.simulator, world.trading, world.dead_letters

    @asynccontextmanager
    async def ingest(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            stop = trio.Event()
            await nursery.start(
                lambda task_status: self._world.serve_ingest(stop=stop, task_status=task_status)
            )
            yield
            stop.set()

    @asynccontextmanager
    async def oms(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            stop = trio.Event()
            await nursery.start(
                lambda task_status: self._world.serve_oms("oms-1", stop=stop, task_status=task_status)
            )
            yield
            stop.set()

    async def messages(self) -> list[Message]:
        """What workers that ask now would be given; it is given back at once."""
        taken: list[Delivery] = []
        while deliveries := await self._world.queue.receive(wait_s=0):
            taken += deliveries
        for delivery in taken:
            await self._world.queue.extend(delivery.receipt, 0)
        return [decode(delivery.body) for delivery in taken]

    def queue_holds(self, group: str) -> bool:
        """Whether a message of the group is there, in whoever's hands."""
        return group in self._world.queue._groups

    async def order(self, intent: Intent) -> FollowerOrder:
        account = intent.account
        found = await self.trading.orders.order(account.venue, account.account, intent.client_order_id)
        assert found is not None
        return found.value

    async def holding(self, intent: Intent) -> Decimal:
        return (await self.trading.orders.holding(intent)).value.quantity


@asynccontextmanager
async def open_system() -> AsyncIterator[System]:
    rng = random.Random(7)
    seeded = seed(rng, followers=(ANA, BRUNO))
    clock = TrioClock(ORIGIN)
    async with open_world(seeded, clock=clock, rng=rng, timing=Timing(), write=lambda _line: None) as world:
        world.shaky.calm()
        yield System(world)


def orders(system: System, follower: Follower) -> list[Placed]:
    entries = system.simulator.okx.exchange.ledger.entries
    return [each for each in entries if isinstance(each, Placed) and each.order.account == follower.account]


def accepted(system: System, follower: Follower) -> list[tuple[str, Decimal]]:
    """Client order id and size in contracts of each order that the venue has accepted from a follower."""
    return [(each.order.client_order_id, each.order.size) for each in orders(system, follower)]


def venue_ids(system: System, follower: Follower) -> list[str]:
    return [each.order.order_id for each in orders(system, follower)]


def executed(system: System, follower: Follower) -> Decimal:
    """Contracts that the venue has filled for a follower."""
    entries = system.simulator.okx.exchange.ledger.entries
    fills = (each for each in entries if isinstance(each, Executed))
    return sum((each.execution.size for each in fills if each.order.account == follower.account), Decimal(0))


async def a_moment() -> None:
    """Long enough for all that needs no more than the wire, which takes some milliseconds each way."""
    await trio.sleep(0.4)
