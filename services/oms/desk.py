"""What the desk itself asks for, on its way to the queue."""

from collections.abc import Iterable
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from spider_common.clock import Clock
from spider_common.domain.intents import DeskEvent
from spider_common.messages import DeskOrder, dedup_key, encode, group
from spider_common.stores.queue import Outgoing, Queue, SendFailed

_AGAIN_S: Final = 0.5


class DeskOrders:
    """Sends events of the desk the way that leaders' events go: in the order of their product's shard."""

    def __init__(self, queue: Queue, clock: Clock, log: FilteringBoundLogger) -> None:
        self._queue, self._clock, self._log = queue, clock, log

    async def send(self, events: Iterable[DeskEvent]) -> None:
        """Returns when all are in the queue. The same event again is harmless."""
        now = self._clock.now()
        unsent = []
        for event in events:
            message = DeskOrder(event=msgspec.structs.replace(event, ts_published=now))
            unsent.append(Outgoing(group=group(message), dedup=dedup_key(message), body=encode(message)))
            self._log.info(
                "desk.asked",
                event_id=event.event_id,
                product=event.product,
                client=event.client,
                symbol=event.symbol,
                action=event.action,
                quantity=str(event.quantity),
                cause=event.cause,
            )
        while unsent:
            try:
                await self._queue.send(unsent)
                break
            except SendFailed as failed:
                self._log.warning("desk.unsent", error=str(failed))
                unsent = list(failed.unsent)
                await trio.sleep(_AGAIN_S)
