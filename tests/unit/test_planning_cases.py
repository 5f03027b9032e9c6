"""The planner's decisions one by one: every reason has a case that produces it."""

from decimal import Decimal

import msgspec
import pytest

from spider_common.domain.drafting import UnknownInstrument
from spider_common.domain.identifiers import AccountId, ClientId, ClientOrderId, EventId, Venue, VenueOrderId
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, PositionSide, Side
from spider_common.domain.planning import Plan
from spider_common.domain.positions import LegKind, Part, Waiting, part_key
from spider_common.domain.products import Equity, EquityProportional, Product, Subscription
from spider_common.domain.reasons import Reason
from tests.desk import Desk, follower, instruments, only, product_of, states
from tests.strategies import MS, TS, fact

SKIPPED, DENIED, PLANNED, HELD = CopyState.SKIPPED, CopyState.DENIED, CopyState.PLANNED, CopyState.HELD


def _bought(filled: str, number: int = 1, **fields: object) -> OrderFact:
    return fact(venue_order_id=VenueOrderId(str(number)), cum_filled=Decimal(filled), **fields)


def _sold(filled: str, number: int = 2, **fields: object) -> OrderFact:
    return _bought(filled, number, side=Side.SELL, **fields)


def _replaced(product: Product, **fields: object) -> Product:
    return msgspec.structs.replace(product, **fields)


def test_an_open_is_scaled() -> None:
    """Base quantity times ratio, in the follower's own symbol and size, at the leader's price."""
    desk = Desk(product_of(follower("alice", "0.5")))
    order = only(desk.see(_bought("1")))

    assert (order.state, order.leg, order.side, order.reduce_only) == (PLANNED, LegKind.OPEN, Side.BUY, False)
    assert (order.symbol, order.quantity, order.size) == ("BTCUSDT", Decimal("0.5"), Decimal("0.5"))
    assert order.reference_price == 60_000
    assert order.account == desk.product.subscriptions[0].account


def test_contracts_are_counted_in_the_followers_unit() -> None:
    """Half a coin at a venue whose contract is 0.01 coins is 50 contracts."""
    alice = follower("alice", "0.5")
    okx = msgspec.structs.replace(alice.account, venue=Venue.OKX)
    order = only(Desk(product_of(msgspec.structs.replace(alice, account=okx))).see(_bought("1")))

    assert (order.symbol, order.quantity, order.size) == ("BTC-USDT-SWAP", Decimal("0.5"), Decimal(50))


def test_a_flip_closes_and_then_opens() -> None:
    """One leader order through zero is two follower orders with two ids, on both sides of a hedge."""
    desk = Desk(product_of(follower("alice", hedge_mode=True)))
    desk.see(_bought("1"))
    made = desk.see(_sold("3"))

    assert isinstance(made, Plan)
    close, opening = made.intents
    assert (close.leg, close.side, close.position_side) == (LegKind.CLOSE, Side.SELL, PositionSide.LONG)
    assert (opening.leg, opening.side, opening.position_side) == (
        LegKind.OPEN,
        Side.SELL,
        PositionSide.SHORT,
    )
    assert [close.quantity, opening.quantity, desk.planned("alice")] == [1, 2, -2]
    assert close.client_order_id != opening.client_order_id


def test_a_close_of_what_was_there_before_is_not_copied() -> None:
    """The leader closes a position from before the product: no order, and no short of our own."""
    desk = Desk(product_of(follower("alice")))
    made = desk.see(_sold("1", reduce_only=True))

    assert isinstance(made, Plan)
    assert made.intents == ()
    assert made.cursor.cum_filled == 1
    assert desk.planned("alice") == 0


def test_baseline_moves_only_the_cursor() -> None:
    """An order from before the product plans nothing; its fills after that are copied."""
    desk = Desk(product_of(follower("alice")))
    made = desk.see(_bought("0.4", status=OrderStatus.PARTIALLY_FILLED), baseline=True)

    assert isinstance(made, Plan)
    assert (made.intents, made.cursor.cum_filled, made.cursor.ts_venue) == ((), Decimal("0.4"), TS)
    assert made.book == Desk(desk.product).book
    assert only(desk.see(_bought("1"))).quantity == Decimal("0.6")


def test_no_new_fill_and_older_facts() -> None:
    """Placed, amended, cancelled: nothing to copy. Less filled than was planned: an older fact."""
    desk = Desk(product_of(follower("alice")))

    assert desk.see(_bought("0", status=OrderStatus.LIVE)) is Reason.NO_NEW_FILL
    desk.see(_bought("0.5", status=OrderStatus.PARTIALLY_FILLED))
    assert desk.see(_bought("0.5", quantity=Decimal(9), ts_venue=TS + 1)) is Reason.NO_NEW_FILL
    assert desk.see(_bought("0.5", status=OrderStatus.CANCELED)) is Reason.NO_NEW_FILL
    assert desk.see(_bought("0.4", ts_venue=TS + 9)) is Reason.OLDER_FACT


