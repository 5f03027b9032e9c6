"""Limits and a venue's least value, as plans meet them: fills, mirrors and what the desk asks for."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.held import AccountPositions
from spider_common.domain.identifiers import AccountId, Venue, VenueOrderId
from spider_common.domain.instruments import InstrumentKind, InstrumentList, Mark
from spider_common.domain.intents import Action, Intent
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, OrderType, Side
from spider_common.domain.planning import Plan
from spider_common.domain.positions import LegKind
from spider_common.domain.products import BelowMinimum, CopyMode, Equity, Limits, Subscription
from spider_common.domain.reasons import Reason
from spider_common.domain.standing import Standing, Worth
from tests.desk import Desk, follower, instruments, product_of
from tests.strategies import MS, TS, fact

D = Decimal
ACCOUNT = AccountId("alice-account")


def _alice(**rule: object) -> Subscription:
    return msgspec.structs.replace(follower("alice", "1"), **rule)


def _told(number: int, filled: str, *, order: str = "1", quantity: str = "1", **more: object) -> OrderFact:
    """The leader's order as it is at the `number`th moment, at a price of 100."""
    given: dict[str, object] = {
        "venue_order_id": VenueOrderId(order),
        "quantity": D(quantity),
        "cum_filled": D(filled),
        "average_price": D(100) if D(filled) else None,
        "status": OrderStatus.FILLED if filled == quantity else OrderStatus.PARTIALLY_FILLED,
        "ts_venue": TS + number * MS,
    }
    return fact(**given | more)


def _rests(number: int, *, quantity: str = "1", price: str = "100", **more: object) -> OrderFact:
    status, kind = OrderStatus.LIVE, OrderType.LIMIT
    return _told(number, "0", quantity=quantity, price=D(price), order_type=kind, **{"status": status} | more)


def _worth_listing(notional: str) -> InstrumentList:
    return InstrumentList(
        msgspec.structs.replace(each, minimum_notional=D(notional)) if each.venue is Venue.BITGET else each
        for each in instruments("0.1")
    )


def _standing(lost: int = 0, held: str = "0") -> Standing:
    """An account of 1000 that has lost so much today."""
    latest, opening = (
        Equity(account=ACCOUNT, equity=D(worth), currency="USDT", ts_venue=TS)
        for worth in (1_000 - lost, 1_000)
    )
    return Standing(
        worth=Worth(latest=latest, opening=opening, peak=D(1_000)),
        positions=AccountPositions(whole={InstrumentKind.SWAP: TS}),
        notional=D(held),
        open_orders=0,
    )


def _situation(price: str = "100", **standing: object) -> dict[str, object]:
    mark = Mark(symbol="BTCUSDT", price=D(price), ts_venue=TS)
    return {
        "marks": {Venue.BITGET: {"BTCUSDT": mark}},
        "standings": {ACCOUNT: _standing(**standing)},  # type: ignore[arg-type]  # named as there
    }


def _asked(made: object) -> list[Intent]:
    assert isinstance(made, Plan), made
    return list(made.intents)


def _one(made: object) -> tuple[str, str]:
    """The one intent of a plan: its quantity, or why there is none."""
    (intent,) = _asked(made)
    return str(intent.action), intent.reason or str(intent.quantity.normalize())


@pytest.mark.parametrize(
    ("below", "ordered"),
    [
        (BelowMinimum.CARRY, ["below_minimum", "0.6", "below_minimum"]),
        (BelowMinimum.SKIP, ["below_minimum", "below_minimum", "below_minimum"]),
        (BelowMinimum.ROUND_UP, ["0.5", "0.5", "below_minimum"]),
    ],
)
def test_a_copy_worth_too_little(below: BelowMinimum, ordered: list[str]) -> None:
    """What the venue lets open is worth something: 45 at a price of 100 are five lots. As with lots, less is
    carried, forgotten, or made the least."""
    desk = Desk(product_of(_alice(below_minimum=below)), _worth_listing("45"))
    fills = ("0.3", "0.6", "0.9")

    assert [_one(desk.see(_told(number, filled)))[1] for number, filled in enumerate(fills)] == ordered


def test_a_close_may_be_worth_little() -> None:
    """The least value is of what opens."""
    desk = Desk(product_of(_alice()), _worth_listing("45"))
    desk.see(_told(1, "1"))
    closed = desk.see(_told(2, "0.1", quantity="0.1", order="2", side=Side.SELL, reduce_only=True))

    assert _one(closed) == (Action.PLACE, "0.1")


