"""What the desk wants of a part: joiners brought in line, leavers closed, closes made up, drift corrected."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.adjusting import adjust
from spider_common.domain.control import Controls, TradingState
from spider_common.domain.identifiers import ClientId, ClientOrderId, VenueOrderId
from spider_common.domain.intents import Action, DeskAction, DeskEvent
from spider_common.domain.orders import CopyState, PositionSide, Side
from spider_common.domain.planning import Plan
from spider_common.domain.positions import Part, Resting
from spider_common.domain.products import EquityProportional, FixedNotional
from spider_common.domain.reasons import Reason
from tests.desk import Desk, follower, only, product_of
from tests.strategies import TS, fact

D, NET, ALICE = Decimal, PositionSide.NET, ClientId("alice")


def event(action: DeskAction, quantity: str = "0", **more: object) -> DeskEvent:
    return DeskEvent(
        product=product_of().product,
        shard=0,
        shards=1,
        client=ALICE,
        symbol="BTC-USDT-SWAP",
        leader_side=NET,
        action=action,
        cause="test",
        ts_asked=TS,
        quantity=D(quantity),
        **more,
    )


def adjusted(desk: Desk, wanted: DeskEvent, **changes: object) -> Plan | Reason:
    """Plans the event and takes the plan over."""
    situation = msgspec.structs.replace(desk.situation(fact()), cursor=None, **changes)
    made = adjust(wanted, situation)
    if isinstance(made, Plan):
        desk.book = made.book
    return made


NOTHING = Part()


def desk_of(part: Part = NOTHING, *, leader: str = "4", ratio: str = "0.5") -> Desk:
    desk = Desk(product_of(follower("alice", ratio)))
    desk.book = desk.book.with_leader(NET, D(leader)).with_parts({"net/alice": part})
    return desk


def part_of(desk: Desk) -> Part:
    return desk.book.part(ALICE, NET)


def test_a_joiner_is_brought_in_line() -> None:
    """Who joins while the leader holds 4 gets the rule's share of it, once."""
    desk = desk_of()
    intent = only(adjusted(desk, event(DeskAction.ALIGN)))

    assert (intent.side, intent.quantity, intent.reduce_only) == (Side.BUY, 2, False)
    assert part_of(desk) == Part(target=D(2), planned=D(2))
    again = only(adjusted(desk, event(DeskAction.ALIGN)))
    assert (again.state, again.reason) == (CopyState.SKIPPED, Reason.IN_LINE)


def test_a_joiner_whose_rule_lacks_a_fact_gets_nothing() -> None:
    """No equity, no price: skipped with that reason, the part untouched."""
    for sizing, reason in (
        (EquityProportional(), Reason.EQUITY_UNKNOWN),
        (FixedNotional(D(100)), Reason.PRICE_UNKNOWN),
    ):
        desk = desk_of()
        alice = msgspec.structs.replace(follower("alice"), sizing=sizing)
        desk.product = product_of(alice)
        intent = only(adjusted(desk, event(DeskAction.ALIGN)))
        assert (intent.state, intent.reason, part_of(desk)) == (CopyState.SKIPPED, reason, Part())
    priced = only(adjusted(desk, event(DeskAction.ALIGN, reference=D(50))))
    assert priced.quantity == 2  # 100 of value at 50, whatever the leader's position


def test_what_a_halt_missed_is_caught_up() -> None:
    """A close denied under a halt stays in the target; afterwards it is ordered, reduce-only."""
    desk = desk_of(Part(target=D("0.5"), planned=D(2)))
    halted = Controls(all=TradingState.HALTED)
    denied = only(adjusted(desk, event(DeskAction.CATCH_UP), controls=halted))
    assert (denied.state, denied.reason) == (CopyState.DENIED, Reason.HALTED)

    intent = only(adjusted(desk, event(DeskAction.CATCH_UP)))
    assert (intent.side, intent.quantity, intent.reduce_only) == (Side.SELL, D("1.5"), True)
    assert part_of(desk).planned == D("0.5")


def test_leaving_closes_the_part_and_takes_its_orders_back() -> None:
    """Resting copies and the orders named are cancelled first, then the part is closed."""
    desk = desk_of(Part(target=D(2), planned=D(2)))
    rest = Resting(order=ClientOrderId("r" * 32), leader_order=VenueOrderId("1"), side=NET, exposure=D(1))
    desk.book = desk.book.with_resting(ALICE, (rest,))
    named = ClientOrderId("f" * 32)
    made = adjusted(desk, event(DeskAction.CLOSE, cancels=(named,)))

    assert isinstance(made, Plan)
    assert [each.action for each in made.intents] == [Action.CANCEL, Action.CANCEL, Action.PLACE]
    assert [each.acts_on for each in made.intents] == [rest.order, named, None]
    closing = made.intents[-1]
    assert (closing.side, closing.quantity, closing.reduce_only) == (Side.SELL, 2, True)
    assert part_of(desk) == Part()
    assert desk.book.resting == {}


def test_who_does_not_follow_is_told_so() -> None:
    """An event for a client that the product does not have plans nothing, with its reason."""
    desk = desk_of()
    desk.product = product_of(follower("bob"))

    assert adjusted(desk, event(DeskAction.CLOSE)) is Reason.NOT_SUBSCRIBED


@pytest.mark.parametrize("reduces", [False, True])
def test_a_correction_leaves_the_part(reduces: bool) -> None:
    """An order against drift is not what the leader did: target and planned stay. Whether it reduces what
    the account holds says who asks, who has seen the account."""
    part = Part(target=D(2), planned=D(2))
    desk = desk_of(part)
    intent = only(adjusted(desk, event(DeskAction.CORRECT, "-0.5", reduces=reduces)))

    assert (intent.signed, intent.reduce_only, intent.counted) == (D("-0.5"), reduces, False)
    assert part_of(desk) == part


amounts = st.integers(-5000, 5000).map(lambda thousandths: D(thousandths).scaleb(-3))


@given(amounts, amounts, st.sampled_from([each for each in DeskAction if each is not DeskAction.CORRECT]))
def test_one_order_never_crosses_zero(target: Decimal, planned: Decimal, action: DeskAction) -> None:
    """Law: what reduces is at most what is held, and what opens starts from nothing or the same side."""
    desk = desk_of(Part(target=target, planned=planned))
    made = adjusted(desk, event(action))
    assert isinstance(made, Plan)
    intent = made.intents[-1]
    if intent.state is not CopyState.PLANNED:
        return
    if intent.reduce_only:
        assert planned * intent.signed < 0
        assert intent.quantity <= abs(planned)
    else:
        assert planned * intent.signed >= 0
    assert part_of(desk).planned == planned + intent.signed
