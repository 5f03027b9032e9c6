"""The scenes that `make demo` plays: what the leader and the desk do, and what is seen of it."""

from decimal import Decimal
from typing import Final

import trio

from services.local.cast import (
    ALL,
    DELTA,
    EPSILON,
    ETH,
    MIRRORING,
    ROSA,
    SAUL,
    SOL,
    TINA,
    VERA,
    WANDA,
    early_event,
    instrument_of,
    share_of,
)
from services.local.scenes import Act, Holds, Recorded, Scene, SetAside, Sight, Stage, Traded, Verb
from services.local.seed import Follower
from services.simulator.actions import (
    Action,
    Amend,
    Cancel,
    CancelConditional,
    Place,
    PlaceConditional,
    SetPrice,
)
from services.simulator.ledger import Executed, Kind, Side
from services.simulator.rules import NewOrder
from services.simulator.triggers import TriggerKind
from spider_common.clock import SystemClock
from spider_common.domain.identifiers import Venue
from spider_common.domain.orders import CopyState
from spider_common.domain.positions import LegKind
from spider_common.domain.products import Product
from spider_common.domain.reasons import Reason

# What is done


def _order(
    side: Side,
    quantity: str,
    price: str | None = None,
    *,
    base: str = SOL,
    reduce_only: bool = False,
    name: str = "",
) -> NewOrder:
    """A leader's order of so much base coin."""
    instrument = instrument_of(base)
    return NewOrder(
        symbol=instrument.symbol,
        side=side,
        kind="market" if price is None else "limit",
        size=Decimal(quantity) / instrument.unit,
        price=None if price is None else Decimal(price),
        reduce_only=reduce_only,
        client_order_id=name,
    )


_REST: Final = _order("buy", "10", "140", name="rest")
_SMALL: Final = _order("buy", "0.1", "140", name="small")


def _act(action: Action, venue: Venue = DELTA.venue) -> Act:
    async def act(stage: Stage) -> None:
        await stage.stack.act(action, venue)

    return act


def _place(order: NewOrder) -> Act:
    return _act(Place(account=DELTA.leader, order=order))


def _amend(order: NewOrder, price: str) -> Act:
    name = order.client_order_id
    return _act(Amend(account=DELTA.leader, symbol=order.symbol, client_order_id=name, price=Decimal(price)))


def _cancel(order: NewOrder) -> Act:
    return _act(Cancel(account=DELTA.leader, symbol=order.symbol, client_order_id=order.client_order_id))


def _wait(kind: TriggerKind, order: NewOrder, trigger: str) -> Act:
    waiting = PlaceConditional(account=DELTA.leader, order=order, kind=kind, trigger=Decimal(trigger))

    async def act(stage: Stage) -> None:
        (stage.orders[kind],) = await stage.stack.act(waiting, DELTA.venue)

    return act


def _call_off(kind: TriggerKind) -> Act:
    async def act(stage: Stage) -> None:
        cancel = CancelConditional(account=DELTA.leader, order_id=stage.orders[kind])
        await stage.stack.act(cancel, DELTA.venue)

    return act


def _prices(price: str, base: str = SOL) -> list[Act]:
    """The same price at all venues."""
    return [
        _act(SetPrice(symbol=instrument_of(base, venue).symbol, price=Decimal(price)), venue)
        for venue in Venue
    ]


def _spider(*arguments: str) -> Act:
    async def act(stage: Stage) -> None:
        await stage.spider(*arguments)

    return act


async def _in_force(_: Stage) -> None:
    """By then every service goes by a state that was set."""
    await trio.sleep(1)


async def _trade_early(stage: Stage) -> None:
    """The leader of the product that is not configured trades, and an ingest service tells of it."""
    (order_id,) = await stage.stack.act(Place(account=EPSILON.leader, order=_order("buy", "10")))
    ledger = (await stage.stack.ledgers())[EPSILON.venue]
    *_, order = (e.order for e in ledger if isinstance(e, Executed) and e.order.order_id == order_id)
    await stage.stack.send(early_event(order, SystemClock().now()))


