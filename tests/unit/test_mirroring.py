"""Resting orders are mirrored: placed, amended, cancelled with the leader's, settled by their own fills."""

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain import journal, mirroring
from spider_common.domain.identifiers import ClientId, Venue, VenueOrderId
from spider_common.domain.intents import Action, Intent, LeaderEvent
from spider_common.domain.orders import (
    CopyState,
    OrderFact,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    Trigger,
    TriggerKind,
)
from spider_common.domain.planning import Plan
from spider_common.domain.positions import Part
from spider_common.domain.products import CopyMode, Subscription
from spider_common.domain.reasons import Reason
from tests.desk import Desk, follower, product_of
from tests.strategies import MS, TS, fact, journal_row

D = Decimal
LIVE, PART, DONE, GONE = (
    OrderStatus.LIVE,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)


def mirrored(name: str = "alice", ratio: str = "0.5", **more: object) -> Subscription:
    return msgspec.structs.replace(follower(name, ratio), mode=CopyMode.ORDERS, **more)


class Leader:
    """One order of the leader, told fact by fact, each a millisecond after the last of any."""

    ts = TS

    def __init__(self, number: str, side: Side = Side.BUY, *, reduce_only: bool = False) -> None:
        self._told = fact(
            venue_order_id=VenueOrderId(number),
            side=side,
            reduce_only=reduce_only,
            order_type=OrderType.LIMIT,
            price=D(100),
            average_price=None,
        )

    def tell(
        self, status: OrderStatus, filled: str = "0", quantity: str = "1", price: str = "100"
    ) -> OrderFact:
        Leader.ts += MS
        return msgspec.structs.replace(
            self._told,
            status=status,
            quantity=D(quantity),
            cum_filled=D(filled),
            price=D(price),
            ts_venue=Leader.ts,
        )


def market(number: str, side: Side, filled: str, *, reduce_only: bool = False) -> OrderFact:
    Leader.ts += MS
    return fact(
        venue_order_id=VenueOrderId(number),
        side=side,
        reduce_only=reduce_only,
        quantity=D(filled),
        cum_filled=D(filled),
        status=DONE,
        ts_venue=Leader.ts,
    )


def asked(made: Plan | Reason) -> list[tuple[Action, Side, str, str | None]]:
    """What the orders of a plan ask for: action, side, quantity, price."""
    assert isinstance(made, Plan), made
    return [
        (each.action, each.side, str(each.quantity.normalize()), each.price and str(each.price))
        for each in made.intents
        if each.state is CopyState.PLANNED
    ]


def came_to(desk: Desk, intent: Intent, executed: str) -> None:
    """The follower's order is over, with so much signed base quantity."""
    assert intent.mirrors is not None
    cursor, book = mirroring.finish(
        desk.cursors[intent.mirrors], desk.book, intent, intent.acts_on or intent.client_order_id, D(executed)
    )
    desk.cursors[intent.mirrors], desk.book = cursor, book


def first(made: Plan | Reason) -> Intent:
    assert isinstance(made, Plan), made
    return made.intents[0]


def test_placed_amended_and_cancelled_with_the_leaders() -> None:
    """The follower's order rests where the leader's does, with the follower's size, and goes when it goes."""
    desk, order = Desk(product_of(mirrored())), Leader("1")

    assert asked(desk.see(order.tell(LIVE))) == [(Action.PLACE, Side.BUY, "0.5", "100")]
    assert asked(desk.see(order.tell(LIVE, price="99"))) == [(Action.AMEND, Side.BUY, "0.5", "99")]
    assert asked(desk.see(order.tell(LIVE, quantity="3", price="99"))) == [
        (Action.AMEND, Side.BUY, "1.5", "99")
    ]
    assert desk.see(order.tell(LIVE, quantity="3", price="99")).intents == ()  # type: ignore[union-attr]
    assert [each[0] for each in asked(desk.see(order.tell(GONE)))] == [Action.CANCEL]
    assert desk.planned("alice") == 0


