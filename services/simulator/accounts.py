"""Accounts of a simulated venue: balances, positions, margin. Pure."""

import dataclasses
from decimal import Decimal
from typing import Final, Literal

import msgspec

from services.simulator.instruments import Instrument
from services.simulator.ledger import Leg, PositionMode

_AVERAGE_STEP: Final = Decimal("1e-10")  # average prices are kept to this step
ZERO: Final = Decimal(0)


KeyRight = Literal["read", "trade", "withdraw"]


class Credentials(msgspec.Struct, frozen=True):
    """How an account's owner proves itself. Never shown."""

    key: str
    secret: str
    passphrase: str

    def __repr__(self) -> str:
        return "Credentials(...)"


@dataclasses.dataclass(slots=True)
class Position:
    """One leg of one instrument. `size` is signed: long above zero, short below."""

    symbol: str
    leg: Leg
    size: Decimal = ZERO
    average: Decimal = ZERO
    realised: Decimal = ZERO
    ts_created: int = 0
    ts_updated: int = 0
    last_trade: str = ""

    def reduction(self, signed: Decimal) -> Decimal:
        """How much of a signed fill closes what is held (unsigned)."""
        if self.size * signed >= 0:
            return ZERO
        return min(abs(self.size), abs(signed))

    def fill(self, signed: Decimal, price: Decimal, unit: Decimal, now: int) -> Decimal:
        """Applies a signed fill and returns the profit it realised, in quote currency."""
        closed = self.reduction(signed)
        pnl = (price - self.average) * closed * unit * (1 if self.size > 0 else -1)
        held = abs(self.size) - closed
        opened = abs(signed) - closed
        if opened:
            average = (self.average * held + price * opened) / (held + opened)
            self.average = average.quantize(_AVERAGE_STEP)
        if not held:
            self.ts_created = now
        self.size += signed
        if not self.size:
            self.average = ZERO
        self.realised += pnl
        self.ts_updated = now
        return pnl

    def unrealised(self, price: Decimal, unit: Decimal) -> Decimal:
        return (price - self.average) * self.size * unit


@dataclasses.dataclass(slots=True)
class Account:
    """One (sub-)account at one venue."""

    name: str
    uid: str
    credentials: Credentials
    position_mode: PositionMode
    balances: dict[str, Decimal]
    positions: dict[tuple[str, Leg], Position] = dataclasses.field(default_factory=dict)
    leverage: dict[str, Decimal] = dataclasses.field(default_factory=dict)
    isolated: set[str] = dataclasses.field(default_factory=set)
    """The instruments said to be margined apart. It is told and refused as venues do; margin is crossed."""
    reserved: dict[str, tuple[str, Decimal]] = dataclasses.field(default_factory=dict)
    """What open orders bind: order id -> (currency, amount)."""
    rights: tuple[KeyRight, ...] = ("read", "trade")
    addresses: tuple[str, ...] = ()
    """What its key may do, and from where; no addresses: from anywhere. Told, not enforced."""

    def position(self, symbol: str, leg: Leg) -> Position:
        """The position, flat if there was none."""
        return self.positions.setdefault((symbol, leg), Position(symbol, leg))

    def held(self) -> list[Position]:
        """Positions that are not flat, in the order in which they were first opened."""
        return [position for position in self.positions.values() if position.size]

    def credit(self, currency: str, amount: Decimal) -> None:
        self.balances[currency] = self.balances.get(currency, ZERO) + amount

    def leverage_of(self, symbol: str) -> Decimal:
        return self.leverage.get(symbol, Decimal(10))


def net_size(account: Account, symbol: str) -> Decimal:
    """What an account holds of an instrument over all its legs, signed."""
    return sum((p.size for p in account.positions.values() if p.symbol == symbol), ZERO)


def margin_used(account: Account, instrument: Instrument, price: Decimal) -> Decimal:
    """Initial margin of an account's positions in one instrument."""
    gross = sum((abs(p.size) for p in account.positions.values() if p.symbol == instrument.symbol), ZERO)
    return gross * instrument.unit * price / account.leverage_of(instrument.symbol)
