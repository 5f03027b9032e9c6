"""What an order binds and what a fill moves. Pure."""

from decimal import Decimal
from typing import Final

from services.simulator.accounts import ZERO, Account
from services.simulator.book import Market
from services.simulator.instruments import Instrument
from services.simulator.ledger import Execution, Order

TAKER_FEE: Final = Decimal("0.0005")
MAKER_FEE: Final = Decimal("0.0002")


def cost(account: Account, order: Order, market: Market) -> tuple[str, Decimal]:
    """(currency, amount) that the rest of an order binds. What closes a position costs nothing."""
    instrument = market.instrument
    price = order.price or market.price
    if instrument.kind == "spot":
        if order.side == "buy":
            return instrument.quote, order.remaining * price
        return instrument.base, order.remaining
    if order.reduce_only:
        return instrument.quote, ZERO
    position = account.position(order.symbol, order.leg)
    opening = order.remaining - position.reduction(order.remaining * order.sign)
    return instrument.quote, opening * instrument.unit * price / account.leverage_of(order.symbol)


def settle(
    account: Account,
    instrument: Instrument,
    order: Order,
    *,
    price: Decimal,
    size: Decimal,
    maker: bool,
    trade_id: str,
    now: int,
) -> Execution:
    """Moves balances and position for one fill and states it."""
    rate = MAKER_FEE if maker else TAKER_FEE
    pnl = ZERO
    if instrument.kind == "swap":
        position = account.position(order.symbol, order.leg)
        pnl = position.fill(size * order.sign, price, instrument.unit, now)
        position.last_trade = trade_id
        fee, currency = -(price * size * instrument.unit * rate), instrument.quote
        account.credit(currency, pnl + fee)
    else:  # the fee comes off what is received
        buys = order.side == "buy"
        fee, currency = (
            (-(size * rate), instrument.base) if buys else (-(price * size * rate), instrument.quote)
        )
        account.credit(instrument.base, size * order.sign)
        account.credit(instrument.quote, -(price * size * order.sign))
        account.credit(currency, fee)
    return Execution(
        trade_id=trade_id,
        price=price,
        size=size,
        fee=fee,
        fee_currency=currency,
        pnl=pnl,
        maker=maker,
        ts=now,
    )
