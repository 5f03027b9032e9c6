"""What an order's outcome does to the book: its client's queue and its subscription's part."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import ClientId, ClientOrderId, EventId, Venue, VenueOrderId
from spider_common.domain.instruments import SPOT_MARK, InstrumentKind, InstrumentList
from spider_common.domain.intents import Action, Intent
from spider_common.domain.journal import (
    Timing,
    accept,
    cover,
    deny,
    doubt,
    hold,
    may_release,
    miss,
    reject,
    release,
    settle,
    touches_book,
    withdraw,
)
from spider_common.domain.orders import CopyState, PositionSide, Side
from spider_common.domain.planning import Plan
from spider_common.domain.positions import Book, LegKind, Part, Waiting, part_key
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from tests.desk import Desk, LeaderOrder, follower, histories, product_of, told_of
from tests.strategies import FIRST_EVENT, TS, fact, intent, spot

ALICE = ClientId("alice")


def _book(target: str, planned: str) -> Book:
    part = Part(target=Decimal(target), planned=Decimal(planned))
    return Book(parts={part_key(ALICE, PositionSide.NET): part})


def _part(book: Book) -> tuple[Decimal, Decimal]:
    part = book.part(ALICE, PositionSide.NET)
    return part.target, part.planned


class _Orders:
    """One client's orders as a service would carry them out, with outcomes as they are drawn."""

    def __init__(self, desk: Desk, data: st.DataObject) -> None:
        self.desk = desk
        self.data = data
        self.orders: dict[ClientOrderId, tuple[EventId, Intent]] = {}
        self.missed: dict[ClientOrderId, Decimal] = {}

    def take(self, event: EventId, made: Plan) -> None:
        """Sends what was planned; behind a doubt of the same client the rest is held."""
        for order in made.intents:
            self.orders[order.client_order_id] = event, order
        for order in made.intents:
            if order.state is CopyState.PLANNED:
                if self.desk.book.waiting.get(ALICE):
                    self._becomes(order, hold(order))
                else:
                    self._send(order)

    def resolve(self, *, whole: bool = False) -> None:
        """Settles the doubt at the head of the queue and sends what was held behind it."""
        while queue := self.desk.book.waiting.get(ALICE):
            _, order = self.orders[queue[0].client_order_id]
            if order.state is CopyState.HELD:
                assert may_release(self.desk.book, order)
                order = self._becomes(order, self._released(order))
                if order.state is CopyState.PLANNED:
                    self._send(order, outcomes=4 if whole else 5)
            elif whole or self.data.draw(st.booleans()):
                self._send(order, outcomes=4)
            else:
                return

    def _released(self, order: Intent) -> Intent:
        listed = self.desk.instruments.get(order.account.venue, order.symbol)
        assert listed is not None
        if listed.kind is InstrumentKind.SPOT and order.leg is LegKind.CLOSE:
            order = cover(self.desk.book, order, listed)
        return release(order) if order.state is CopyState.HELD else order

    def _send(self, order: Intent, outcomes: int = 5) -> None:
        match self.data.draw(st.integers(1, outcomes)):
            case 1:
                self._becomes(order, accept(order, None))
            case 4:  # filled in part, and cancelled
                order = self._becomes(order, accept(order, None))
                self.missed[order.client_order_id] = missed = order.quantity * self.data.draw(
                    st.sampled_from([Decimal("0.25"), Decimal(1)])
                )
                self.desk.book = withdraw(self.desk.book, order, missed)
            case 2:
                self._becomes(order, reject(order, "no"))
            case 3:
                order = order if order.state is CopyState.PLANNED else self._absent(order)
                self._becomes(order, deny(order, Reason.STALE_SIGNAL))
            case _:
                self._becomes(order, doubt(order, why="timeout", expires=TS, now=TS))

    def _absent(self, order: Intent) -> Intent:
        late = TS + 10**15
        return self._becomes(order, miss(self._becomes(order, miss(order, late, Timing())), late, Timing()))

    def _becomes(self, before: Intent, after: Intent) -> Intent:
        event, _ = self.orders[before.client_order_id]
        settled = settle(self.desk.book, event, before, after)
        assert touches_book(after) or settled == self.desk.book
        self.desk.book = settled
        self.orders[before.client_order_id] = event, after
        return after

    def bought(self) -> Decimal:
        """What its orders have surely bought."""
        return self._sum(Side.BUY, {CopyState.ACCEPTED})

    def sold(self) -> Decimal:
        """What its orders have sold, or may have."""
        return self._sum(Side.SELL, {CopyState.ACCEPTED, CopyState.IN_DOUBT})

    def _sum(self, side: Side, states: set[CopyState]) -> Decimal:
        orders = [order for _, order in self.orders.values() if order.side is side and order.state in states]
        return sum((order.quantity - self.missed.get(order.client_order_id, ZERO) for order in orders), ZERO)

    def check(self) -> None:
        """The laws of the queue and of the part."""
        queue = self.desk.book.waiting.get(ALICE, ())
        assert all(each.signed == self.orders[each.client_order_id][1].signed for each in queue)
        states = [self.orders[each.client_order_id][1].state for each in queue]
        assert states in ([], [CopyState.IN_DOUBT, *[CopyState.HELD] * (len(states) - 1)])
        assert len(set(queue)) == len(queue)
        unsettled = [name for name, (_, order) in self.orders.items() if not order.state.is_submitted]
        assert [each.client_order_id for each in queue] == unsettled
        sums = dict.fromkeys(PositionSide, ZERO)
        for name, (_, order) in self.orders.items():
            if order.state not in {CopyState.REJECTED, CopyState.DENIED}:
                sums[order.leader_side] += order.signed - order.side.sign * self.missed.get(name, ZERO)
        for side, planned in sums.items():
            assert self.desk.planned(ALICE, side) == planned


