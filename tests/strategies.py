"""Hypothesis strategies for the domain's values, and plain builders with defaults for single cases."""

from decimal import Decimal

import msgspec
from hypothesis import strategies as st

from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    EventId,
    ProductId,
    TradeId,
    Venue,
    VenueOrderId,
)
from spider_common.domain.instruments import Instrument, InstrumentKind
from spider_common.domain.intents import Intent, LeaderEvent
from spider_common.domain.journal import JournalRow, Lease
from spider_common.domain.orders import (
    CopyState,
    OrderFact,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    Trigger,
    TriggerKind,
)
from spider_common.domain.positions import LegKind
from spider_common.domain.products import Account, Equity
from spider_common.messages import EquityUpdate, FollowerUpdate, LeaderOrder

MS = 1_000_000
TS = 1_700_000_000_000 * MS  # a time like any other, Unix ns

names = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
times = st.integers(min_value=1, max_value=4_000_000_000_000_000_000)
venues = st.sampled_from(Venue)
quantities = st.integers(min_value=1, max_value=10**7).map(lambda count: Decimal(count).scaleb(-3))
amounts = st.decimals(min_value=0, max_value=10**9, places=8)
signed_amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=8)


def facts() -> st.SearchStrategy[OrderFact]:
    """Any order fact, its fields independent of each other."""
    return st.builds(
        OrderFact,
        venue=venues,
        account=names.map(AccountId),
        symbol=names,
        venue_order_id=names.map(VenueOrderId),
        client_order_id=st.none() | names.map(ClientOrderId),
        side=st.sampled_from(Side),
        position_side=st.sampled_from(PositionSide),
        reduce_only=st.booleans(),
        order_type=st.sampled_from(OrderType),
        status=st.sampled_from(OrderStatus),
        quantity=amounts,
        cum_filled=amounts,
        price=st.none() | amounts,
        average_price=st.none() | amounts,
        ts_venue=times,
        ts_seen=times,
        trigger=st.none() | st.builds(Trigger, kind=st.sampled_from(TriggerKind), price=amounts),
        parent=st.none() | names.map(VenueOrderId),
    )


def executions() -> st.SearchStrategy[Execution]:
    """Any fill."""
    return st.builds(
        Execution,
        venue=venues,
        account=names.map(AccountId),
        symbol=names,
        trade_id=names.map(TradeId),
        venue_order_id=names.map(VenueOrderId),
        client_order_id=st.none() | names.map(ClientOrderId),
        side=st.sampled_from(Side),
        quantity=quantities,
        price=amounts,
        fee=signed_amounts,
        fee_currency=st.sampled_from(["USDT", "BTC"]),
        ts_venue=times,
    )


def equities() -> st.SearchStrategy[Equity]:
    """Any equity, under water too."""
    return st.builds(
        Equity,
        account=names.map(AccountId),
        equity=signed_amounts,
        currency=st.sampled_from(["USDT", "USDC"]),
        ts_venue=times,
    )


def leader_events() -> st.SearchStrategy[LeaderEvent]:
    """Any fact on its way to a shard."""
    return st.builds(
        LeaderEvent,
        product=names.map(ProductId),
        shard=st.integers(min_value=0, max_value=15),
        shards=st.just(16),
        fact=facts(),
        baseline=st.booleans(),
        ts_published=times,
    )


def messages() -> st.SearchStrategy[LeaderOrder | FollowerUpdate | EquityUpdate]:
    """Anything that crosses the queue."""
    return st.one_of(
        st.builds(LeaderOrder, event=leader_events()),
        st.builds(
            FollowerUpdate,
            venue=venues,
            account=names.map(AccountId),
            fact=st.none() | facts(),
            execution=st.none() | executions(),
        ),
        st.builds(EquityUpdate, equity=equities()),
    )


def fact(**fields: object) -> OrderFact:
    """A leader's market buy of 1 BTC, filled, with `fields` in place of its own."""
    given: dict[str, object] = {
        "venue": Venue.OKX,
        "account": AccountId("leader"),
        "symbol": "BTC-USDT-SWAP",
        "venue_order_id": VenueOrderId("1"),
        "client_order_id": None,
        "side": Side.BUY,
        "position_side": PositionSide.NET,
        "reduce_only": False,
        "order_type": OrderType.MARKET,
        "status": OrderStatus.FILLED,
        "quantity": Decimal(1),
        "cum_filled": Decimal(1),
        "price": None,
        "average_price": Decimal(60_000),
        "ts_venue": TS,
        "ts_seen": TS + 5 * MS,
    }
    return OrderFact(**{**given, **fields})  # type: ignore[arg-type]  # names checked by the struct itself


def execution(**fields: object) -> Execution:
    """A follower's fill of 1 BTC, with `fields` in place of its own."""
    given: dict[str, object] = {
        "venue": Venue.OKX,
        "account": AccountId("follower"),
        "symbol": "BTC-USDT-SWAP",
        "trade_id": TradeId("7"),
        "venue_order_id": VenueOrderId("1"),
        "client_order_id": None,
        "side": Side.BUY,
        "quantity": Decimal(1),
        "price": Decimal(60_000),
        "fee": Decimal("-0.5"),
        "fee_currency": "USDT",
        "ts_venue": TS,
    }
    return Execution(**{**given, **fields})  # type: ignore[arg-type]  # names checked by the struct itself


def swap(venue: Venue, symbol: str, *, contract_size: str, lot: str, minimum: str) -> Instrument:
    """A BTC-USDT perpetual as `venue` counts it."""
    return Instrument(
        venue=venue,
        symbol=symbol,
        kind=InstrumentKind.SWAP,
        base="BTC",
        quote="USDT",
        settle="USDT",
        contract_size=Decimal(contract_size),
        lot=Decimal(lot),
        minimum=Decimal(minimum),
        tick=Decimal("0.1"),
    )


def spot(venue: Venue, symbol: str, *, lot: str) -> Instrument:
    """BTC against USDT at `venue`; its minimum is a lot."""
    listed = swap(venue, symbol, contract_size="1", lot=lot, minimum=lot)
    return msgspec.structs.replace(listed, kind=InstrumentKind.SPOT)


def intent(**fields: object) -> Intent:
    """A planned opening buy of 1 BTC, with `fields` in place of its own."""
    given: dict[str, object] = {
        "client_order_id": ClientOrderId("c1"),
        "product": ProductId("p"),
        "client": ClientId("alice"),
        "account": Account(account=AccountId("follower"), venue=Venue.OKX),
        "symbol": "BTC-USDT-SWAP",
        "leg": LegKind.OPEN,
        "side": Side.BUY,
        "position_side": PositionSide.NET,
        "leader_side": PositionSide.NET,
        "reduce_only": False,
        "quantity": Decimal(1),
        "size": Decimal(100),
        "reference_price": None,
        "state": CopyState.PLANNED,
    }
    return Intent(**{**given, **fields})  # type: ignore[arg-type]  # names checked by the struct itself


def journal_row(*intents: Intent, ends: int = TS) -> JournalRow:
    """A row of the first owner whose lease ends at `ends`."""
    event = LeaderEvent(product=ProductId("p"), shard=0, shards=1, fact=fact())
    lease = Lease(owner="one", fence=1, ends=ends)
    return JournalRow(event=event, intents=intents, lease=lease, ts_received=TS, ts_planned=TS)


FIRST_EVENT = EventId("e1")


def altered(fact: OrderFact, **fields: object) -> OrderFact:
    """The fact with some fields replaced."""
    return msgspec.structs.replace(fact, **fields)
