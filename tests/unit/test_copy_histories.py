"""Long histories of two products that trade one account: what is held is what was planned, at every step.

The leaders trade, amend, cancel and flip; the follower's venue fills what it is asked for, cuts what only
reduces to what the account holds, refuses some, and fills resting orders when it likes; the client joins and
leaves in the middle of it. One product is copied by fills, the other by its resting orders.
"""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spider_common.domain import mirroring
from spider_common.domain.adjusting import adjust
from spider_common.domain.identifiers import ClientId, ClientOrderId, ProductId, VenueOrderId
from spider_common.domain.intents import Action, DeskAction, DeskEvent, Intent
from spider_common.domain.journal import withdraw
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.planning import Plan
from spider_common.domain.positions import Book, Part
from spider_common.domain.products import CopyMode, Product
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from tests.desk import LEADER, Desk, follower, instruments
from tests.strategies import MS, TS, fact

D, NET, ALICE = Decimal, PositionSide.NET, ClientId("alice")
LOT = D("0.01")
SYMBOL = "BTC-USDT-SWAP"
thousandths = st.integers(1, 3000).map(lambda number: D(number).scaleb(-3))
FILLS, ORDERS = ProductId("fills"), ProductId("orders")


class Account:
    """The follower's account in net mode: a position, and resting orders."""

    def __init__(self) -> None:
        self.position = ZERO
        self.resting: dict[ClientOrderId, Intent] = {}
        self.filled: dict[ClientOrderId, Decimal] = {}

    def fill(self, intent: Intent, quantity: Decimal) -> Decimal:
        """Fills so much of an order (unsigned); what only reduces is cut to what is held."""
        if intent.reduce_only:
            room = abs(self.position) if self.position * intent.side.sign < 0 else ZERO
            quantity = min(quantity, room)
        self.position += intent.side.sign * quantity
        return quantity