def test_every_change_is_about_the_order_that_was_placed() -> None:
    """Amendments and cancels name the mirror; where a venue replaces it, the newest replacement."""
    desk, order = Desk(product_of(mirrored())), Leader("1")
    placed = first(desk.see(order.tell(LIVE)))
    amended = first(desk.see(order.tell(LIVE, price="99")))
    assert (amended.acts_on, amended.ref.client_order_id) == (placed.client_order_id,) * 2

    replacing = frozenset({Venue.BITGET})
    again = first(desk.see(order.tell(LIVE, price="98"), replacing=replacing))
    assert again.acts_on == placed.client_order_id
    gone = desk.see(order.tell(GONE), replacing=replacing)
    assert isinstance(gone, Plan)
    both = [placed.client_order_id, again.client_order_id]  # which of them is there is not known
    assert [each.acts_on for each in gone.intents] == both


def test_a_replacement_that_never_was_is_not_cancelled() -> None:
    """The venue has refused to amend: the order from before is the one that is changed and taken back."""
    replacing = frozenset({Venue.BITGET})
    desk, order = Desk(product_of(mirrored())), Leader("1")
    placed = first(desk.see(order.tell(LIVE), replacing=replacing))
    refused = first(desk.see(order.tell(LIVE, price="99"), replacing=replacing))
    cursor, desk.book = mirroring.finish(
        desk.cursors[VenueOrderId("1")], desk.book, refused, refused.client_order_id, D(0)
    )
    desk.cursors[VenueOrderId("1")] = cursor

    gone = desk.see(order.tell(GONE), replacing=replacing)
    assert isinstance(gone, Plan)
    assert [each.acts_on for each in gone.intents] == [placed.client_order_id]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), min_size=1, max_size=6), st.integers(1, 7))
def test_an_amendment_there_and_back_is_exact(amendments: list[tuple[int, int]], thirds: int) -> None:
    """Law: whatever it was amended to in between, an order amended back is as it was."""
    desk = Desk(product_of(mirrored(ratio=str(D(thirds) / 3))))
    order = Leader("1")
    placed = first(desk.see(order.tell(LIVE, quantity="7")))
    for quantity, price in amendments:
        desk.see(order.tell(LIVE, quantity=str(quantity), price=str(price)))
    desk.see(order.tell(LIVE, quantity="7"))

    (mirror,) = desk.cursors[VenueOrderId("1")].mirrors.values()
    assert mirror.quantity == placed.quantity


def test_fills_of_the_leaders_are_counted_and_make_no_order() -> None:
    """What the leader's order fills is the follower's resting order's to fill."""
    desk, order = Desk(product_of(mirrored())), Leader("1")
    placed = first(desk.see(order.tell(LIVE)))

    assert asked(desk.see(order.tell(PART, "0.4"))) == []
    assert desk.planned("alice") == D("0.2")
    assert asked(desk.see(order.tell(DONE, "1"))) == []
    assert desk.planned("alice") == D("0.5")
    came_to(desk, placed, "0.5")
    assert desk.planned("alice") == D("0.5")
    assert desk.book.resting == {}


def test_a_mirror_that_was_filled_first_counts_as_the_leaders_is() -> None:
    """The follower's order was filled whole and the leader's by a part: the part follows the leader's."""
    desk, order = Desk(product_of(mirrored())), Leader("1")
    placed = first(desk.see(order.tell(LIVE)))
    came_to(desk, placed, "0.5")
    assert desk.book.ahead == {"alice": ("1",)}  # until then nobody takes it for somebody else's trade
    desk.see(order.tell(PART, "0.4"))
    assert desk.book.part(ClientId("alice"), PositionSide.NET) == Part(target=D("0.2"), planned=D("0.2"))

    desk.see(order.tell(DONE, "1"))
    assert desk.book.part(ClientId("alice"), PositionSide.NET) == Part(target=D("0.5"), planned=D("0.5"))
    assert desk.book.ahead == {}


def test_what_was_missed_before_is_not_counted_for_a_mirror() -> None:
    """A part that lags behind its target by more than the mirror is: the mirror counts for what it is."""
    desk, order = Desk(product_of(mirrored())), Leader("2")
    desk.book = desk.book.with_leader(PositionSide.NET, D(8)).with_parts({"net/alice": Part(target=D(4))})
    desk.see(order.tell(LIVE))
    desk.see(order.tell(DONE, "1"))

    assert desk.planned("alice") == D("0.5")