@given(histories, st.booleans(), st.data())
def test_planned_is_what_was_not_refused(
    history: list[LeaderOrder], hedge_mode: bool, data: st.DataObject
) -> None:
    """Through accepted, refused, denied and doubted orders: what is planned is what was accepted or may
    still be; the queue has a doubt and then the held, in the order of their planning, each once.
    What is said not to touch the book leaves it as it is."""
    desk = Desk(product_of(follower("alice", "0.7", hedge_mode=hedge_mode)))
    orders = _Orders(desk, data)

    for life in told_of(history):
        for told in life:
            made = desk.see(told)
            if isinstance(made, Plan):
                orders.take(told.event_id, made)
                orders.check()
            if data.draw(st.booleans()):
                orders.resolve()
                orders.check()
    orders.resolve(whole=True)
    orders.check()
    assert desk.book.waiting == {}


def test_a_doubt_waits_until_it_is_over() -> None:
    """It enters the queue once, stays while it is planned anew, and leaves with its outcome."""
    order = intent()
    entry = Waiting(order.client_order_id, FIRST_EVENT, order.signed)
    doubted = doubt(order, why="timeout", expires=TS, now=TS)
    book = settle(Book(), FIRST_EVENT, order, doubted)

    assert book.waiting == {ALICE: (entry,)}
    assert settle(book, FIRST_EVENT, doubted, doubted) == book
    assert settle(book, FIRST_EVENT, doubted, order) == book
    assert settle(book, FIRST_EVENT, order, accept(order, None)).waiting == {}


def test_an_order_without_a_doubt_never_waits() -> None:
    """Planned and then accepted: the book stays as it was."""
    book = _book("1", "1")

    assert settle(book, FIRST_EVENT, intent(), intent()) == book
    assert settle(book, FIRST_EVENT, intent(), accept(intent(), None)) == book


