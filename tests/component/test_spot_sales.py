"""A sale of coins that was held: sent as far as the subscription's orders have bought, and no further."""

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from services.oms.intake import Handled
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.orders import CopyState, OrderStatus, Side
from spider_common.domain.positions import Part
from spider_common.domain.reasons import Reason
from spider_common.messages import FollowerUpdate
from tests.oms_rig import COINS, Rig, Worker
from tests.scripted import Reply
from tests.strategies import altered

ACCOUNT = AccountId("alice-account")


class Desk:
    """A client who bought coins; then one more buy never reached the venue, and a sale of all was held."""

    def __init__(self) -> None:
        self.rig = Rig("alice", max_signal_age_ms=1_000)  # a buy proved absent is too old to be sent again

    async def copy(self, bought: str) -> tuple[Worker, LeaderEvent]:
        worker = await self.rig.worker()
        buys = [("1", bought), ("2", "1")] if bought else [("2", "1")]
        async with worker.resolving():
            for order, quantity in buys:
                if order == "2":
                    self.rig.venue.script(ACCOUNT, Reply.LOSE_REQUEST)
                await self._handle(worker, self.rig.event(quantity, order=order, symbol=COINS))
            sale = self.rig.event("9", order="3", side=Side.SELL, symbol=COINS)
            await self._handle(worker, sale)
            assert (await self.rig.intents(sale))["alice"].state is CopyState.HELD
            await trio.sleep(30)
        return worker, sale

    async def part(self) -> Part:
        book = await self.rig.trading.book(self.rig.product.product, 0, COINS)
        assert book.value.waiting == {}
        return next(iter(book.value.parts.values()))

    async def _handle(self, worker: Worker, event: LeaderEvent) -> None:
        assert await worker.copier.handle(event, self.rig.clock.now()) == Handled()


async def test_a_held_sale_is_cut_to_what_was_bought(autojump_clock: MockClock) -> None:
    """The venue is asked to sell the two coins that were bought; the book knows no more of the third."""
    desk = Desk()
    _, sale = await desk.copy("2")
    sold = (await desk.rig.intents(sale))["alice"]
    assert (sold.state, sold.quantity, sold.size) == (CopyState.ACCEPTED, 2, 2)
    assert desk.rig.venue.orders[sold.client_order_id].quantity == 2
    assert await desk.part() == Part()


async def test_a_held_sale_of_nothing_is_denied(autojump_clock: MockClock) -> None:
    """The client's own coins stay."""
    desk = Desk()
    _, sale = await desk.copy("")
    sold = (await desk.rig.intents(sale))["alice"]
    assert (sold.state, sold.reason) == (CopyState.DENIED, Reason.NOTHING_TO_CLOSE)
    assert desk.rig.venue.orders == {}
    assert await desk.part() == Part()


@pytest.mark.parametrize("filled", ["0", "0.5"])
async def test_what_a_cut_sale_did_not_fill_is_still_held(filled: str, autojump_clock: MockClock) -> None:
    """Cancelled by the venue, it counts for what was sent of it, not for what was once planned."""
    desk = Desk()
    worker, sale = await desk.copy("2")
    sold = (await desk.rig.intents(sale))["alice"]
    told = altered(
        desk.rig.venue.orders[sold.client_order_id],
        status=OrderStatus.CANCELED,
        cum_filled=Decimal(filled),
        ts_venue=desk.rig.clock.now(),
    )
    update = FollowerUpdate(venue=Venue.OKX, account=ACCOUNT, fact=told)
    assert await worker.executions.handle(update) == Handled()
    assert (await desk.part()).planned == 2 - Decimal(filled)