def test_what_a_cancelled_mirror_came_to_counts() -> None:
    """The leader's order is cancelled half filled; the follower's had filled less, or more."""
    for executed in ("0", "0.1", "0.5"):
        desk, order = Desk(product_of(mirrored())), Leader("1")
        placed = first(desk.see(order.tell(LIVE)))
        desk.see(order.tell(PART, "0.4"))
        desk.see(order.tell(GONE, "0.4"))
        came_to(desk, placed, executed)
        came_to(desk, placed, executed)

        assert desk.planned("alice") == D(executed)
        target = desk.book.part(ClientId("alice"), PositionSide.NET).target
        assert target == min(D(executed), D("0.2"))


def test_an_unfilled_rest_goes_when_the_leader_closes() -> None:
    """The leader's limit order was filled and the follower's not: it rests on, until the leader closes."""
    desk, order = Desk(product_of(mirrored())), Leader("1")
    placed = first(desk.see(order.tell(LIVE)))
    desk.see(order.tell(DONE, "1"))
    assert [each.order for each in desk.book.resting[ClientId("alice")]] == [placed.client_order_id]

    closed = desk.see(market("2", Side.SELL, "1", reduce_only=True))
    assert [each[:3] for each in asked(closed)] == [
        (Action.CANCEL, Side.BUY, "0"),
        (Action.PLACE, Side.SELL, "0.5"),
    ]
    assert desk.book.resting == {}


def test_a_close_that_rests_is_in_proportion_to_the_part() -> None:
    """A take profit over half of the leader's position is one over half of the follower's part."""
    desk = Desk(product_of(mirrored()))
    desk.see(market("1", Side.BUY, "4"))
    profit = Leader("2", Side.SELL, reduce_only=True)
    placed = first(desk.see(profit.tell(LIVE, quantity="2")))

    assert (placed.reduce_only, placed.quantity, placed.order_type) == (True, D(1), OrderType.LIMIT)
    desk.see(profit.tell(PART, "1", quantity="2"))
    assert desk.planned("alice") == D("1.5")
    done = desk.see(profit.tell(DONE, "2", quantity="2"))
    assert [each[0] for each in asked(done)] == [Action.CANCEL]  # what it has missed is made up by itself
    came_to(desk, placed, "-0.25")
    part = desk.book.part(ClientId("alice"), PositionSide.NET)
    assert (part.planned, part.target) == (D("1.75"), D(1))


def test_a_flip_is_two_resting_orders() -> None:
    """A limit order through zero rests as a close and an open, so that neither does the other's work."""
    desk = Desk(product_of(mirrored()))
    desk.see(market("1", Side.BUY, "1"))
    made = desk.see(Leader("2", Side.SELL).tell(LIVE, quantity="3"))

    assert isinstance(made, Plan)
    assert [(each.reduce_only, each.quantity) for each in made.intents] == [(True, D("0.5")), (False, D(1))]


def test_what_was_not_mirrored_stays_so() -> None:
    """A denied mirror is not copied by the leader's fills either; each says why."""
    desk, order = Desk(product_of(mirrored(trading=False))), Leader("1")
    denied = first(desk.see(order.tell(LIVE)))
    filled = first(desk.see(order.tell(DONE, "1")))

    assert (denied.state, denied.reason) == (CopyState.DENIED, Reason.TRADING_OFF)
    assert (filled.state, filled.reason) == (CopyState.SKIPPED, Reason.NOT_MIRRORED)
    assert desk.planned("alice") == 0


def test_a_refused_mirror_counts_for_nothing() -> None:
    """The venue refused the resting order: what the leader's fills is not the follower's."""
    desk, order = Desk(product_of(mirrored())), Leader("1")
    placed = first(desk.see(order.tell(LIVE)))
    came_to(desk, placed, "0")
    desk.see(order.tell(DONE, "1"))

    part = desk.book.part(ClientId("alice"), PositionSide.NET)
    assert (part.planned, part.target) == (0, 0)


def test_orders_that_do_not_wait_are_copied_by_their_fills() -> None:
    """A market order, and a limit order heard of only when it was filled, go as in mode `fills`."""
    desk, order = Desk(product_of(mirrored())), Leader("2")

    assert asked(desk.see(market("1", Side.BUY, "1"))) == [(Action.PLACE, Side.BUY, "0.5", None)]
    assert asked(desk.see(order.tell(DONE, "1"))) == [(Action.PLACE, Side.BUY, "0.5", None)]


