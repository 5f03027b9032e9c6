"""From facts to messages on the queue. Nothing told is dropped: a queue that is away slows the socket."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import ProductId, is_client_order_id
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.orders import OrderFact, OrderStatus, PositionSide
from spider_common.domain.products import Account, Product
from spider_common.domain.requests import PositionFact
from spider_common.messages import (
    EquityUpdate,
    FollowerUpdate,
    LeaderOrder,
    Message,
    PositionUpdate,
    dedup_key,
    encode,
    group,
)
from spider_common.stores.queue import Outgoing, Queue, SendFailed
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import LEADER_ORDERS, SWEEP_FINDINGS
from spider_common.venues.venue import Told

_REMEMBERED: Final = 20_000
"""Messages of one account not sent twice by this task: some hours of a busy leader, 2 MB."""
EQUITY_EVERY_NS: Final = 10 * NS_PER_S
"""An account's worth changes with each fill; sizing wants it fresh by minutes, and each sweep tells it."""
POSITION_EVERY_NS: Final = 10 * NS_PER_S
"""So does what it holds. Reconciling believes a difference that two facts have shown, and sweeps tell all."""
_AGAIN_S: Final = 0.5


class Publisher:
    """Publishes what was told of one account, in its order.

    A product copies its leader from the sweep on with which it *joins*. What that sweep tells is its
    baseline, and what sockets tell before waits for it.

    `products`: the products that the account leads, asked for each time, since they may change.
    """

    def __init__(
        self,
        account: Account,
        *,
        queue: Queue,
        clock: Clock,
        products: Callable[[], Iterable[Product]],
        meter: Meter,
        log: FilteringBoundLogger,
    ) -> None:
        self._account, self._queue, self._clock, self._log = account, queue, clock, log
        self._products, self._meter = products, meter
        self._joined: dict[ProductId, int] = {}
        # No bound but time: what one account's sockets tell until its next sweep has succeeded.
        self._held: dict[ProductId, list[OrderFact]] = {}
        self._equity_told = -EQUITY_EVERY_NS  # ts_venue of the last equity published, Unix ns
        self._position_told: dict[tuple[str, PositionSide], int] = {}  # ts_venue of the last one published
        self._sent: OrderedDict[str, None] = OrderedDict()
        self._order = trio.Lock()  # socket and sweep publish side by side; a message is sent by one of them

    def join(self, joined: Mapping[ProductId, int]) -> dict[ProductId, int]:
        """Takes in which products have joined and when (Unix ns), as stored; gives what is known now of
        those that the account leads. One that it leads no longer is forgotten, so that it can join again."""
        known = {**self._joined, **joined}
        led = [each.product for each in self._products()]
        self._joined = {product: known[product] for product in led if product in known}
        self._held = {product: self._held[product] for product in led if product in self._held}
        return dict(self._joined)

    @property
    def joining(self) -> list[ProductId]:
        """The products that the account leads and that have not joined yet."""
        return [each.product for each in self._products() if each.product not in self._joined]

    async def publish(self, told: Told, *, joining: Mapping[ProductId, int] = {}, asked: int = 0) -> int:
        """Returns when every message is in the queue; gives how many were new to this task.

        Args:
            joining: products that join with this, the answer of a sweep, and when it began (Unix ns).
            asked: when that was, of a sweep's answer; 0 for what a socket told.
        """
        async with self._order:
            released = await self._release()
            new = await self._send(self._messages(told, joining, asked))
            if asked:
                self._meter.count(SWEEP_FINDINGS, sum(map(_is_news, new)), venue=self._account.venue)
            self._joined.update(joining)
            return released + len(new) + await self._release()

    async def _release(self) -> int:
        """Publishes what was held for products that have joined since."""
        new = 0
        for product in [each for each in self._held if each in self._joined]:
            new += len(await self._send(self._leader_orders(self._held.pop(product), {})))
        return new

    async def _send(self, messages: Iterable[Message]) -> list[Message]:
        """Returns when those that are new are in the queue; gives them."""
        new = [(message, key) for message in messages if (key := dedup_key(message)) not in self._sent]
        outgoing = [Outgoing(group=group(message), dedup=key, body=encode(message)) for message, key in new]
        unsent = outgoing
        while unsent:
            try:
                await self._queue.send(unsent)
                break
            except SendFailed as failed:
                self._log.warning("publish.failed", account=self._account.account, error=str(failed))
                unsent = list(failed.unsent)
                await trio.sleep(_AGAIN_S)
        self._remember(outgoing)
        told = [message for message, _ in new]
        leaders = sum(isinstance(each, LeaderOrder) and not each.event.baseline for each in told)
        self._meter.count(LEADER_ORDERS, leaders, venue=self._account.venue)
        return told

    def _messages(self, told: Told, joining: Mapping[ProductId, int], asked: int) -> Iterable[Message]:
        yield from self._leader_orders(told.facts, joining)
        yield from self._follower_updates(told)
        for equity in told.equities:
            if equity.ts_venue - self._equity_told >= EQUITY_EVERY_NS:
                self._equity_told = equity.ts_venue
                yield EquityUpdate(venue=self._account.venue, equity=equity)
        positions = told.positions if asked else tuple(filter(self._is_due, told.positions))
        if positions or told.whole:
            yield PositionUpdate(
                venue=self._account.venue,
                account=self._account.account,
                positions=positions,
                whole=told.whole,
                asked=asked,
            )

    def _is_due(self, position: PositionFact) -> bool:
        name = (position.symbol, position.position_side)
        if position.ts_venue - self._position_told.get(name, -POSITION_EVERY_NS) < POSITION_EVERY_NS:
            return False
        self._position_told[name] = position.ts_venue
        return True

    def _leader_orders(
        self, facts: Iterable[OrderFact], joining: Mapping[ProductId, int]
    ) -> Iterable[LeaderOrder]:
        now = self._clock.now()
        for fact in facts:
            for product in self._products():
                joins = product.product in joining
                since = joining[product.product] if joins else self._joined.get(product.product)
                if since is None:
                    self._held.setdefault(product.product, []).append(fact)
                    continue
                for shard in range(product.shards):
                    yield LeaderOrder(
                        event=LeaderEvent(
                            product=product.product,
                            shard=shard,
                            shards=product.shards,
                            fact=fact,
                            baseline=joins or fact.ts_venue <= since,
                            ts_published=now,
                        )
                    )

    def _follower_updates(self, told: Told) -> Iterable[Message]:
        """Fills and ends of our own orders; a fill goes with the fact that it made true.

        That an order is live, its placing has told. Orders that a client places by hand are not ours.
        """
        venue, account = self._account.venue, self._account.account
        fills = [each for each in told.executions if is_client_order_id(each.client_order_id)]
        for fact in told.facts:
            if not is_client_order_id(fact.client_order_id) or fact.status is OrderStatus.LIVE:
                continue
            own = next((each for each in fills if each.venue_order_id == fact.venue_order_id), None)
            if own is not None:
                fills.remove(own)
            yield FollowerUpdate(venue=venue, account=account, fact=fact, execution=own)
        for fill in fills:
            yield FollowerUpdate(venue=venue, account=account, execution=fill)

    def _remember(self, outgoing: list[Outgoing]) -> None:
        for message in outgoing:
            self._sent[message.dedup] = None
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)


def _is_news(message: Message) -> bool:
    """Whether a sweep that tells this has found something that happened, and was not told before."""
    match message:
        case LeaderOrder(event=event):
            return not event.baseline
        case FollowerUpdate():
            return True
        case _:
            return False
