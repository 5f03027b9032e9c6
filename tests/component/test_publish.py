"""Laws of publishing: a fact is one message for each shard, in order, and none is lost."""

from decimal import Decimal

import trio
from trio.testing import MockClock

from services.ingest.publish import EQUITY_EVERY_NS, Publisher
from spider_common import schema
from spider_common.clock import TrioClock
from spider_common.domain.identifiers import AccountId, ClientOrderId, ProductId, Venue
from spider_common.domain.orders import OrderFact, OrderStatus
from spider_common.domain.products import Account, Equity, Product
from spider_common.messages import EquityUpdate, FollowerUpdate, LeaderOrder, Message, decode
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.telemetry.logs import logger
from spider_common.telemetry.metrics import silent_meter
from spider_common.venues.venue import Told
from tests.oms_rig import ORIGIN
from tests.scripted import FailingQueue
from tests.strategies import altered, execution, fact

LEADER = Account(account=AccountId("leader"), venue=Venue.OKX)
OURS = ClientOrderId("0123456789abcdef0123456789abcdef")


def product(name: str, shards: int = 1) -> Product:
    return Product(product=ProductId(name), leader=LEADER, shards=shards)


class Desk:
    """A publisher of the leader's account over a queue."""

    def __init__(self, *products: Product) -> None:
        self.clock = TrioClock(ORIGIN)
        self.queue = MemoryQueue(schema.COPY, self.clock)
        self.lines: list[str] = []
        self.products = list(products)
        self.publisher = self.another(self.queue)

    def another(self, queue: object) -> Publisher:
        log = logger("test", self.clock, write=self.lines.append)
        publisher = Publisher(
            LEADER,
            queue=queue,  # type: ignore[arg-type]  # a queue or one that fails
            clock=self.clock,
            products=lambda: self.products,
            meter=silent_meter(self.clock),
            log=log,
        )
        publisher.join({each.product: 0 for each in self.products})
        return publisher

    async def messages(self) -> list[Message]:
        """All that is in the queue, taken and deleted."""
        found: list[Message] = []
        while deliveries := await self.queue.receive(wait_s=0):
            found += [decode(each.body) for each in deliveries]
            await self.queue.delete([each.receipt for each in deliveries])
        return found


def told(*facts: OrderFact) -> Told:
    return Told(facts=facts)


async def test_a_fact_is_one_message_for_each_shard_of_each_product(autojump_clock: MockClock) -> None:
    """Every product that the leader leads, every shard of it; the fact as it was read."""
    desk = Desk(product("p", 2), product("q"))
    assert await desk.publisher.publish(told(fact())) == 3
    messages = await desk.messages()
    places = [(each.event.product, each.event.shard, each.event.shards) for each in messages]  # type: ignore[union-attr]
    assert sorted(places) == [("p", 0, 2), ("p", 1, 2), ("q", 0, 1)]
    for message in messages:
        assert isinstance(message, LeaderOrder)
        assert message.event.fact == fact()
        assert message.event.ts_published == desk.clock.now()
        assert not message.event.baseline


async def test_two_sources_of_one_fact_are_one_message(autojump_clock: MockClock) -> None:
    """Socket and sweep of one task, and another task's: however they were told, the queue has it once."""
    desk = Desk(product("p"))
    seen_later = altered(fact(), ts_seen=fact().ts_seen + 10**9)
    assert await desk.publisher.publish(told(fact())) == 1
    assert await desk.publisher.publish(told(seen_later)) == 0
    assert await desk.another(desk.queue).publish(told(seen_later)) == 1  # new to that task, not to the queue
    (message,) = await desk.messages()
    assert isinstance(message, LeaderOrder)
    assert not message.event.baseline


async def test_an_amend_there_and_back_is_three_messages(autojump_clock: MockClock) -> None:
    """The same values at another time are another fact."""
    desk = Desk(product("p"))
    steps = [fact(price=Decimal(price), ts_venue=at) for at, price in ((1, 10), (2, 11), (3, 10))]
    assert await desk.publisher.publish(told(*steps)) == 3


async def test_only_orders_of_our_form_are_followers(autojump_clock: MockClock) -> None:
    """What a client places by hand is no news here; what we placed is, its fill and fact in one."""
    desk = Desk()
    for client_order_id, count in ((None, 0), (ClientOrderId("by-hand"), 0), (OURS, 1)):
        news = Told(
            facts=(fact(client_order_id=client_order_id),),
            executions=(execution(client_order_id=client_order_id),),
        )
        assert await desk.publisher.publish(news) == count
    assert all(isinstance(each, FollowerUpdate) for each in await desk.messages())