def test_only_the_first_may_be_released() -> None:
    """A held order goes when it is the head of its client's queue, whoever else waits."""
    first, second = intent(), intent(client_order_id=ClientOrderId("c2"), state=CopyState.HELD)
    queue = tuple(Waiting(order.client_order_id, FIRST_EVENT) for order in (first, second))
    book = Book().with_waiting(ALICE, queue).with_waiting(ClientId("bob"), queue)

    assert not may_release(book, second)
    assert may_release(book.with_waiting(ALICE, queue[1:]), second)
    assert may_release(Book(), second)


@pytest.mark.parametrize("outcome", [CopyState.REJECTED, CopyState.DENIED])
def test_a_refusal_is_withdrawn_once(outcome: CopyState) -> None:
    """Settled again it changes nothing more."""
    before = intent()
    after = msgspec.structs.replace(before, state=outcome)
    book = settle(_book("1.0004", "1"), FIRST_EVENT, before, after)

    assert _part(book) == (Decimal("0.0004"), ZERO)
    assert settle(book, FIRST_EVENT, after, after) == book


def test_a_missed_open_is_not_caught_up() -> None:
    """It leaves the target with the planned, and the target never crosses zero."""
    assert _part(withdraw(_book("3", "3"), intent(), Decimal(1))) == (Decimal(2), Decimal(2))
    assert _part(withdraw(_book("0.5", "0.5"), intent(), Decimal(1))) == (ZERO, Decimal("-0.5"))
    sold = intent(side=Side.SELL)
    assert _part(withdraw(_book("-3", "-3"), sold, Decimal(1))) == (Decimal(-2), Decimal(-2))
    assert _part(withdraw(_book("-3", "-3"), sold, Decimal(4))) == (ZERO, Decimal(1))


def test_a_missed_close_stays_wanted() -> None:
    """The target keeps what the leader did, so the next fact makes the close up."""
    close = intent(leg=LegKind.CLOSE, side=Side.SELL, reduce_only=True)

    assert _part(withdraw(_book("1", "1"), close, Decimal(2))) == (Decimal(1), Decimal(3))


def test_withdrawing_touches_no_other_part() -> None:
    """Another client's part and another side stay."""
    others = {
        part_key(ClientId("bob"), PositionSide.NET): Part(target=Decimal(1), planned=Decimal(1)),
        part_key(ALICE, PositionSide.LONG): Part(target=Decimal(1), planned=Decimal(1)),
    }
    book = withdraw(_book("1", "1").with_parts(others), intent(), Decimal(1))

    assert book.parts == {part_key(ALICE, PositionSide.NET): Part(), **others}


COINS = msgspec.structs.replace(spot(Venue.BITGET, f"BTCUSDT{SPOT_MARK}", lot="0.5"), minimum=Decimal(1))
trades = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 8)), min_size=1, max_size=8)


@given(trades, st.data())
def test_nothing_is_sold_that_was_not_bought(history: list[tuple[Side, int]], data: st.DataObject) -> None:
    """Whatever is refused, doubted or filled in part, and in whatever order: at no time are more of a
    subscription's coins sold, or perhaps sold, than its orders have bought."""
    listed = InstrumentList([spot(Venue.OKX, "BTC-USDT", lot="0.001"), COINS])
    desk = Desk(product_of(follower("alice", "0.7")), listed)
    orders = _Orders(desk, data)

    for number, (side, filled) in enumerate(history, start=1):
        told = fact(
            symbol="BTC-USDT",
            venue_order_id=VenueOrderId(f"{number}"),
            side=side,
            cum_filled=Decimal(filled),
            ts_venue=TS + number,
        )
        made = desk.see(told)
        assert isinstance(made, Plan)
        orders.take(told.event_id, made)
        orders.check()
        assert orders.sold() <= orders.bought()
        if data.draw(st.booleans()):
            orders.resolve()
            orders.check()
            assert orders.sold() <= orders.bought()
    orders.resolve(whole=True)
    orders.check()
    assert orders.sold() <= orders.bought()


