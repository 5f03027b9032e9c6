"""Who copies whom, and how."""

from decimal import Decimal

import msgspec

from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.orders import PositionSide
from spider_common.domain.quantities import check_amounts, check_finite


class FixedRatio(
    msgspec.Struct, frozen=True, tag="fixed_ratio", tag_field="rule", forbid_unknown_fields=True
):
    """The follower trades `ratio` times the leader's base quantity."""

    ratio: Decimal

    def __post_init__(self) -> None:
        check_amounts(ratio=self.ratio)


class EquityProportional(
    msgspec.Struct, frozen=True, tag="equity_proportional", tag_field="rule", forbid_unknown_fields=True
):
    """The follower trades in proportion to the two equities, times `multiplier`."""

    multiplier: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        check_amounts(multiplier=self.multiplier)


Sizing = FixedRatio | EquityProportional


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account at a venue. Its keys live in the secret store under the account's id, never here."""

    account: AccountId
    venue: Venue
    hedge_mode: bool = False


class Subscription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client follows a product with an account of its own."""

    client: ClientId
    account: Account
    sizing: Sizing
    trading: bool = True


class Product(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One leader account and who copies it.

    Attributes:
        shards: into how many independent parts the clients are split; each is planned in order by itself.
        max_signal_age_ms: opening orders older than this are not sent any more. Reducing orders always are.
    """

    product: ProductId
    leader: Account
    subscriptions: tuple[Subscription, ...] = ()
    shards: int = 1
    max_signal_age_ms: int = 30_000
    trading: bool = True

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise ValueError(f"shards: {self.shards} is not a positive number; write 1 or more")
        clients = [subscription.client for subscription in self.subscriptions]
        for client in clients:
            if clients.count(client) > 1:
                raise ValueError(f"subscriptions: client {client!r} stands there twice; keep one")


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