def test_a_mirror_worth_too_little() -> None:
    """It is not placed; one that is amended to less is taken back, and placed when it is worth it again."""
    subscription = _alice(mode=CopyMode.ORDERS)
    desk = Desk(product_of(subscription), _worth_listing("45"))
    assert _one(desk.see(_rests(1, quantity="0.4"))) == (Action.PLACE, Reason.BELOW_MINIMUM)

    desk = Desk(product_of(subscription), _worth_listing("45"))
    steps = [("1", "100"), ("0.4", "100"), ("0.4", "120")]
    told = [
        _one(desk.see(_rests(number, quantity=quantity, price=price)))
        for number, (quantity, price) in enumerate(steps)
    ]
    assert told == [(Action.PLACE, "1"), (Action.CANCEL, "0"), (Action.PLACE, "0.4")]


def test_a_denied_copy_is_not_made_up() -> None:
    """A limit denies what opens, by the mark of the follower's venue; the part stays as it was, and the
    leader's close finds nothing to close."""
    desk = Desk(product_of(_alice(limits=Limits(max_order_notional=D(99)))))
    assert _one(desk.see(_told(1, "1"), **_situation())) == (Action.PLACE, Reason.MAX_ORDER_NOTIONAL)
    assert desk.planned("alice") == 0
    close = _told(2, "1", order="2", side=Side.SELL, reduce_only=True)
    assert _one(desk.see(close, **_situation())) == (Action.PLACE, Reason.NOTHING_TO_CLOSE)
    assert _one(desk.see(_told(3, "1", order="3"), **_situation("99"))) == (Action.PLACE, "1")


def test_a_flip_that_may_not_open_still_closes() -> None:
    """The close goes, the open is denied by itself."""
    desk = Desk(product_of(_alice(limits=Limits(max_daily_loss=D(10)))))
    desk.see(_told(1, "1"), **_situation())
    flip = desk.see(_told(2, "3", quantity="3", order="2", side=Side.SELL), **_situation(lost=11))
    told = {each.leg: each.reason or str(each.quantity.normalize()) for each in _asked(flip)}

    assert told == {LegKind.CLOSE: "1", LegKind.OPEN: Reason.DAILY_LOSS}
    assert desk.planned("alice") == 0


def test_an_order_that_rests_is_counted() -> None:
    """A mirror is one more at the venue; a copy of a fill is not."""
    limits = Limits(max_open_orders=0)
    mirrors = Desk(product_of(_alice(mode=CopyMode.ORDERS, limits=limits)))
    assert _one(mirrors.see(_rests(1), **_situation())) == (Action.PLACE, Reason.MAX_OPEN_ORDERS)
    fills = Desk(product_of(_alice(limits=limits)))
    assert _one(fills.see(_told(1, "1"), **_situation())) == (Action.PLACE, "1")


def test_a_stop_lets_orders_be_made_smaller() -> None:
    """After a loss a resting order is not made larger, but smaller and to another price."""
    limits = Limits(max_daily_loss=D(10), fat_finger_bps=D(500))
    desk = Desk(product_of(_alice(mode=CopyMode.ORDERS, limits=limits)))
    assert _one(desk.see(_rests(1, quantity="2"), **_situation())) == (Action.PLACE, "2")
    stopped = _situation(lost=11)
    steps = [
        ("3", "100", (Action.PLACE, Reason.DAILY_LOSS)),
        ("1", "100", (Action.AMEND, "1")),
        ("1", "104", (Action.AMEND, "1")),
        ("1", "106", (Action.PLACE, Reason.FAT_FINGER)),
    ]
    for number, (quantity, price, expected) in enumerate(steps, start=2):
        assert _one(desk.see(_rests(number, quantity=quantity, price=price), **stopped)) == expected


_moves = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 30), st.booleans(), st.integers(0, 20)), max_size=8
)


@given(_moves, st.integers(1, 3_000).map(Decimal), st.integers(0, 20).map(Decimal))
def test_a_part_is_what_was_ordered_whatever_is_denied(
    moves: list[tuple[Side, int, bool, int]], notional: Decimal, loss: Decimal
) -> None:
    """Over any history: the part counts the orders that were planned and no others, none of them beyond the
    limit of positions, and what only closes was never denied."""
    limits = Limits(max_position_notional=notional, max_daily_loss=loss)
    desk = Desk(product_of(_alice(limits=limits)))
    for number, (side, tenths, reduce_only, lost) in enumerate(moves, start=1):
        size = str(D(tenths) / 10)
        order = _told(number, size, quantity=size, order=str(number), side=side, reduce_only=reduce_only)
        before = abs(desk.planned("alice"))
        made = desk.see(order, **_situation(lost=lost))
        after = abs(desk.planned("alice"))
        assert after <= before or (after * 100 <= notional and lost <= loss)
        for intent in made.intents if isinstance(made, Plan) else ():
            assert intent.leg is LegKind.OPEN or intent.state is not CopyState.DENIED

    assert sum(desk.ordered.values()) == desk.planned("alice")
