"""Whether an order may be opened, by the limits of the subscription and of its client. Pure.

`docs/risk.md` has each limit with what it is checked against. A limit that is set and cannot be checked,
because the fact that it needs is missing or too old, denies. What only reduces is never denied.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Final, Literal

import msgspec

from spider_common.domain.instruments import Instrument, InstrumentKind, Mark
from spider_common.domain.orders import PositionSide
from spider_common.domain.products import Limits, Subscription
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from spider_common.domain.sizing import unit_of
from spider_common.domain.standing import Standing, Worth

_S: Final = 1_000_000_000
MARK_AGE: Final = 15 * _S
"""Marks older than this, in ns, do not count: three readings missed."""
EQUITY_AGE: Final = 600 * _S
"""Equities older than this, in ns, do not count: two missed sweeps of five minutes."""
POSITIONS_AGE: Final = EQUITY_AGE
"""Nor do positions after so long without a sweep that names them all, whatever sockets told since."""


_NO_LIMITS: Final = Limits()


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it would be placed.

    Attributes:
        instrument: of the follower's venue.
        position_side: the position of the follower's account that it changes.
        quantity: of the order, signed base quantity.
        after: what the subscription's part comes to with it, signed base quantity.
        reduce_only: it opens nothing, whatever `after` says.
        rests: it waits at the venue for its price, and did not before.
        replaces: of an amendment, the signed base quantity before. One that does not make an order larger is
            held to nothing but its price.
        price: what the leader paid or waits for; None: not known.
        mark: of `instrument`; None: not known.
    """

    instrument: Instrument
    position_side: PositionSide
    quantity: Decimal
    after: Decimal
    reduce_only: bool = False
    rests: bool = False
    replaces: Decimal = ZERO
    price: Decimal | None
    mark: Mark | None

    @property
    def opened(self) -> Decimal:
        """How much of it opens: all of it, or what is beyond zero; base quantity, unsigned."""
        if self.reduce_only or self.quantity * self.after <= 0:
            return ZERO
        return min(abs(self.quantity), abs(self.after))


Need = Literal["marks", "worth", "positions", "open_orders"]
"""A kind of fact that a limit is checked against."""

_NEEDS: Final[Mapping[str, tuple[Need, ...]]] = {
    "fat_finger_bps": ("marks",),
    "max_order_notional": ("marks",),
    "max_position_notional": ("marks", "positions"),
    "max_open_orders": ("open_orders",),
    "max_leverage": ("marks", "worth", "positions"),
    "max_daily_loss": ("worth",),
    "max_drawdown": ("worth",),
}


def needs(subscription: Subscription) -> AbstractSet[Need]:
    """What the limits of a subscription and of its client are checked against."""
    found: set[Need] = set()
    for limits in (subscription.limits, subscription.client_limits):
        if limits != _NO_LIMITS:
            for field, need in _NEEDS.items():
                if getattr(limits, field) is not None:
                    found.update(need)
    return found


def deny(proposal: Proposal, subscription: Subscription, standing: Standing, now: int) -> Reason | None:
    """The first reason not to place the order, in the order of `CHECKS`; None: there is none.

    At each check the subscription's own limits come before its client's.

    `standing`: of the subscription's account. `now`: Unix ns.
    """
    own, of_client = subscription.limits, subscription.client_limits
    if (own == _NO_LIMITS and of_client == _NO_LIMITS) or not proposal.opened:
        return None
    case, grows = _Case(proposal, standing, now), abs(proposal.quantity) > abs(proposal.replaces)
    bounds = ((own, case.of_part), (of_client, case.of_account))
    return next(
        (
            reason
            for check in (CHECKS if grows else (_fat_finger,))
            for limits, position in bounds
            if (reason := check(limits, case, position)) is not None
        ),
        None,
    )


class _Case:
    """A proposal with what is known of its account."""

    def __init__(self, proposal: Proposal, standing: Standing, now: int) -> None:
        self.proposal, self.standing, self.now = proposal, standing, now

    def mark(self) -> Decimal | Reason:
        mark = self.proposal.mark
        if mark is None or mark.price <= 0 or self.now - mark.ts_venue > MARK_AGE:
            return Reason.MARK_UNKNOWN
        return mark.price

    def worth(self) -> Worth | Reason:
        worth = self.standing.worth
        if worth is None:
            return Reason.EQUITY_UNKNOWN
        return Reason.EQUITY_STALE if self.now - worth.latest.ts_venue > EQUITY_AGE else worth

    def of_part(self) -> Decimal | Reason:
        """What the subscription's part comes to, base quantity."""
        return abs(self.proposal.after)

    def of_account(self) -> Decimal | Reason:
        """What the account's position comes to: never less than the part, whose orders may not show yet."""
        proposal, positions = self.proposal, self.standing.positions
        held = positions.held(proposal.instrument, proposal.position_side)
        if held is None or self.unswept(proposal.instrument.kind):
            return Reason.POSITIONS_UNKNOWN
        return max(abs(held.quantity + proposal.quantity), abs(proposal.after))

    def unswept(self, kind: InstrumentKind) -> bool:
        """Whether it is long ago that the venue has named all that is held of a kind."""
        return self.now - self.standing.positions.whole.get(kind, 0) > POSITIONS_AGE