def test_one_leader_order_in_both_modes() -> None:
    """Of two clients one mirrors and one copies fills: each is copied once."""
    desk, order = Desk(product_of(mirrored("alice"), follower("bob", "0.5"))), Leader("1")

    placed, done = desk.see(order.tell(LIVE)), desk.see(order.tell(DONE, "1"))
    assert isinstance(placed, Plan)
    assert isinstance(done, Plan)
    assert [(each.client, each.order_type) for each in placed.intents] == [("alice", OrderType.LIMIT)]
    assert [(each.client, each.order_type) for each in done.intents] == [("bob", OrderType.MARKET)]
    assert desk.planned("alice") == desk.planned("bob") == D("0.5")


_moves = st.lists(
    st.tuples(st.sampled_from(["fill", "amend", "finish"]), st.integers(1, 9), st.integers(0, 10)), max_size=8
)


@given(_moves, st.sampled_from([DONE, GONE]), st.integers(0, 10), st.booleans())
def test_a_part_ends_as_what_the_mirrors_came_to(
    moves: list[tuple[str, int, int]], end: OrderStatus, share: int, before: bool
) -> None:
    """Law: whatever was filled, amended and told in whichever order, `planned` ends as what the venue did."""
    desk, order = Desk(product_of(mirrored())), Leader("1")
    placed = first(desk.see(order.tell(LIVE, quantity="10")))
    filled, quantity, price = D(0), D(10), D(100)
    for what, number, _ in moves:
        if what == "fill":
            filled = min(filled + D(number) / 10, quantity)
        elif what == "amend":
            quantity, price = max(filled, D(number)), D(90 + number)
        status = PART if filled else LIVE
        if filled < quantity:
            desk.see(order.tell(status, str(filled), str(quantity), str(price)))
    executed = str(quantity * share / 20)
    if before:
        came_to(desk, placed, executed)
    desk.see(order.tell(end, str(quantity if end is DONE else filled), str(quantity), str(price)))
    if not before:
        came_to(desk, placed, executed)

    part = desk.book.part(ClientId("alice"), PositionSide.NET)
    assert part.planned == D(executed)
    assert desk.book.resting == {}
    assert 0 <= part.target <= D(quantity) / 2


def test_an_event_is_planned_the_same_again() -> None:
    """A repeated fact of a mirrored order plans nothing."""
    desk, order = Desk(product_of(mirrored())), Leader("1")
    told = order.tell(LIVE)
    desk.see(told)

    assert desk.see(told) is Reason.NO_NEW_FILL
    assert isinstance(desk.event(told), LeaderEvent)


NAMED = {"naming": frozenset({Venue.OKX}), "firing": frozenset({Venue.BITGET})}


class Conditional:
    """A conditional order of the leader, and what it has become."""

    def __init__(self, kind: TriggerKind = TriggerKind.STOP_LOSS, side: Side = Side.SELL) -> None:
        self._kind, self._side = kind, side

    def tell(self, status: OrderStatus, price: str = "90", quantity: str = "4") -> OrderFact:
        return self._told("9", status, D(quantity), trigger=Trigger(kind=self._kind, price=D(price)))

    def became(self, filled: str, quantity: str = "4") -> OrderFact:
        status = DONE if filled == quantity else PART
        return self._told("10", status, D(quantity), cum_filled=D(filled), parent=VenueOrderId("9"))

    def _told(self, number: str, status: OrderStatus, quantity: Decimal, **more: object) -> OrderFact:
        Leader.ts += MS
        return fact(
            venue_order_id=VenueOrderId(number),
            side=self._side,
            reduce_only=self._kind is not TriggerKind.ENTRY,
            order_type=OrderType.MARKET,
            status=status,
            quantity=quantity,
            **{"cum_filled": D(0), **more},
            average_price=None,
            price=None,
            ts_venue=Leader.ts,
        )


def test_a_stop_loss_is_mirrored_and_what_it_becomes_is_counted() -> None:
    """The follower's stop waits at the same price with its share; the leader's fills make no second close."""
    desk, stop = Desk(product_of(mirrored())), Conditional()
    desk.see(market("1", Side.BUY, "4"))
    placed = first(desk.see(stop.tell(LIVE), **NAMED))
    assert placed.trigger == Trigger(kind=TriggerKind.STOP_LOSS, price=D(90))
    assert (placed.quantity, placed.reduce_only, placed.order_type) == (2, True, OrderType.MARKET)
    assert placed.request.trigger == placed.trigger

    assert asked(desk.see(stop.tell(OrderStatus.TRIGGERED), **NAMED)) == []
    assert asked(desk.see(stop.became("1"), **NAMED)) == []
    came_to(desk, placed, "-2")
    assert asked(desk.see(stop.became("4"), **NAMED)) == []
    assert desk.planned("alice") == 0


