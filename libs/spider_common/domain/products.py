"""Who copies whom, and how."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.orders import PositionSide
from spider_common.domain.quantities import check_amounts, check_finite


class _Rule(msgspec.Struct, frozen=True, tag_field="rule", forbid_unknown_fields=True):
    """How large an opening trade is. Closes are proportional to what is held, whatever the rule."""


class FixedRatio(_Rule, frozen=True, tag="fixed_ratio"):
    """So many times the leader's base quantity.

    Attributes:
        ratio: how many times.
    """

    ratio: Decimal

    def __post_init__(self) -> None:
        check_amounts(ratio=self.ratio)


class EquityProportional(_Rule, frozen=True, tag="equity_proportional"):
    """The leader's base quantity times follower equity / leader equity.

    Attributes:
        multiplier: times that.
    """

    multiplier: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        check_amounts(multiplier=self.multiplier)


class FixedNotional(_Rule, frozen=True, tag="fixed_notional"):
    """Each opening leader order is worth the same, at the leader's price.

    Attributes:
        notional: so much of the quote currency.
    """

    notional: Decimal

    def __post_init__(self) -> None:
        check_amounts(notional=self.notional)


class FixedQuantity(_Rule, frozen=True, tag="fixed_quantity"):
    """Each opening leader order is one of the same size.

    Attributes:
        quantity: base quantity.
    """

    quantity: Decimal

    def __post_init__(self) -> None:
        check_amounts(quantity=self.quantity)


class EquityPercent(_Rule, frozen=True, tag="equity_percent"):
    """Each opening leader order is worth a part of the follower's equity, at the leader's price.

    Attributes:
        percent: so many hundredths of it.
    """

    percent: Decimal

    def __post_init__(self) -> None:
        check_amounts(percent=self.percent)


Sizing = FixedRatio | EquityProportional | FixedNotional | FixedQuantity | EquityPercent


class MarginMode(StrEnum):
    """A position is backed by all that the account has, or by what is set aside for it."""

    CROSS = "cross"
    ISOLATED = "isolated"


class CopyMode(StrEnum):
    """What of a leader order is copied: its fills, or the resting order itself."""

    FILLS = "fills"
    ORDERS = "orders"


class BelowMinimum(StrEnum):
    """What becomes of a copy below the instrument's lot or minimum.

    CARRY keeps it in the target, so that a later order makes it up; SKIP forgets it; ROUND_UP trades the
    minimum instead.
    """

    CARRY = "carry"
    SKIP = "skip"
    ROUND_UP = "round_up"


class Joining(StrEnum):
    """Who joins while the leader holds a position starts without it, or is brought in line at once."""

    FLAT = "flat"
    ALIGN = "align"


class Leaving(StrEnum):
    """Who leaves a product keeps what it holds of it, or has it closed."""

    KEEP = "keep"
    CLOSE = "close"


class Correction(StrEnum):
    """What is done about drift: nothing, an alarm, or an order that takes it away."""

    OFF = "off"
    ALERT = "alert"
    CORRECT = "correct"


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of a client or of one subscription; None: none. Reducing orders are never denied by them.

    Notionals and losses are in the account's settlement currency.

    Attributes:
        max_order_notional: of one order.
        max_position_notional: of what one instrument's orders come to.
        max_leverage: the notional of all positions over equity.
        max_open_orders: resting at the venue at once.
        max_daily_loss: of equity since midnight UTC.
        max_drawdown: of equity below its highest, as a fraction of that.
        fat_finger_bps: how far the leader's price may be from the mark price, in hundredths of a percent.
        allow: instruments as ``BTC/USDT:USDT`` (base/quote:settle; spot ``BTC/USDT``), or base coins. With
            nothing here all are allowed.
        deny: likewise, what is not allowed.
    """

    max_order_notional: Decimal | None = None
    max_position_notional: Decimal | None = None
    max_leverage: Decimal | None = None
    max_open_orders: int | None = None
    max_daily_loss: Decimal | None = None
    max_drawdown: Decimal | None = None
    fat_finger_bps: Decimal | None = None
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_amounts(
            max_order_notional=self.max_order_notional,
            max_position_notional=self.max_position_notional,
            max_leverage=self.max_leverage,
            max_daily_loss=self.max_daily_loss,
            max_drawdown=self.max_drawdown,
            fat_finger_bps=self.fat_finger_bps,
        )
        if self.max_open_orders is not None and self.max_open_orders < 0:
            raise ValueError(f"max_open_orders: {self.max_open_orders} is below zero; write 0 or more")
        if self.max_drawdown is not None and self.max_drawdown > 1:
            raise ValueError(f"max_drawdown: {self.max_drawdown} is more than all; write a fraction, 0 to 1")


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account at a venue. Its keys live in the secret store under the account's id, never here.

    Attributes:
        account: its id, the same everywhere.
        venue: where it is.
        hedge_mode: it has a long and a short position of an instrument beside each other.
    """

    account: AccountId
    venue: Venue
    hedge_mode: bool = False


class CopyRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a subscription copies.

    Attributes:
        sizing: how large an opening order is.
        mode: what of a leader order is copied.
        multiplier: times what `sizing` says.
        reverse: the other way round: a short for each long.
        slippage_bps: a copy of a fill goes as an immediate-or-cancel order limited to the leader's price and
            so many hundredths of a percent worse; None: as a market order.
        below_minimum: what becomes of a copy below the instrument's lot or minimum.
        joining: what who joins while the leader holds a position begins with.
        leaving: what becomes of what who leaves holds.
        correction: what is done about drift.
        leverage: set for each instrument before its first order, with `margin_mode`; None: left as it is.
        margin_mode: of the positions.
        overrides: leader's symbol -> follower's symbol, where the instrument of the same base, quote,
            settlement currency and kind is not the one.
        limits: bounds of this subscription, beside those of its client.
        trading: False: nothing is opened.
    """

    sizing: Sizing
    mode: CopyMode = CopyMode.FILLS
    multiplier: Decimal = Decimal(1)
    reverse: bool = False
    slippage_bps: Decimal | None = None
    below_minimum: BelowMinimum = BelowMinimum.CARRY
    joining: Joining = Joining.FLAT
    leaving: Leaving = Leaving.KEEP
    correction: Correction = Correction.ALERT
    leverage: int | None = None
    margin_mode: MarginMode = MarginMode.CROSS
    overrides: Mapping[str, str] = {}
    limits: Limits = Limits()
    trading: bool = True

    def __post_init__(self) -> None:
        check_amounts(multiplier=self.multiplier, slippage_bps=self.slippage_bps)
        if self.reverse and self.mode is CopyMode.ORDERS:
            raise ValueError(
                "reverse: an order that waits below the price cannot wait the other way round; use mode fills"
            )
        if self.leverage is not None and self.leverage < 1:
            raise ValueError(f"leverage: {self.leverage} is not a multiple; write 1 or more")