def test_below_minimum_is_carried() -> None:
    """Fills too small to copy are skipped one by one and copied together once they are large enough."""
    desk = Desk(product_of(follower("alice")), instruments("0.01", "0.05"))

    assert states(desk.see(_bought("0.02"))) == [(SKIPPED, Reason.BELOW_MINIMUM)]
    assert states(desk.see(_bought("0.04"))) == [(SKIPPED, Reason.BELOW_MINIMUM)]
    assert only(desk.see(_bought("0.06"))).quantity == Decimal("0.06")
    assert states(desk.see(_bought("0.065"))) == [(SKIPPED, Reason.BELOW_MINIMUM)]


def test_a_rest_that_could_never_be_closed_is_closed_at_once() -> None:
    """A close that would leave less than the minimum closes all: the venue would refuse the rest alone."""
    desk = Desk(product_of(follower("alice")), instruments("0.01", "0.05"))
    desk.see(_bought("0.07"))

    assert only(desk.see(_sold("0.05", 2))).quantity == Decimal("0.07")
    assert states(desk.see(_sold("0.02", 3))) == [(SKIPPED, Reason.NOTHING_TO_CLOSE)]
    assert desk.planned("alice") == 0


def test_nothing_to_close() -> None:
    """A follower that holds nothing of what the leader reduces is skipped."""
    desk = Desk(product_of(follower("alice", "0.0001")))
    desk.see(_bought("1"))

    assert states(desk.see(_sold("0.5"))) == [(SKIPPED, Reason.NOTHING_TO_CLOSE)]


def test_no_instrument() -> None:
    """A follower whose venue does not list it is skipped; the others are not."""
    alice, bob = follower("alice"), follower("bob")
    bingx = msgspec.structs.replace(alice.account, venue=Venue.BINGX)
    made = Desk(product_of(msgspec.structs.replace(alice, account=bingx), bob)).see(_bought("1"))

    assert states(made) == [(SKIPPED, Reason.NO_INSTRUMENT), (PLANNED, "")]


def test_the_leaders_own_instrument_must_be_known() -> None:
    """Without it nothing can be scaled: an error that names the symbol, so that no fill is dropped."""
    desk = Desk(product_of(follower("alice")), InstrumentList([]))

    with pytest.raises(UnknownInstrument, match=r"fact.symbol: okx lists no 'BTC-USDT-SWAP'; refresh"):
        desk.see(_bought("1"))
    assert desk.cursors == {}


def test_position_mode_mismatch() -> None:
    """A hedged leader cannot be copied into a net account; into a hedged one it can."""
    desk = Desk(product_of(follower("alice"), follower("bob", hedge_mode=True)))
    made = desk.see(_bought("1", position_side=PositionSide.LONG))

    assert states(made) == [(DENIED, Reason.POSITION_MODE_MISMATCH), (PLANNED, "")]
    assert desk.planned("alice", PositionSide.LONG) == 0


def test_sides_of_a_hedge_are_two_positions() -> None:
    """A long and a short of one leader are copied beside each other."""
    desk = Desk(product_of(follower("alice", hedge_mode=True)))
    desk.see(_bought("2", 1, position_side=PositionSide.LONG))
    desk.see(_sold("1", 2, position_side=PositionSide.SHORT))
    close = only(desk.see(_sold("0.5", 3, position_side=PositionSide.LONG)))

    assert (close.leg, close.side, close.position_side) == (LegKind.CLOSE, Side.SELL, PositionSide.LONG)
    assert desk.planned("alice", PositionSide.LONG) == Decimal("1.5")
    assert desk.planned("alice", PositionSide.SHORT) == -1


@pytest.mark.parametrize("off", ["product", "client"])
def test_trading_off_denies_opens_and_not_closes(off: str) -> None:
    """Switched off for the product or the client: opens are denied and not caught up, closes go on."""
    alice = follower("alice")
    desk = Desk(product_of(alice))
    desk.see(_bought("1"))
    quiet = (
        _replaced(desk.product, trading=False)
        if off == "product"
        else _replaced(desk.product, subscriptions=(msgspec.structs.replace(alice, trading=False),))
    )

    assert states(desk.see(_bought("1", 2), product=quiet)) == [(DENIED, Reason.TRADING_OFF)]
    assert states(desk.see(_sold("1", 3), product=quiet)) == [(PLANNED, "")]
    assert desk.planned("alice") == Decimal("0.5")
    assert states(desk.see(_sold("3", 4), product=quiet)) == [(PLANNED, ""), (DENIED, Reason.TRADING_OFF)]
    assert desk.planned("alice") == 0


def test_a_stale_signal_opens_nothing_and_closes_all_the_same() -> None:
    """An open is denied above the product's age and planned at it; a close has no age."""
    limit = 30_000 * MS

    for age, expected in [(limit, (PLANNED, "")), (limit + 1, (DENIED, Reason.STALE_SIGNAL))]:
        assert states(Desk(product_of(follower("alice"))).see(_bought("1"), now=TS + age)) == [expected]
    desk = Desk(product_of(follower("alice")))
    desk.see(_bought("1"))
    assert states(desk.see(_sold("1"), now=TS + 1000 * limit)) == [(PLANNED, "")]