def test_a_moved_trigger_is_another_order_in_its_place() -> None:
    """No venue moves a trigger for us: the old order is taken back, and the new one is sent if it was."""
    desk, stop = Desk(product_of(mirrored())), Conditional()
    desk.see(market("1", Side.BUY, "4"))
    placed = first(desk.see(stop.tell(LIVE), **NAMED))
    made = desk.see(stop.tell(LIVE, "95"), **NAMED)

    assert isinstance(made, Plan)
    cancel, anew = made.intents
    assert (cancel.action, cancel.acts_on) == (Action.CANCEL, placed.client_order_id)
    assert (anew.action, anew.acts_on, anew.trigger and anew.trigger.price) == (
        Action.PLACE,
        placed.client_order_id,
        D(95),
    )
    assert anew.request.client_order_id == anew.ref.client_order_id == anew.client_order_id
    row = msgspec.structs.replace(journal_row(cancel, anew))
    assert not journal.is_free(row, anew)
    accepted = msgspec.structs.replace(cancel, state=CopyState.ACCEPTED)
    assert journal.is_free(row.with_intents({cancel.client_order_id: accepted}), anew)


def test_a_stop_without_a_quantity_closes_all_of_the_part() -> None:
    """A position's own stop loss names no quantity: the mirror's is the whole part."""
    desk = Desk(product_of(mirrored()))
    desk.see(market("1", Side.BUY, "4"))

    assert first(desk.see(Conditional().tell(LIVE, quantity="0"), **NAMED)).quantity == 2


def test_where_what_fires_cannot_be_told_apart_it_is_copied_by_its_fills() -> None:
    """A venue that does not name the conditional order gets none of its leaders' mirrored."""
    desk, stop = Desk(product_of(mirrored())), Conditional()
    desk.see(market("1", Side.BUY, "4"))

    assert desk.see(stop.tell(LIVE)) is Reason.NO_NEW_FILL
    assert asked(desk.see(market("2", Side.SELL, "4", reduce_only=True))) == [
        (Action.PLACE, Side.SELL, "2", None)
    ]


def test_a_cancelled_stop_takes_its_mirror_with_it() -> None:
    """Nothing of it waits on."""
    desk, stop = Desk(product_of(mirrored())), Conditional()
    desk.see(market("1", Side.BUY, "4"))
    placed = first(desk.see(stop.tell(LIVE), **NAMED))
    cancel = first(desk.see(stop.tell(GONE), **NAMED))

    assert (cancel.action, cancel.acts_on) == (Action.CANCEL, placed.client_order_id)
    assert desk.planned("alice") == 2


def test_a_follower_whose_fired_orders_have_no_name_of_ours_is_closed_by_the_fills() -> None:
    """Where we could not tell what our own conditional order has become, none is placed."""
    desk, stop = Desk(product_of(mirrored())), Conditional()
    desk.see(market("1", Side.BUY, "4"))
    skipped = first(desk.see(stop.tell(LIVE), naming=NAMED["naming"]))
    assert (skipped.state, skipped.reason) == (CopyState.SKIPPED, Reason.NOT_MIRRORED)

    assert asked(desk.see(stop.became("4"), naming=NAMED["naming"])) == [(Action.PLACE, Side.SELL, "2", None)]
    assert desk.planned("alice") == 0


def test_one_of_a_pair_is_copied_by_its_fills() -> None:
    """What one of two conditional orders becomes does not say which of them it was: neither is mirrored."""
    desk, stop = Desk(product_of(mirrored())), Conditional()
    desk.see(market("1", Side.BUY, "4"))
    told = stop.tell(LIVE)
    assert told.trigger is not None
    paired = msgspec.structs.replace(told, trigger=msgspec.structs.replace(told.trigger, paired=True))

    assert desk.see(paired, **NAMED) is Reason.NO_NEW_FILL
