"""Who plays the scenes of `make demo`: a leader and four followers with settings of their own, and a product
that is configured late."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from services.local.judge import LISTED
from services.local.seed import Follower, Seed, Team, seed_teams
from services.simulator.instruments import Instrument
from services.simulator.ledger import Order
from spider_common.domain.identifiers import ProductId, Venue, VenueOrderId
from spider_common.domain.intents import LeaderEvent
from spider_common.domain.orders import OrderFact, OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import CopyMode, FixedRatio, Limits, Product
from spider_common.messages import LeaderOrder


def _follower(client: str, venue: Venue, ratio: str, **settings: object) -> Follower:
    plain = Follower(client=client, venue=venue, sizing=FixedRatio(Decimal(ratio)), deposit=Decimal(200_000))
    return msgspec.structs.replace(plain, **settings)


ROSA: Final = _follower("rosa", Venue.OKX, "0.5", mode=CopyMode.ORDERS, limits=Limits(deny=("ETH",)))
SAUL: Final = _follower("saul", Venue.BITGET, "0.3", mode=CopyMode.ORDERS)
TINA: Final = _follower("tina", Venue.BINGX, "0.2", mode=CopyMode.ORDERS)
VERA: Final = _follower("vera", Venue.BITGET, "1", slippage_bps=Decimal(50))
WANDA: Final = _follower("wanda", Venue.OKX, "0.4")
MIRRORING: Final = (ROSA, SAUL, TINA)
ALL: Final = (*MIRRORING, VERA)

DELTA: Final = Team(product=ProductId("delta"), venue=Venue.OKX, followers=ALL, name="delta-leader")
EPSILON: Final = Team(
    product=ProductId("epsilon"), venue=Venue.OKX, followers=(WANDA,), name="epsilon-leader"
)

SOL, ETH = "SOL", "ETH"


def seed_story(rng: random.Random, teams: Sequence[Team]) -> tuple[Seed, Product]:
    """What the teams and the scenes begin with, and the product that is not configured until its scene.

    That one's leader has no keys here: only what another ingest service tells of it is known.
    """
    whole = seed_teams(rng, (*teams, DELTA, EPSILON))
    keys = {account: key for account, key in whole.credentials.items() if account != EPSILON.leader}
    *products, late = whole.products
    return msgspec.structs.replace(whole, products=tuple(products), credentials=keys), late


def instrument_of(base: str, venue: Venue = Venue.OKX) -> Instrument:
    return next(each for each in LISTED[venue] if (each.kind, each.base) == ("swap", base))


def share_of(follower: Follower, quantity: str, base: str) -> Decimal:
    """What a follower has of so much of the leader's, whole lots of its venue."""
    assert isinstance(follower.sizing, FixedRatio), "of a story's followers"
    instrument = instrument_of(base, follower.venue)
    size = Decimal(quantity) * follower.sizing.ratio / instrument.unit
    return int(size / instrument.lot) * instrument.lot


def early_event(order: Order, now: int) -> LeaderOrder:
    """What an ingest service makes of a market order of the late product's leader that is filled."""
    quantity = order.size * instrument_of(SOL).unit
    fact = OrderFact(
        venue=EPSILON.venue,
        account=EPSILON.leader,
        symbol=order.symbol,
        venue_order_id=VenueOrderId(order.order_id),
        client_order_id=None,
        side=Side(order.side),
        position_side=PositionSide.NET,
        reduce_only=False,
        order_type=OrderType.MARKET,
        status=OrderStatus.FILLED,
        quantity=quantity,
        cum_filled=quantity,
        price=None,
        average_price=order.paid / order.filled,
        ts_venue=order.ts_updated,
        ts_seen=now,
    )
    event = LeaderEvent(product=EPSILON.product, shard=0, shards=1, fact=fact, ts_published=now)
    return LeaderOrder(event=event)
