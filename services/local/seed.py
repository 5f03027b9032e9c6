"""Who trades in a local system: one leader, five clients, their keys and their rules."""

import random
from decimal import Decimal
from typing import Final

import msgspec

from services.simulator.accounts import Credentials as VenueKey
from services.simulator.actions import OpenAccount
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.products import (
    Account,
    EquityProportional,
    FixedRatio,
    Product,
    Sizing,
    Subscription,
)
from spider_common.secret import Credentials, Secret

LEADER: Final = AccountId("okx-leader")
PRODUCT: Final = ProductId("alpha")


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    """A client, its account at the venue, what it is worth and how it copies."""

    client: str
    sizing: Sizing
    deposit: Decimal
    hedge_mode: bool = False

    @property
    def account(self) -> AccountId:
        return AccountId(f"okx-{self.client}")


LEADER_DEPOSIT: Final = Decimal(1_000_000)
FOLLOWERS: Final = (
    Follower(client="ana", sizing=FixedRatio(Decimal("0.5")), deposit=Decimal(500_000)),
    Follower(client="bruno", sizing=FixedRatio(Decimal("0.037")), deposit=Decimal(60_000)),
    Follower(client="clara", sizing=FixedRatio(Decimal(2)), deposit=Decimal(2_000_000), hedge_mode=True),
    Follower(client="davi", sizing=EquityProportional(), deposit=Decimal(250_000)),
    Follower(client="elisa", sizing=EquityProportional(Decimal("1.5")), deposit=Decimal(100_000)),
)


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """What a local system begins with."""

    product: Product
    credentials: dict[AccountId, Credentials]
    venue_accounts: tuple[OpenAccount, ...]


def seed(rng: random.Random, *, followers: tuple[Follower, ...] = FOLLOWERS, shards: int = 1) -> Seed:
    """One product and its accounts, with keys drawn from `rng`."""
    deposits = [(LEADER, LEADER_DEPOSIT, False)]
    deposits += [(each.account, each.deposit, each.hedge_mode) for each in followers]
    credentials: dict[AccountId, Credentials] = {}
    accounts: list[OpenAccount] = []
    for account, deposit, hedge_mode in deposits:
        key, secret, passphrase = (f"{rng.getrandbits(128):032x}" for _ in range(3))
        credentials[account] = Credentials(Secret(key), Secret(secret), Secret(passphrase))
        accounts.append(
            OpenAccount(
                name=account,
                credentials=VenueKey(key, secret, passphrase),
                balances={"USDT": deposit},
                position_mode="long_short" if hedge_mode else "net",
            )
        )
    product = Product(
        product=PRODUCT,
        leader=Account(account=LEADER, venue=Venue.OKX),
        subscriptions=tuple(
            Subscription(
                client=ClientId(each.client),
                account=Account(account=each.account, venue=Venue.OKX, hedge_mode=each.hedge_mode),
                sizing=each.sizing,
            )
            for each in followers
        ),
        shards=shards,
        max_signal_age_ms=600_000,  # a local session is judged for completeness, not for freshness
    )
    return Seed(product=product, credentials=credentials, venue_accounts=tuple(accounts))