class Histories(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account()
        self.ts, self.orders, self.events = TS, 0, 0
        self.leader: dict[ProductId, Decimal] = {FILLS: ZERO, ORDERS: ZERO}
        self.open: OrderFact | None = None
        self.refused = False

    @initialize(fills=st.sampled_from(["1", "0.37", "2.5"]), orders=st.sampled_from(["0.5", "1.3"]))
    def follow(self, fills: str, orders: str) -> None:
        mirrored = msgspec.structs.replace(follower("alice", orders), mode=CopyMode.ORDERS)
        self.desks = {
            name: Desk(
                Product(product=name, leader=LEADER, subscriptions=(subscription,)), instruments(str(LOT))
            )
            for name, subscription in ((FILLS, follower("alice", fills)), (ORDERS, mirrored))
        }

    # What the leaders do

    @rule(
        name=st.sampled_from([FILLS, ORDERS]),
        side=st.sampled_from(Side),
        parts=st.lists(thousandths, min_size=1, max_size=3),
        reduce_only=st.booleans(),
        refuses=st.integers(0, 5).map(lambda number: number == 5),
    )
    def trade(
        self, name: ProductId, side: Side, parts: list[Decimal], reduce_only: bool, refuses: bool
    ) -> None:
        """A market order that fills in parts; one that only reduces is cut by the leader's venue."""
        position, filled = self.leader[name], ZERO
        room = abs(position) if position * side.sign < 0 else ZERO
        quantity = min(sum(parts, ZERO), room) if reduce_only else sum(parts, ZERO)
        self.orders += 1
        for part in parts:
            filled = min(filled + part, quantity)
            status = OrderStatus.FILLED if filled == quantity else OrderStatus.PARTIALLY_FILLED
            told = self._fact(self.orders, side, quantity, filled, status, reduce_only=reduce_only)
            self._see(name, told, refuses=refuses)
        self.leader[name] = position + side.sign * filled

    @precondition(lambda self: self.open is None)
    @rule(side=st.sampled_from(Side), quantity=thousandths, reduce_only=st.booleans())
    def rest(self, side: Side, quantity: Decimal, reduce_only: bool) -> None:
        """The leader places a limit order."""
        position = self.leader[ORDERS]
        if reduce_only:
            quantity = min(quantity, abs(position) if position * side.sign < 0 else ZERO)
        if quantity:
            self.orders += 1
            self._rest(
                self._fact(
                    self.orders,
                    side,
                    quantity,
                    ZERO,
                    OrderStatus.LIVE,
                    order_type=OrderType.LIMIT,
                    price=D(100),
                    reduce_only=reduce_only,
                )
            )

    @precondition(lambda self: self.open is not None and not self.open.reduce_only)
    @rule(quantity=thousandths, price=st.integers(90, 110))
    def amend(self, quantity: Decimal, price: int) -> None:
        assert self.open is not None
        quantity = max(quantity, self.open.cum_filled + LOT)
        self._rest(self._next(quantity=quantity, price=D(price)))

    @precondition(lambda self: self.open is not None)
    @rule(share=st.integers(1, 4))
    def fill(self, share: int) -> None:
        """A quarter or more of the rest of the leader's limit order is filled."""
        assert self.open is not None
        rest = self.open.quantity - self.open.cum_filled
        change = rest * share / 4
        if self.open.reduce_only:  # the leader may have closed by other orders meanwhile
            position = self.leader[ORDERS]
            change = min(change, abs(position) if position * self.open.side.sign < 0 else ZERO)
        if not change:
            return
        self.leader[ORDERS] += self.open.side.sign * change
        filled = self.open.cum_filled + change
        status = OrderStatus.FILLED if filled == self.open.quantity else OrderStatus.PARTIALLY_FILLED
        self._rest(self._next(cum_filled=filled, status=status))

    @precondition(lambda self: self.open is not None)
    @rule()
    def cancel(self) -> None:
        self._rest(self._next(status=OrderStatus.CANCELED))

    # What the follower's venue and the desk do

    @precondition(lambda self: bool(self.account.resting))
    @rule(share=st.integers(1, 4), number=st.integers(0, 3))
    def fill_resting(self, share: int, number: int) -> None:
        """The follower's own resting order is filled, whatever the leader's is."""
        name, intent = list(self.account.resting.items())[number % len(self.account.resting)]
        rest = intent.quantity - self.account.filled[name]
        self.account.filled[name] += self.account.fill(intent, rest * share // 4 // LOT * LOT or rest)
        if self.account.filled[name] >= intent.quantity:
            self._over(name)

    @rule(
        name=st.sampled_from([FILLS, ORDERS]), action=st.sampled_from([DeskAction.ALIGN, DeskAction.CATCH_UP])
    )
    def adjust(self, name: ProductId, action: DeskAction) -> None:
        self._adjust(name, action)

    @rule(name=st.sampled_from([FILLS, ORDERS]))
    def leave_and_join(self, name: ProductId) -> None:
        """The client leaves, its part is closed, and it joins again with nothing."""
        self._adjust(name, DeskAction.CLOSE)

    # Laws

    @invariant()
    def what_is_held_is_what_was_planned(self) -> None:
        """The account holds what the two parts plan, but for resting orders that are not over."""
        planned = sum((self._part(name).planned for name in self.desks), ZERO)
        counted = unsettled = ZERO
        for cursor in self.desks[ORDERS].cursors.values():
            for mirror in cursor.mirrors.values():
                if not mirror.settled:
                    counted += mirror.counted
        for cursor in self.desks[ORDERS].cursors.values():
            for mirror in cursor.mirrors.values():
                if not mirror.settled:
                    for order, came_to in mirror.orders.items():
                        signed = self._executed(order) if came_to is None else came_to
                        unsettled += signed
        assert self.account.position == planned - counted + unsettled

    @invariant()
    def copies_keep_to_the_rule(self) -> None:
        """While nothing was refused, the part copied by fills is within a lot of its target."""
        if not self.refused:
            part = self._part(FILLS)
            assert abs(part.planned - part.target) < LOT

    @invariant()
    def the_book_knows_the_leader(self) -> None:
        for name, desk in self.desks.items():
            assert desk.book.leader.get(NET, ZERO) == self.leader[name]

    # How it is done

    def _part(self, name: ProductId) -> Part:
        return self.desks[name].book.part(ALICE, NET)

    def _executed(self, order: ClientOrderId) -> Decimal:
        intent = self._intents[order]
        return intent.side.sign * self.account.filled.get(order, ZERO)

    @property
    def _intents(self) -> dict[ClientOrderId, Intent]:
        return {each.client_order_id: each for desk in self.desks.values() for each in desk.intents}

    def _fact(
        self, number: int, side: Side, quantity: Decimal, filled: Decimal, status: OrderStatus, **more: object
    ) -> OrderFact:
        self.ts += MS
        return fact(
            venue_order_id=VenueOrderId(str(number)),
            side=side,
            quantity=quantity,
            cum_filled=filled,
            status=status,
            ts_venue=self.ts,
            **more,
        )

    def _next(self, **changes: object) -> OrderFact:
        assert self.open is not None
        self.ts += MS
        return msgspec.structs.replace(self.open, ts_venue=self.ts, **changes)

    def _rest(self, told: OrderFact) -> None:
        self.open = None if told.status.is_final else told
        self._see(ORDERS, told)

    def _see(self, name: ProductId, told: OrderFact, *, refuses: bool = False) -> None:
        before = self._part(name)
        made = self.desks[name].see(told)
        if isinstance(made, Plan):
            self._check(before, made)
            self._carry_out(name, made, refuses=refuses)
        else:
            assert made in {Reason.NO_NEW_FILL, Reason.OLDER_FACT}

    def _adjust(self, name: ProductId, action: DeskAction) -> None:
        desk = self.desks[name]
        self.events += 1
        event = DeskEvent(
            product=name,
            shard=0,
            shards=1,
            client=ALICE,
            symbol=SYMBOL,
            leader_side=NET,
            action=action,
            cause="history",
            ts_asked=self.ts + self.events,
        )
        made = adjust(event, msgspec.structs.replace(desk.situation(fact()), cursor=None, now=self.ts))
        assert isinstance(made, Plan)
        self._check(self._part(name), made)
        desk.book = made.book
        desk.intents.extend(made.intents)
        self._carry_out(name, made, refuses=False)

    def _carry_out(self, name: ProductId, made: Plan, *, refuses: bool) -> None:
        """What the venue makes of a plan's requests, in their order."""
        for intent in made.intents:
            if intent.state is not CopyState.PLANNED:
                continue
            if intent.action is Action.CANCEL:
                assert intent.acts_on is not None
                if intent.acts_on in self.account.resting:
                    self._over(intent.acts_on)
            elif intent.action is Action.AMEND:
                self._amended(intent)
            elif intent.order_type is OrderType.LIMIT:
                self.account.resting[intent.client_order_id] = intent
                self.account.filled[intent.client_order_id] = ZERO
            else:
                filled = ZERO if refuses else self.account.fill(intent, intent.quantity)
                missed = intent.quantity - filled
                self.refused |= bool(missed) and name == FILLS
                desk = self.desks[name]
                desk.book = withdraw(desk.book, intent, missed) if missed else desk.book

    def _check(self, before: Part, made: Plan) -> None:
        """Whole lots; and what reduces is no more than there was, and against it."""
        planned = [each for each in made.intents if each.state is CopyState.PLANNED]
        for intent in planned:
            assert intent.quantity % LOT == 0
            assert intent.quantity >= LOT or intent.action is Action.CANCEL
        closing = sum((each.counts for each in planned if each.reduce_only), ZERO)
        assert closing * before.planned <= 0
        assert abs(closing) <= abs(before.planned)

    def _amended(self, change: Intent) -> None:
        assert change.acts_on is not None
        resting = self.account.resting.get(change.acts_on)
        if resting is None:
            return  # it was over: the venue has refused the amendment
        self.account.resting[change.acts_on] = msgspec.structs.replace(resting, quantity=change.quantity)
        if self.account.filled[change.acts_on] >= change.quantity:
            self._over(change.acts_on)

    def _over(self, order: ClientOrderId) -> None:
        intent = self.account.resting.pop(order)
        desk = self.desks[ORDERS]
        assert intent.mirrors is not None
        executed = intent.side.sign * self.account.filled[order]
        cursor, book = mirroring.finish(desk.cursors[intent.mirrors], desk.book, intent, order, executed)
        desk.cursors[intent.mirrors], desk.book = cursor, book


Histories.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHistories = pytest.mark.filterwarnings("default")(Histories.TestCase)


def test_an_empty_book_is_flat() -> None:
    """The histories begin with nothing."""
    assert Book().part(ALICE, NET) == Part()