class Subscription(CopyRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client follows a product with an account of its own.

    Attributes:
        client_limits: those of the client as a whole, beside the subscription's own.
        since: when it joined or, with `left`, when it left the product, Unix ns.
    """

    client: ClientId
    account: Account
    client_limits: Limits = Limits()
    left: bool = False
    since: int = 0


CLIENTS_A_SHARD: Final = 500
"""What an event plans for a shard is one row, which holds the orders of so many clients twice over, even when
all are in doubt."""


class ProductSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One leader account and how it is copied.

    Attributes:
        product: its id.
        leader: whose trades are copied. It stays: another leader is another product.
        shards: into how many independent parts the clients are split; each is planned in order by itself.
            It stays, as books are kept by shard. Each holds at most 500 clients.
        max_signal_age_ms: opening orders older than this are not sent any more. Reducing orders always are.
        trading: False: nothing is opened for anybody.
    """

    product: ProductId
    leader: Account
    shards: int = 1
    max_signal_age_ms: int = 30_000
    trading: bool = True

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise ValueError(f"shards: {self.shards} is not a positive number; write 1 or more")


class Product(ProductSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One leader account and who copies it."""

    subscriptions: tuple[Subscription, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        seen: set[ClientId] = set()
        for subscription in self.subscriptions:
            if subscription.client in seen:
                raise ValueError(
                    f"subscriptions: client {subscription.client!r} stands there twice; keep one"
                )
            seen.add(subscription.client)


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who follows. Nothing is opened for a new client until `trading` is switched on.

    Attributes:
        client: its id.
        name: for people.
        accounts: those that its subscriptions may trade with.
        trading: True: its subscriptions may open positions.
        limits: bounds of all that it does, beside those of each subscription.
    """

    client: ClientId
    name: str = ""
    accounts: tuple[Account, ...] = ()
    trading: bool = False
    limits: Limits = Limits()


class Equity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account is worth, in its settlement currency, as its venue told at `ts_venue`."""

    account: AccountId
    equity: Decimal
    currency: str
    ts_venue: int

    def __post_init__(self) -> None:
        check_finite(equity=self.equity)


def copied_side(follower: Account, exposure_sign: int) -> PositionSide:
    """The position of the follower's account that an exposure of that sign lives in."""
    if not follower.hedge_mode:
        return PositionSide.NET
    return PositionSide.LONG if exposure_sign > 0 else PositionSide.SHORT
