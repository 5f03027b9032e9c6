"""A desk to plan histories of leader orders on: the planner with its cursors and its book, nothing else."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec
from hypothesis import strategies as st

from spider_common.domain.drafting import Situation
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue, VenueOrderId
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.intents import Cursor, Intent, LeaderEvent
from spider_common.domain.orders import CopyState, OrderFact, OrderStatus, PositionSide, Side
from spider_common.domain.planning import Plan, plan
from spider_common.domain.positions import Book
from spider_common.domain.products import Account, FixedRatio, Product, Subscription
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from tests.strategies import MS, TS, fact, swap

LEADER = Account(account=AccountId("leader"), venue=Venue.OKX)


def follower(name: str, ratio: str = "1", *, hedge_mode: bool = False) -> Subscription:
    """A client with an account at Bitget."""
    account = Account(account=AccountId(f"{name}-account"), venue=Venue.BITGET, hedge_mode=hedge_mode)
    return Subscription(client=ClientId(name), account=account, sizing=FixedRatio(Decimal(ratio)))


def product_of(*subscriptions: Subscription) -> Product:
    """A product with these followers."""
    return Product(product=ProductId("p"), leader=LEADER, subscriptions=subscriptions)


def instruments(lot: str = "0.001", minimum: str | None = None) -> InstrumentList:
    """The leader's swap at OKX (contracts of 0.01) and the followers' at Bitget (base coin)."""
    return InstrumentList(
        [
            swap(Venue.OKX, "BTC-USDT-SWAP", contract_size="0.01", lot="0.1", minimum="0.1"),
            swap(Venue.BITGET, "BTCUSDT", contract_size="1", lot=lot, minimum=minimum or lot),
        ]
    )


class Desk:
    """One shard of a product. Changes only by what `see` plans.

    `ordered`: what all planned orders add up to, by client and the leader's position side.
    """

    def __init__(
        self, product: Product, known: InstrumentList | None = None, *, shard: int = 0, shards: int = 1
    ) -> None:
        self.product = product
        self.instruments = known or instruments()
        self.shard, self.shards = shard, shards
        self.book = Book()
        self.cursors: dict[VenueOrderId, Cursor] = {}
        self.intents: list[Intent] = []
        self.ordered: dict[tuple[ClientId, PositionSide], Decimal] = defaultdict(lambda: ZERO)

    def situation(self, told: OrderFact, **changes: object) -> Situation:
        """What a plan for the fact would depend on."""
        situation = Situation(
            product=self.product,
            instruments=self.instruments,
            cursor=self.cursors.get(told.origin),
            book=self.book,
            equities={},
            oldest_equity=0,
            now=told.ts_venue + 10 * MS,
        )
        return msgspec.structs.replace(situation, **changes)

    def event(self, told: OrderFact, *, baseline: bool = False) -> LeaderEvent:
        """The fact on its way to this shard."""
        return LeaderEvent(
            product=self.product.product,
            shard=self.shard,
            shards=self.shards,
            fact=told,
            baseline=baseline,
        )

    def see(self, told: OrderFact, *, baseline: bool = False, **changes: object) -> Plan | Reason:
        """Plans the fact and takes the plan over."""
        made = plan(self.event(told, baseline=baseline), self.situation(told, **changes))
        if isinstance(made, Plan):
            self.cursors[told.origin] = made.cursor
            self.book = made.book
            for intent in made.intents:
                self.intents.append(intent)
                self.ordered[intent.client, intent.leader_side] += intent.signed
        return made

    def see_all(self, facts: Iterable[OrderFact]) -> "Desk":
        """Plans them one after the other."""
        for told in facts:
            self.see(told)
        return self

    def planned(self, client: str, side: PositionSide = PositionSide.NET) -> Decimal:
        """What the client's orders were planned to make of its part."""
        return self.book.part(ClientId(client), side).planned


class LeaderOrder(NamedTuple):
    """One leader order and its fills, in thousandths of a coin."""

    side: Side
    position_side: PositionSide
    reduce_only: bool
    fills: tuple[int, ...]


_fills = st.lists(st.integers(1, 3000), min_size=1, max_size=4).map(tuple)
net_orders = st.builds(LeaderOrder, st.sampled_from(Side), st.just(PositionSide.NET), st.booleans(), _fills)
hedge_orders = st.builds(
    LeaderOrder,
    st.sampled_from(Side),
    st.sampled_from([PositionSide.LONG, PositionSide.SHORT]),
    st.just(False),
    _fills,
)
histories = st.lists(net_orders, max_size=6) | st.lists(hedge_orders, max_size=6)


def told_of(orders: Sequence[LeaderOrder]) -> list[list[OrderFact]]:
    """The facts of each order: placed, each fill, and done."""
    lives = []
    ts = TS
    for number, order in enumerate(orders):
        life = []
        cumulative = 0
        total = sum(order.fills)
        for fill in (0, *order.fills):
            cumulative += fill
            ts += MS
            done = OrderStatus.FILLED if cumulative == total else OrderStatus.PARTIALLY_FILLED
            life.append(
                fact(
                    venue_order_id=VenueOrderId(str(number)),
                    side=order.side,
                    position_side=order.position_side,
                    reduce_only=order.reduce_only,
                    status=done if fill else OrderStatus.LIVE,
                    quantity=Decimal(total).scaleb(-3),
                    cum_filled=Decimal(cumulative).scaleb(-3),
                    ts_venue=ts,
                )
            )
        lives.append(life)
    return lives


def only(made: Plan | Reason) -> Intent:
    """The one order of a plan."""
    assert isinstance(made, Plan), made
    (intent,) = made.intents
    return intent


def states(made: Plan | Reason) -> list[tuple[CopyState, str]]:
    """What a plan decided: state and reason of each order."""
    assert isinstance(made, Plan), made
    return [(intent.state, intent.reason) for intent in made.intents]