# What is seen


def _traded(
    verb: Verb,
    side: Side,
    quantity: str,
    *followers: Follower,
    base: str = SOL,
    price: str | None = None,
    kind: Kind | None = None,
    conditional: bool = False,
) -> list[Sight]:
    """Each follower's share of so much of the leader's."""
    return [
        Traded(
            who=each.account,
            symbol=instrument_of(base, each.venue).symbol,
            verb=verb,
            side=side,
            size=share_of(each, quantity, base),
            price=None if price is None else Decimal(price),
            kind=kind,
            conditional=conditional,
        )
        for each in followers
    ]


def _holds(quantity: str, *followers: Follower, base: str = SOL) -> list[Sight]:
    return [
        Holds(
            who=each.account,
            symbol=instrument_of(base, each.venue).symbol,
            size=share_of(each, quantity, base),
        )
        for each in followers
    ]


def _recorded(
    state: CopyState,
    reason: Reason | None,
    *followers: Follower,
    leg: LegKind | None = None,
    trigger: str | None = None,
) -> list[Sight]:
    return [
        Recorded(
            who=each.account,
            venue=each.venue,
            state=state,
            reason=reason,
            leg=leg,
            trigger=None if trigger is None else Decimal(trigger),
        )
        for each in followers
    ]


def story(late: Product) -> tuple[Scene, ...]:
    """The scenes in their order: each begins where the one before has ended.

    Args:
        late: what is configured only when an event of it has become a dead letter.
    """

    async def configure(stage: Stage) -> None:
        await stage.stack.config.put_product(late)

    return (*_resting(), *_filling(), *_waiting(), *_refusals(), *_letters(configure))


def _resting() -> tuple[Scene, ...]:
    return (
        Scene(
            name="limit order",
            did="buys 10 SOL at 140; the price is 150",
            acts=[*_prices("150"), _place(_REST)],
            sights=_traded("placed", "buy", "10", *MIRRORING, price="140"),
        ),
        Scene(
            name="amend",
            did="moves it to 141",
            acts=[_amend(_REST, "141")],
            sights=[
                *_traded("amended", "buy", "10", ROSA, price="141"),
                *_traded("canceled", "buy", "10", SAUL, TINA, price="140"),
                *_traded("placed", "buy", "10", SAUL, TINA, price="141"),
            ],
        ),
        Scene(
            name="cancel",
            did="takes it back",
            acts=[_cancel(_REST)],
            sights=_traded("canceled", "buy", "10", *MIRRORING, price="141"),
        ),
        Scene(
            name="skip",
            did="buys 0.1 SOL at 140, and takes it back",
            acts=[_place(_SMALL), _cancel(_SMALL)],
            sights=[
                *_traded("canceled", "buy", "0.1", ROSA, price="140"),
                *_recorded(CopyState.SKIPPED, Reason.BELOW_MINIMUM, SAUL, TINA),
            ],
        ),
    )


def _filling() -> tuple[Scene, ...]:
    return (
        Scene(
            name="market order",
            did="buys 10 SOL at the market",
            acts=[_place(_order("buy", "10"))],
            sights=[
                *_traded("filled", "buy", "10", *MIRRORING, kind="market"),
                *_traded("filled", "buy", "10", VERA, kind="ioc", price="150.75"),
                *_holds("10", *ALL),
            ],
        ),
        Scene(
            name="partial close",
            did="sells 4 of its 10 SOL",
            acts=[_place(_order("sell", "4", reduce_only=True))],
            sights=[*_traded("filled", "sell", "4", *ALL), *_holds("6", *ALL)],
        ),
        Scene(
            name="flip",
            did="sells 12 SOL: from 6 long to 6 short",
            acts=[_place(_order("sell", "12"))],
            sights=[*_traded("filled", "sell", "6", *ALL), *_holds("-6", *ALL)],
        ),
    )