def _sale(quantity: str) -> Intent:
    sold = {"leg": LegKind.CLOSE, "side": Side.SELL, "state": CopyState.HELD}
    return intent(quantity=Decimal(quantity), size=Decimal(quantity), **sold)


def _queued(planned: str, *waiting: tuple[str, str]) -> Book:
    """What all orders come to, and those of them that wait: name and signed quantity."""
    queue = tuple(Waiting(ClientOrderId(name), FIRST_EVENT, Decimal(signed)) for name, signed in waiting)
    return _book("0", planned).with_waiting(ALICE, queue)


def test_a_sale_held_behind_a_refused_buy_has_nothing_to_sell() -> None:
    """Bought and sold in one doubt: the sale goes unless the buy is refused, and then it is denied."""
    buy, sale = intent(client_order_id=ClientOrderId("c0")), _sale("1")
    book = _queued("0", ("c0", "1"), ("c1", "-1"))
    accepted = settle(book, FIRST_EVENT, buy, accept(buy, None))
    refused = settle(book, FIRST_EVENT, buy, reject(buy, "51008"))

    assert cover(accepted, sale, COINS) == sale
    denied = cover(refused, sale, COINS)
    assert (denied.state, denied.reason) == (CopyState.DENIED, Reason.NOTHING_TO_CLOSE)
    assert _part(settle(refused, FIRST_EVENT, sale, denied)) == (ZERO, ZERO)


@pytest.mark.parametrize(
    ("bought", "sold"), [("3", "3"), ("2.7", "2.5"), ("1", "1"), ("0.9", "0"), ("-1", "0")]
)
def test_a_sale_is_cut_to_what_was_bought(bought: str, sold: str) -> None:
    """To whole lots, denied below the minimum; the book and its queue know the sale by what is left of it."""
    sale = _sale("3")
    book = _queued(str(Decimal(bought) - 3), ("c1", "-3"))
    cut = cover(book, sale, COINS)
    settled = settle(book, FIRST_EVENT, sale, cut if cut.state is CopyState.DENIED else release(cut))

    if Decimal(sold):
        assert (cut.state, cut.quantity, cut.size) == (CopyState.HELD, Decimal(sold), Decimal(sold))
        assert settled.waiting[ALICE] == (Waiting(sale.client_order_id, FIRST_EVENT, -Decimal(sold)),)
    else:
        assert cut.reason == (Reason.BELOW_MINIMUM if Decimal(bought) > 0 else Reason.NOTHING_TO_CLOSE)
        assert settled.waiting == {}
    assert _part(settled) == (ZERO, Decimal(bought) - Decimal(sold))


def test_a_buy_that_waits_behind_a_sale_has_bought_nothing_yet() -> None:
    """It may be refused in its turn, so the sale before it is not covered by it."""
    sale = _sale("1")

    assert cover(_queued("1", ("c1", "-1"), ("c2", "2")), sale, COINS).state is CopyState.DENIED
    assert cover(_queued("-1", ("c1", "-1"), ("c2", "-1")), sale, COINS) == sale


def test_a_sale_that_the_part_does_not_count_is_cut_all_the_same() -> None:
    """A resting copy counts as the leader's is filled, so what is planned without it is what it may sell."""
    sale = msgspec.structs.replace(_sale("3"), counted=False)

    assert cover(_queued("3", ("c1", "0")), sale, COINS) == sale
    assert cover(_queued("2", ("c1", "0")), sale, COINS).quantity == 2
    assert cover(_queued("3", ("c1", "0"), ("c2", "2")), sale, COINS).quantity == 1


@pytest.mark.parametrize("action", [Action.AMEND, Action.CANCEL])
def test_what_changes_a_sale_is_not_cut(action: Action) -> None:
    """The order is there: a cancel takes it back whatever was bought, an amendment names it whole."""
    change = msgspec.structs.replace(_sale("3"), action=action, counted=False)

    assert cover(_queued("-1"), change, COINS) == change