async def test_equities_are_told_now_and_then(autojump_clock: MockClock) -> None:
    """With the venue that they are worth something at; not with each fill, and the next is due in time."""
    desk = Desk()
    first, soon, due = (
        Equity(account=LEADER.account, equity=Decimal(5), currency="USD", ts_venue=ORIGIN + after)
        for after in (0, EQUITY_EVERY_NS - 1, EQUITY_EVERY_NS)
    )
    for equity in (first, soon, due):
        await desk.publisher.publish(Told(equities=(equity,)))
    assert await desk.messages() == [EquityUpdate(venue=Venue.OKX, equity=each) for each in (first, due)]


async def test_a_queue_that_is_away_slows_and_loses_nothing(autojump_clock: MockClock) -> None:
    """Each message is in the queue once, in order; what is told meanwhile waits its turn."""
    for taken in (0, 1, 2):
        desk = Desk(product("p"))
        publisher = desk.another(FailingQueue(desk.queue, 3, taken))
        facts = [fact(cum_filled=Decimal(number), ts_venue=number) for number in range(1, 9)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publisher.publish, told(*facts[:4]))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(publisher.publish, told(*facts[4:]))
        messages = await desk.messages()
        assert [each.event.fact for each in messages if isinstance(each, LeaderOrder)] == facts


async def test_publishing_that_was_cut_off_is_repeated(autojump_clock: MockClock) -> None:
    """What is not known to be in the queue is sent again by the next who is told of it."""
    desk = Desk(product("p"))
    publisher = desk.another(FailingQueue(desk.queue, 10**6, 0))
    with trio.move_on_after(5):
        await publisher.publish(told(fact()))
    assert await desk.messages() == []
    publisher._queue = desk.queue
    assert await publisher.publish(told(fact())) == 1
    assert len(await desk.messages()) == 1


async def test_products_are_asked_for_each_time(autojump_clock: MockClock) -> None:
    """A product that comes and joins later gets what is told from then on."""
    desk = Desk(product("p"))
    await desk.publisher.publish(told(fact(status=OrderStatus.LIVE, cum_filled=Decimal(0))))
    desk.products.append(product("q"))
    desk.publisher.join({ProductId("q"): 0})
    assert await desk.publisher.publish(told(fact())) == 2


async def baselines(desk: Desk, name: str) -> list[tuple[int, bool]]:
    """Time and baseline of each message to a product, in order; all messages are taken."""
    return [
        (each.event.fact.ts_venue, each.event.baseline)
        for each in await desk.messages()
        if isinstance(each, LeaderOrder) and each.event.product == name
    ]


async def test_what_is_told_before_a_product_joins_waits_for_its_baseline(autojump_clock: MockClock) -> None:
    """The baseline comes first; then, once, what sockets told of the time since; others do not wait."""
    desk = Desk(product("p"))
    desk.products.append(product("q"))
    first, second, third, fourth = (fact(cum_filled=Decimal(ts), ts_venue=ts) for ts in (1, 2, 3, 4))
    for each in (first, second, third):
        assert await desk.publisher.publish(told(each)) == 1  # to the other product
    assert await baselines(desk, "q") == []
    assert desk.publisher.joining == ["q"]
    # the sweep began at 1 and knows the second as well
    assert await desk.publisher.publish(told(second), joining={ProductId("q"): 1}) == 3
    await desk.publisher.publish(told(fourth))
    assert await baselines(desk, "q") == [(2, True), (1, True), (3, False), (4, False)]
    assert desk.publisher.joining == []


async def test_what_was_held_until_the_mark_was_read_comes_first(autojump_clock: MockClock) -> None:
    """A task that begins learns from the table that a product has joined; nothing it held is lost."""
    desk = Desk()
    desk.products.append(product("p"))
    first, second = (fact(cum_filled=Decimal(ts), ts_venue=ts) for ts in (1, 2))
    assert await desk.publisher.publish(told(first)) == 0
    desk.publisher.join({ProductId("p"): 0})
    assert await desk.publisher.publish(told(second)) == 2
    assert await baselines(desk, "p") == [(1, False), (2, False)]


async def test_what_was_before_a_product_joined_is_never_copied(autojump_clock: MockClock) -> None:
    """A fact that a later sweep or a late push tells of the time before is remembered as what it is."""
    desk = Desk()
    desk.products.append(product("p"))
    desk.publisher.join({ProductId("p"): 10})
    await desk.publisher.publish(told(*(fact(cum_filled=Decimal(ts), ts_venue=ts) for ts in (9, 10, 11))))
    assert await baselines(desk, "p") == [(9, True), (10, True), (11, False)]


async def test_a_product_that_left_joins_again(autojump_clock: MockClock) -> None:
    """What happened while the account did not lead it is not for it."""
    desk = Desk(product("p"))
    left = desk.products.pop()
    assert desk.publisher.join({left.product: 0}) == {}
    desk.products.append(left)
    assert desk.publisher.joining == ["p"]
