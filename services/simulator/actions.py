"""What a test or a demo may do to a venue, as data. Pure but for the sockets that `apply` breaks."""

from decimal import Decimal
from typing import Literal

import msgspec

from services.simulator.accounts import Account, Credentials, KeyRight
from services.simulator.faults import Fault
from services.simulator.ledger import PositionMode
from services.simulator.rules import NewOrder
from services.simulator.triggers import TriggerKind
from services.simulator.venue import Venue


class _Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    pass


class OpenAccount(_Action, frozen=True, tag="open_account"):
    """Gives the venue one more account."""

    name: str
    credentials: Credentials
    balances: dict[str, Decimal]
    position_mode: PositionMode = "net"
    rights: tuple[KeyRight, ...] = ("read", "trade")
    addresses: tuple[str, ...] = ()


class SetPrice(_Action, frozen=True, tag="set_price"):
    """The next step of an instrument's price path. `depth` bounds what waits at the price (see `Market`)."""

    symbol: str
    price: Decimal
    depth: Decimal | None = None


class Place(_Action, frozen=True, tag="place"):
    """An order as its owner would place it by hand."""

    account: str
    order: NewOrder


class Amend(_Action, frozen=True, tag="amend"):
    """Changes an open order, named by its client order id."""

    account: str
    symbol: str
    client_order_id: str
    size: Decimal | None = None
    price: Decimal | None = None


class Cancel(_Action, frozen=True, tag="cancel"):
    """Takes back an open order, named by its client order id."""

    account: str
    symbol: str
    client_order_id: str


class CloseOut(_Action, frozen=True, tag="close_out"):
    """The venue closes an account's positions in an instrument: a liquidation, of all or of a `share`, or
    auto-deleveraging."""

    account: str
    symbol: str
    category: Literal["full_liquidation", "partial_liquidation", "adl"] = "full_liquidation"
    share: Decimal = Decimal(1)


class PlaceConditional(_Action, frozen=True, tag="place_conditional"):
    """An order that waits until the price is `trigger`, as its owner would place it by hand."""

    account: str
    order: NewOrder
    kind: TriggerKind
    trigger: Decimal


class MoveTrigger(_Action, frozen=True, tag="move_trigger"):
    """Lets a waiting order, named by the venue's id, wait for another price."""

    account: str
    order_id: str
    trigger: Decimal


class CancelConditional(_Action, frozen=True, tag="cancel_conditional"):
    """Takes back a waiting order, named by the venue's id."""

    account: str
    order_id: str


class Arm(_Action, frozen=True, tag="arm"):
    """Arms a fault."""

    fault: Fault


class DropSockets(_Action, frozen=True, tag="drop_sockets"):
    """Breaks every private socket of an account, now."""

    account: str


class AnnounceClose(_Action, frozen=True, tag="announce_close"):
    """Tells every private socket of an account that its end has come, in the venue's way: OKX's notice
    64008 a minute before closing, BingX's expired listen key."""

    account: str


class Silence(_Action, frozen=True, tag="silence"):
    """Leaves every private socket of an account open and silent for `duration` ns."""

    account: str
    duration: int


class SkewClock(_Action, frozen=True, tag="skew_clock"):
    """Sets the venue's clock `ahead` ns of the true one; behind it where negative."""

    ahead: int


Action = (
    OpenAccount
    | SetPrice
    | Place
    | Amend
    | Cancel
    | CloseOut
    | PlaceConditional
    | MoveTrigger
    | CancelConditional
    | Arm
    | DropSockets
    | AnnounceClose
    | Silence
    | SkewClock
)


def apply(venue: Venue, action: Action) -> str:
    """Does it, pushes what came of it, and returns the venue's order id where there is one, else "".

    Raises:
        RefusedError: the venue does not take the order or the change.
        ValueError: a name that is taken, an account that is not there, or a fault that could never strike.
    """
    exchange, now = venue.exchange, venue.clock.now()
    order_id = ""
    match action:
        case OpenAccount():
            opened = exchange.open_account(
                action.name,
                action.credentials,
                position_mode=action.position_mode,
                balances=action.balances,
            )
            opened.rights, opened.addresses = action.rights, action.addresses
        case SetPrice():
            exchange.set_price(action.symbol, action.price, action.depth, now)
        case Place():
            order_id = exchange.place(_account(venue, action.account), action.order, now).order_id
        case Amend():
            order_id = exchange.amend(
                _account(venue, action.account),
                action.symbol,
                client_order_id=action.client_order_id,
                size=action.size,
                price=action.price,
                now=now,
            ).order_id
        case Cancel():
            order_id = exchange.cancel(
                _account(venue, action.account),
                action.symbol,
                client_order_id=action.client_order_id,
                now=now,
            ).order_id
        case CloseOut():
            owner = _account(venue, action.account)
            made = exchange.close_out(owner, action.symbol, action.category, action.share, now)
            order_id = made[-1].order_id
        case PlaceConditional():
            owner = _account(venue, action.account)
            order_id = venue.conditionals.wait(owner, action.order, action.kind, action.trigger, now)
        case MoveTrigger():
            order_id = action.order_id
            venue.conditionals.move(_account(venue, action.account), order_id, action.trigger, now)
        case CancelConditional():
            order_id = action.order_id
            venue.conditionals.call_off(_account(venue, action.account), order_id, now)
        case Arm():
            venue.faults.arm(action.fault)
        case DropSockets():
            venue.drop_sockets(action.account)
        case AnnounceClose():
            for session in venue.sessions(action.account):
                session.announce_close()
        case Silence():
            venue.silence(action.account, now + action.duration)
        case SkewClock():
            venue.clock.ahead = action.ahead
    venue.publish()
    return order_id


def _account(venue: Venue, name: str) -> Account:
    account = venue.exchange.accounts.get(name)
    if account is None:
        raise ValueError(f"account {name!r} is not open at {venue.name}: open it first (open_account)")
    return account