def _waiting() -> tuple[Scene, ...]:
    return (
        Scene(
            name="take profit, stop loss",
            did="places both for its 6 SOL short: at 100 and at 170",
            acts=[
                _wait("take_profit", _order("buy", "6", reduce_only=True), "100"),
                _wait("stop_loss", _order("buy", "6", reduce_only=True), "170"),
            ],
            sights=[
                *_recorded(CopyState.ACCEPTED, None, ROSA, SAUL, trigger="100"),
                *_recorded(CopyState.ACCEPTED, None, ROSA, SAUL, trigger="170"),
                *_recorded(CopyState.SKIPPED, Reason.NOT_MIRRORED, TINA),
            ],
        ),
        Scene(
            name="stop fires",
            did="nothing: the price goes to 171",
            acts=_prices("171"),
            sights=[
                *_traded("filled", "buy", "6", ROSA, SAUL, conditional=True),
                *_traded("filled", "buy", "6", TINA, VERA),
                *_holds("0", *ALL),
            ],
        ),
        Scene(
            name="take profit cancelled",
            did="takes its take profit back",
            acts=[_call_off("take_profit")],
            sights=_recorded(CopyState.CANCELED, None, ROSA, SAUL, trigger="100"),
        ),
    )


def _refusals() -> tuple[Scene, ...]:
    return (
        Scene(
            name="denial",
            did="buys 1 ETH, which rosa's limits deny, and sells it",
            acts=[
                *_prices("3000", ETH),
                _place(_order("buy", "1", base=ETH)),
                _place(_order("sell", "1", base=ETH, reduce_only=True)),
            ],
            sights=[
                *_recorded(CopyState.DENIED, Reason.INSTRUMENT_DENIED, ROSA),
                *_recorded(CopyState.SKIPPED, Reason.NOTHING_TO_CLOSE, ROSA),
                *_traded("filled", "buy", "1", SAUL, TINA, VERA, base=ETH),
                *_holds("0", *ALL, base=ETH),
            ],
        ),
        Scene(
            name="before the halt",
            did="sells 8 SOL short at 150",
            acts=[*_prices("150"), _place(_order("sell", "8"))],
            sights=_holds("-8", *ALL),
        ),
        Scene(
            name="halt",
            did="`spider halt --product delta`; sells 2 SOL more, buys 5 back",
            acts=[
                _spider("halt", "--product", "delta", "--reason", "demo"),
                _in_force,
                _place(_order("sell", "2")),
                _place(_order("buy", "5", reduce_only=True)),
            ],
            sights=[
                *_recorded(CopyState.DENIED, Reason.HALTED, *ALL, leg=LegKind.OPEN),
                *_recorded(CopyState.DENIED, Reason.HALTED, *ALL, leg=LegKind.CLOSE),
                *_holds("-8", *ALL),
            ],
        ),
        Scene(
            name="resume",
            did="`spider resume --product delta`; buys 2.5 of its 5 SOL back",
            acts=[
                _spider("resume", "--product", "delta"),
                _in_force,
                _place(_order("buy", "2.5", reduce_only=True)),
            ],
            # half of it was bought back under the halt, and now a half of the rest: 6 of 8 at once
            sights=[*_traded("filled", "buy", "6", *ALL), *_holds("-2", *ALL)],
        ),
        Scene(
            name="full close",
            did="buys the rest back",
            acts=[_place(_order("buy", "2.5", reduce_only=True))],
            sights=_holds("0", *ALL),
        ),
    )


def _letters(configure: Act) -> tuple[Scene, ...]:
    return (
        Scene(
            name="dead letter",
            did="the leader of epsilon, which is not configured, buys 10 SOL",
            acts=[_trade_early],
            sights=[SetAside("'epsilon' is not configured")],
        ),
        Scene(
            name="redrive",
            did="epsilon is configured; `spider dlq redrive --reason epsilon`",
            acts=[configure, _spider("dlq", "redrive", "--reason", "epsilon")],
            sights=[*_traded("filled", "buy", "10", WANDA), *_holds("10", WANDA)],
        ),
    )