def _proportional(name: str) -> Subscription:
    return msgspec.structs.replace(follower(name), sizing=EquityProportional())


def _worth(account: str, worth: int, **fields: object) -> Equity:
    equity = Equity(account=AccountId(account), equity=Decimal(worth), currency="USDT", ts_venue=TS)
    return msgspec.structs.replace(equity, **fields)


def _equities(*known: Equity) -> dict[AccountId, Equity]:
    return {each.account: each for each in known}


def test_equity_proportional() -> None:
    """A tenth of the leader's equity takes a tenth of its size, and closes need no equity at all."""
    desk = Desk(product_of(_proportional("alice")))
    known = _equities(_worth("leader", 1000), _worth("alice-account", 100))

    assert only(desk.see(_bought("1"), equities=known)).quantity == Decimal("0.1")
    assert only(desk.see(_sold("0.5"))).quantity == Decimal("0.05")
    assert only(desk.see(_sold("0.5", 3))).quantity == Decimal("0.05")


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ((), Reason.EQUITY_UNKNOWN),
        ((_worth("leader", 1000),), Reason.EQUITY_UNKNOWN),
        ((_worth("leader", 1000), _worth("alice-account", 1, ts_venue=TS - 1)), Reason.EQUITY_STALE),
        ((_worth("leader", 1000), _worth("alice-account", 1, currency="BTC")), Reason.EQUITY_CURRENCY),
    ],
)
def test_no_usable_equity(known: tuple[Equity, ...], reason: Reason) -> None:
    """An open is skipped and not caught up when the equity comes to be known."""
    desk = Desk(product_of(_proportional("alice")))
    made = desk.see(_bought("1"), equities=_equities(*known), oldest_equity=TS)

    assert states(made) == [(SKIPPED, reason)]
    now_known = _equities(_worth("leader", 1000), _worth("alice-account", 100))
    assert only(desk.see(_bought("1", 2), equities=now_known)).quantity == Decimal("0.1")


def test_waiting_clients_are_held() -> None:
    """What is planned for a client with a doubt is held behind it, in order; everybody else goes on."""
    desk = Desk(product_of(follower("alice"), follower("bob")))
    first = Waiting(ClientOrderId("doubt"), EventId("e0"))
    desk.book = desk.book.with_waiting(ClientId("alice"), (first,))
    one, two = _bought("1"), _sold("3")
    made = [desk.see(one), desk.see(two)]

    assert [states(each) for each in made] == [
        [(HELD, ""), (PLANNED, "")],
        [(HELD, ""), (HELD, ""), (PLANNED, ""), (PLANNED, "")],
    ]
    alice = [intent for intent in desk.intents if intent.client == "alice"]
    events = [one.event_id, two.event_id, two.event_id]
    expected = [
        Waiting(each.client_order_id, event, each.signed) for each, event in zip(alice, events, strict=True)
    ]
    assert desk.book.waiting == {"alice": (first, *expected)}
    assert desk.planned("alice") == desk.planned("bob") == -2


@pytest.mark.parametrize(
    ("hedge_mode", "waits", "quantity"),
    [(False, True, "0.5"), (True, False, "0.5"), (True, True, "0.5"), (False, False, "1.5")],
)
def test_an_open_makes_up_only_for_what_it_can_close(hedge_mode: bool, waits: bool, quantity: str) -> None:
    """What is planned beyond zero is a close that failed. An open in a net account closes it on its way.
    One in a hedged account cannot. And while orders wait it may be an open that was refused before its
    held close: the follower holds nothing, and more than the rule's size would be too much."""
    desk = Desk(product_of(follower("alice", hedge_mode=hedge_mode)))
    client = ClientId("alice")
    failed = Part(target=Decimal(0), planned=Decimal(-1))
    desk.book = desk.book.with_parts({part_key(client, PositionSide.NET): failed})
    if waits:
        desk.book = desk.book.with_waiting(client, (Waiting(ClientOrderId("c0"), EventId("e0")),))

    assert only(desk.see(_bought("0.5"))).quantity == Decimal(quantity)
    assert desk.planned("alice") == Decimal(quantity) - 1


def test_nothing_to_place_is_said_with_the_symbol() -> None:
    """A skipped order still names what it would have traded, for the one who reads the journal."""
    desk = Desk(product_of(follower("alice", "0.0001")))

    assert only(desk.see(_bought("1"))).symbol == "BTCUSDT"


def test_clients_are_planned_by_name() -> None:
    """The order of a plan does not depend on that of the product's list."""
    desk = Desk(product_of(follower("bob"), follower("alice")))
    made = desk.see(_bought("1"))

    assert isinstance(made, Plan)
    assert [intent.client for intent in made.intents] == ["alice", "bob"]
