"""From facts to messages on the queue. Nothing told is dropped: a queue that is away slows the socket."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import trio
from structlog.typing import FilteringBoundLogger

from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import is_client_order_id
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.orders import OrderStatus
from spider_common.domain.products import Account, Product
from spider_common.messages import (
    EquityUpdate,
    FollowerUpdate,
    LeaderOrder,
    Message,
    dedup_key,
    encode,
    group,
)
from spider_common.stores.queue import Outgoing, Queue, SendFailed
from spider_common.venues.venue import Told

_REMEMBERED: Final = 20_000
"""Messages of one account not sent twice by this task: some hours of a busy leader, 2 MB."""
EQUITY_EVERY_NS: Final = 10 * NS_PER_S
"""An account's worth changes with each fill; sizing wants it fresh by minutes, and each sweep tells it."""
_AGAIN_S: Final = 0.5


class Publisher:
    """Publishes what was told of one account, in its order.

    `products`: the products that the account leads, asked for each time, since they may change.
    """

    def __init__(
        self,
        account: Account,
        *,
        queue: Queue,
        clock: Clock,
        products: Callable[[], Iterable[Product]],
        log: FilteringBoundLogger,
    ) -> None:
        self._account, self._queue, self._clock, self._log = account, queue, clock, log
        self._products = products
        self._equity_told = -EQUITY_EVERY_NS  # ts_venue of the last equity published, Unix ns
        self._sent: OrderedDict[str, None] = OrderedDict()
        self._order = trio.Lock()  # socket and sweep publish side by side; a message is sent by one of them

    async def publish(self, told: Told, *, baseline: bool = False) -> int:
        """Returns when every message is in the queue; gives how many were new to this task.

        Args:
            baseline: the facts are from before the product began to copy.
        """
        async with self._order:
            outgoing = [
                Outgoing(group=group(message), dedup=key, body=encode(message))
                for message in self._messages(told, baseline=baseline)
                if (key := dedup_key(message)) not in self._sent
            ]
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
            return len(outgoing)

    def _messages(self, told: Told, *, baseline: bool) -> Iterable[Message]:
        account, now = self._account, self._clock.now()
        for fact in told.facts:
            for product in self._products():
                for shard in range(product.shards):
                    yield LeaderOrder(
                        event=LeaderEvent(
                            product=product.product,
                            shard=shard,
                            shards=product.shards,
                            fact=fact,
                            baseline=baseline,
                            ts_published=now,
                        )
                    )
        yield from self._follower_updates(told)
        for equity in told.equities:
            if equity.ts_venue - self._equity_told >= EQUITY_EVERY_NS:
                self._equity_told = equity.ts_venue
                yield EquityUpdate(venue=account.venue, equity=equity)

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
