"""What the simulated venues list. Pure."""

from decimal import Decimal
from typing import Final, Literal

import msgspec


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One listed instrument.

    Sizes (`lot`, `minimum`, `maximum`) are in the venue's own unit: contracts for a swap, base coin for
    spot. One contract is `contract_value * contract_multiplier` of the base coin.
    """

    symbol: str
    kind: Literal["spot", "swap"]
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    minimum: Decimal
    maximum: Decimal
    price: Decimal  # where the price path starts
    contract_value: Decimal = Decimal(1)
    contract_multiplier: Decimal = Decimal(1)
    leverage: Decimal = Decimal(100)  # the highest one

    @property
    def unit(self) -> Decimal:
        """Base coin in one unit of size."""
        return self.contract_value * self.contract_multiplier


def _swap(base: str, *, contract: str, tick: str, price: str) -> Instrument:
    return Instrument(
        symbol=f"{base}-USDT-SWAP",
        kind="swap",
        base=base,
        quote="USDT",
        tick=Decimal(tick),
        lot=Decimal("0.01"),
        minimum=Decimal("0.01"),
        maximum=Decimal(1_000_000),
        price=Decimal(price),
        contract_value=Decimal(contract),
    )


OKX_INSTRUMENTS: Final = (
    _swap("BTC", contract="0.01", tick="0.1", price="60000"),
    _swap("ETH", contract="0.1", tick="0.01", price="3000"),
    _swap("SOL", contract="1", tick="0.01", price="150"),
    _swap("DOGE", contract="1000", tick="0.00001", price="0.15"),
    Instrument(
        symbol="BTC-USDT",
        kind="spot",
        base="BTC",
        quote="USDT",
        tick=Decimal("0.1"),
        lot=Decimal("0.00000001"),
        minimum=Decimal("0.00001"),
        maximum=Decimal(1_000),
        price=Decimal(60000),
    ),
)


def _coin_sized(
    symbol: str,
    base: str,
    *,
    lot: str,
    minimum: str,
    maximum: str,
    tick: str,
    price: str,
    leverage: int = 100,
) -> Instrument:
    """A swap whose sizes are in base coin."""
    return Instrument(
        symbol=symbol,
        kind="swap",
        base=base,
        quote="USDT",
        tick=Decimal(tick),
        lot=Decimal(lot),
        minimum=Decimal(minimum),
        maximum=Decimal(maximum),
        price=Decimal(price),
        leverage=Decimal(leverage),
    )


BITGET_INSTRUMENTS: Final = (
    _coin_sized("BTCUSDT", "BTC", lot="0.0001", minimum="0.0001", maximum="1200", tick="0.1", price="60000"),
    _coin_sized("ETHUSDT", "ETH", lot="0.01", minimum="0.01", maximum="20000", tick="0.01", price="3000"),
    _coin_sized("SOLUSDT", "SOL", lot="0.1", minimum="0.1", maximum="400000", tick="0.005", price="150"),
    _coin_sized("DOGEUSDT", "DOGE", lot="1", minimum="40", maximum="40000000", tick="0.00001", price="0.15"),
)

_MOST: Final = "1000000000"  # BingX lists no largest order
BINGX_INSTRUMENTS: Final = (
    _coin_sized(
        "BTC-USDT",
        "BTC",
        lot="0.0001",
        minimum="0.0001",
        maximum=_MOST,
        tick="0.1",
        price="60000",
        leverage=125,
    ),
    _coin_sized(
        "ETH-USDT", "ETH", lot="0.01", minimum="0.01", maximum=_MOST, tick="0.01", price="3000", leverage=125
    ),
    _coin_sized(
        "SOL-USDT", "SOL", lot="0.1", minimum="0.1", maximum=_MOST, tick="0.001", price="150", leverage=125
    ),
    _coin_sized(
        "DOGE-USDT", "DOGE", lot="1", minimum="14", maximum=_MOST, tick="0.00001", price="0.15", leverage=125
    ),
)
