"""What the simulated venues list. Pure."""

from decimal import Decimal
from typing import Final, Literal

import msgspec

from spider_common.domain.instruments import SPOT_MARK


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
    minimum_notional: Decimal = Decimal(0)  # what an order that opens must be worth, in quote currency

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


def _spot(
    symbol: str,
    base: str,
    *,
    lot: str,
    minimum: str,
    maximum: str,
    tick: str,
    price: str,
    notional: int = 0,
) -> Instrument:
    """A spot pair against USDT. `symbol`: the venue's name, with SPOT_MARK where a swap has the same."""
    return Instrument(
        symbol=symbol,
        kind="spot",
        base=base,
        quote="USDT",
        tick=Decimal(tick),
        lot=Decimal(lot),
        minimum=Decimal(minimum),
        maximum=Decimal(maximum),
        price=Decimal(price),
        minimum_notional=Decimal(notional),
    )


OKX_INSTRUMENTS: Final = (
    _swap("BTC", contract="0.01", tick="0.1", price="60000"),
    _swap("ETH", contract="0.1", tick="0.01", price="3000"),
    _swap("SOL", contract="1", tick="0.01", price="150"),
    _swap("DOGE", contract="1000", tick="0.00001", price="0.15"),
    _spot("BTC-USDT", "BTC", lot="0.00000001", minimum="0.00001", maximum="1000", tick="0.1", price="60000"),
    _spot("ETH-USDT", "ETH", lot="0.000001", minimum="0.0001", maximum="20000", tick="0.01", price="3000"),
)


def _coin_swap(
    symbol: str,
    *,
    lot: str,
    tick: str,
    price: str,
    minimum: str = "",
    maximum: str = "1000000000",
    leverage: int = 100,
    notional: int = 5,
) -> Instrument:
    """A swap whose sizes are in base coin; the minimum is a lot unless it is named."""
    return Instrument(
        symbol=symbol,
        kind="swap",
        base=symbol.removesuffix("USDT").removesuffix("-"),
        quote="USDT",
        tick=Decimal(tick),
        lot=Decimal(lot),
        minimum=Decimal(minimum or lot),
        maximum=Decimal(maximum),
        price=Decimal(price),
        leverage=Decimal(leverage),
        minimum_notional=Decimal(notional),
    )


BITGET_INSTRUMENTS: Final = (
    _coin_swap("BTCUSDT", lot="0.0001", maximum="1200", tick="0.1", price="60000"),
    _coin_swap("ETHUSDT", lot="0.01", maximum="20000", tick="0.01", price="3000"),
    _coin_swap("SOLUSDT", lot="0.1", maximum="400000", tick="0.005", price="150"),
    _coin_swap("DOGEUSDT", lot="1", minimum="40", maximum="40000000", tick="0.00001", price="0.15"),
    _spot(
        "BTCUSDT@spot",
        "BTC",
        lot="0.000001",
        minimum="0.00001",
        maximum="1000",
        tick="0.01",
        price="60000",
        notional=1,
    ),
    _spot(
        "ETHUSDT@spot",
        "ETH",
        lot="0.0001",
        minimum="0.001",
        maximum="20000",
        tick="0.01",
        price="3000",
        notional=1,
    ),
)
BINGX_INSTRUMENTS: Final = (
    _coin_swap("BTC-USDT", lot="0.0001", tick="0.1", price="60000", leverage=125, notional=2),
    _coin_swap("ETH-USDT", lot="0.01", tick="0.01", price="3000", leverage=125, notional=2),
    _coin_swap("SOL-USDT", lot="0.1", tick="0.001", price="150", leverage=125, notional=2),
    _coin_swap("DOGE-USDT", lot="1", minimum="14", tick="0.00001", price="0.15", leverage=125, notional=2),
    _spot(
        f"BTC-USDT{SPOT_MARK}",
        "BTC",
        lot="0.000001",
        minimum="0.000001",
        maximum="1000",
        tick="0.01",
        price="60000",
        notional=2,
    ),
    _spot(
        f"ETH-USDT{SPOT_MARK}",
        "ETH",
        lot="0.00001",
        minimum="0.00001",
        maximum="20000",
        tick="0.01",
        price="3000",
        notional=2,
    ),
)