_Position = Callable[[], Decimal | Reason]
_Check = Callable[[Limits, _Case, _Position], Reason | None]
_IN_FULL: Final = 10_000
"""Hundredths of a percent in one."""


def _instrument(limits: Limits, case: _Case, _: _Position) -> Reason | None:
    if not limits.allow and not limits.deny:
        return None
    listed = case.proposal.instrument
    pair = f"{listed.base}/{listed.quote}"
    names = {listed.base, pair if listed.kind is InstrumentKind.SPOT else f"{pair}:{listed.settle}"}
    allowed = not limits.allow or not names.isdisjoint(limits.allow)
    return None if allowed and names.isdisjoint(limits.deny) else Reason.INSTRUMENT_DENIED


def _fat_finger(limits: Limits, case: _Case, _: _Position) -> Reason | None:
    if limits.fat_finger_bps is None:
        return None
    price, mark = case.proposal.price, case.mark()
    if price is None:
        return Reason.PRICE_UNKNOWN
    if isinstance(mark, Reason):
        return mark
    return Reason.FAT_FINGER if abs(price - mark) * _IN_FULL > limits.fat_finger_bps * mark else None


def _order_notional(limits: Limits, case: _Case, _: _Position) -> Reason | None:
    if limits.max_order_notional is None:
        return None
    mark = case.mark()
    if isinstance(mark, Reason):
        return mark
    notional = abs(case.proposal.quantity) * mark
    return Reason.MAX_ORDER_NOTIONAL if notional > limits.max_order_notional else None


def _position_notional(limits: Limits, case: _Case, position: _Position) -> Reason | None:
    if limits.max_position_notional is None:
        return None
    mark, quantity = case.mark(), position()
    if isinstance(mark, Reason):
        return mark
    if isinstance(quantity, Reason):
        return quantity
    return Reason.MAX_POSITION_NOTIONAL if quantity * mark > limits.max_position_notional else None


def _open_orders(limits: Limits, case: _Case, _: _Position) -> Reason | None:
    if limits.max_open_orders is None or not case.proposal.rests:
        return None
    resting = case.standing.open_orders
    if resting is None:
        return Reason.OPEN_ORDERS_UNKNOWN
    return Reason.MAX_OPEN_ORDERS if resting >= limits.max_open_orders else None


def _leverage(limits: Limits, case: _Case, _: _Position) -> Reason | None:
    if limits.max_leverage is None or case.proposal.instrument.kind is InstrumentKind.SPOT:
        return None
    worth, mark, notional = case.worth(), case.mark(), case.standing.notional
    if isinstance(worth, Reason):
        return worth
    if isinstance(mark, Reason):
        return mark
    if notional is None or case.unswept(InstrumentKind.SWAP):
        return Reason.POSITIONS_UNKNOWN
    if unit_of(case.proposal.instrument.quote) != unit_of(worth.latest.currency):
        return Reason.EQUITY_CURRENCY
    notional += case.proposal.opened * mark
    return Reason.MAX_LEVERAGE if notional > limits.max_leverage * worth.latest.equity else None


def _daily_loss(limits: Limits, case: _Case, _: _Position) -> Reason | None:
    if limits.max_daily_loss is None:
        return None
    worth = case.worth()
    if isinstance(worth, Reason):
        return worth
    return Reason.DAILY_LOSS if worth.lost(case.now) > limits.max_daily_loss else None


def _drawdown(limits: Limits, case: _Case, _: _Position) -> Reason | None:
    if limits.max_drawdown is None:
        return None
    worth = case.worth()
    if isinstance(worth, Reason):
        return worth
    below = worth.peak - worth.latest.equity
    return Reason.DRAWDOWN if below > limits.max_drawdown * worth.peak else None


CHECKS: Final[tuple[_Check, ...]] = (
    _instrument,
    _fat_finger,
    _order_notional,
    _position_notional,
    _open_orders,
    _leverage,
    _daily_loss,
    _drawdown,
)
"""What is looked at, in this order: what the order says of itself first, then what it adds to."""
