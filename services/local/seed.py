"""Who trades in a local system: leaders, their clients, keys and rules."""

import random
from collections.abc import Sequence
from decimal import Decimal
from itertools import cycle
from typing import Final

import msgspec

from services.simulator.accounts import Credentials as VenueKey
from services.simulator.actions import OpenAccount
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.products import (
    Account,
    CopyMode,
    EquityProportional,
    FixedRatio,
    Limits,
    Product,
    Sizing,
    Subscription,
)
from spider_common.secret import Credentials, Secret

PRODUCT: Final = ProductId("alpha")
LEADER_DEPOSIT: Final = Decimal(1_000_000)


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    """A client, its account at a venue, what it is worth and how it copies; `trading`: whether it does."""

    client: str
    sizing: Sizing
    deposit: Decimal
    venue: Venue = Venue.OKX
    hedge_mode: bool = False
    trading: bool = True
    mode: CopyMode = CopyMode.FILLS
    slippage_bps: Decimal | None = None
    limits: Limits = Limits()

    @property
    def account(self) -> AccountId:
        return AccountId(f"{self.venue}-{self.client}")


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A product: a leader at a venue, and who follows it, wherever. `name`: the leader's, of its venue's."""

    product: ProductId
    venue: Venue
    followers: tuple[Follower, ...]
    name: str = "leader"

    @property
    def leader(self) -> AccountId:
        return AccountId(f"{self.venue}-{self.name}")


_RULES: Final[tuple[tuple[str, Sizing, int, bool], ...]] = (
    ("ana", FixedRatio(Decimal("0.5")), 500_000, False),
    ("bruno", FixedRatio(Decimal("0.037")), 60_000, False),
    ("clara", FixedRatio(Decimal(2)), 2_000_000, True),
    ("davi", EquityProportional(), 250_000, False),
    ("elisa", EquityProportional(Decimal("1.5")), 100_000, False),
)


def _followers(suffix: str, venues: Sequence[Venue]) -> tuple[Follower, ...]:
    """The five clients, each with the next of the venues."""
    return tuple(
        Follower(
            client=name + suffix,
            sizing=sizing,
            deposit=Decimal(deposit),
            venue=venue,
            hedge_mode=hedge_mode,
        )
        for (name, sizing, deposit, hedge_mode), venue in zip(_RULES, cycle(venues), strict=False)
    )


FOLLOWERS: Final = _followers("", [Venue.OKX])
ONE_VENUE: Final = (Team(product=PRODUCT, venue=Venue.OKX, followers=FOLLOWERS),)
LEADER: Final = ONE_VENUE[0].leader
THREE_VENUES: Final = tuple(
    Team(product=ProductId(name), venue=venues[0], followers=_followers(f"-{name}", venues))
    for name, venues in (
        ("alpha", (Venue.OKX, Venue.BITGET, Venue.BINGX)),
        ("beta", (Venue.BITGET, Venue.BINGX, Venue.OKX)),
        ("gamma", (Venue.BINGX, Venue.OKX, Venue.BITGET)),
    )
)
"""Each venue leads once and follows each of the others."""


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """What a local system begins with. Accounts are opened at the venues that they are listed under."""

    products: tuple[Product, ...]
    credentials: dict[AccountId, Credentials]
    venue_accounts: dict[Venue, tuple[OpenAccount, ...]]

    @property
    def product(self) -> Product:
        """The first of the products, where there is one."""
        return self.products[0]


def seed(rng: random.Random, *, followers: tuple[Follower, ...] = FOLLOWERS, shards: int = 1) -> Seed:
    """One product at one venue, with keys drawn from `rng`."""
    return seed_teams(rng, (Team(product=PRODUCT, venue=Venue.OKX, followers=followers),), shards=shards)


def seed_teams(rng: random.Random, teams: Sequence[Team], *, shards: int = 1) -> Seed:
    """Products and their accounts, with keys drawn from `rng`."""
    credentials: dict[AccountId, Credentials] = {}
    accounts: dict[Venue, list[OpenAccount]] = {}

    def open_account(account: AccountId, venue: Venue, deposit: Decimal, *, hedge_mode: bool) -> None:
        key, secret, passphrase = (f"{rng.getrandbits(128):032x}" for _ in range(3))
        credentials[account] = Credentials(Secret(key), Secret(secret), Secret(passphrase))
        opened = OpenAccount(
            name=account,
            credentials=VenueKey(key, secret, passphrase),
            balances={"USDT": deposit},
            position_mode="long_short" if hedge_mode else "net",
        )
        accounts.setdefault(venue, []).append(opened)

    for team in teams:
        open_account(team.leader, team.venue, LEADER_DEPOSIT, hedge_mode=False)
        for each in team.followers:
            open_account(each.account, each.venue, each.deposit, hedge_mode=each.hedge_mode)
    return Seed(
        products=tuple(_product(team, shards) for team in teams),
        credentials=credentials,
        venue_accounts={venue: tuple(opened) for venue, opened in accounts.items()},
    )


def _product(team: Team, shards: int) -> Product:
    return Product(
        product=team.product,
        leader=Account(account=team.leader, venue=team.venue),
        subscriptions=tuple(
            Subscription(
                client=ClientId(each.client),
                account=Account(account=each.account, venue=each.venue, hedge_mode=each.hedge_mode),
                sizing=each.sizing,
                trading=each.trading,
                mode=each.mode,
                slippage_bps=each.slippage_bps,
                limits=each.limits,
            )
            for each in team.followers
        ),
        shards=shards,
        max_signal_age_ms=600_000,  # a local session is judged for completeness, not for freshness
    )
