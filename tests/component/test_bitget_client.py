"""Bitget's client and session against the simulator, over in-memory streams."""

import random
from decimal import Decimal
from functools import partial

import httpx
import pytest
import trio
from msgspec.structs import replace
from spider_common.venues.budget import Budgets

from services.simulator.actions import Arm, apply
from services.simulator.faults import Fault
from services.simulator.ledger import Canceled, Executed, Placed
from services.simulator.simulator import SimulatorConfig, serve_simulator
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import Account
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import (
    Amendment,
    OrderRef,
    OrderRequest,
)
from spider_common.sdk.ccxt import Codec
from spider_common.sdk.http import TrioTransport, client
from spider_common.secret import Credentials, Secret
from spider_common.venues.bitget.client import BitgetClient
from spider_common.venues.bitget.parse import ClosingSide
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    NotFound,
    Refused,
    Rejected,
    Unknown,
    Unsent,
    VenueError,
)
from spider_common.venues.venue import VenueClient
from tests.component.bitget_trader import SWAP, Trader

S = NS_PER_S
IDS = [f"{number:032x}" for number in range(100)]
ONE_WAY = Account(account=AccountId("alice"), venue=Venue.BITGET)
HEDGED = Account(account=AccountId("hedger"), venue=Venue.BITGET, hedge_mode=True)
ORDER = OrderRequest(
    client_order_id=IDS[0],
    account=ONE_WAY,
    symbol=SWAP,
    side=Side.BUY,
    position_side=PositionSide.NET,
    reduce_only=False,
    order_type=OrderType.MARKET,
    size=Decimal("0.01"),
)
RESTING = replace(ORDER, order_type=OrderType.LIMIT, price=Decimal(50000))
REF = OrderRef(account=ONE_WAY, symbol=SWAP, client_order_id=IDS[0])


def key(name):
    return Credentials(Secret(name), Secret(f"{name}-secret"), Secret(f"{name}-pass"))


class Bench:
    """A client beside the simulator that it speaks to, each with a clock of its own."""

    def __init__(self, simulator, network, venue_clock, clock, **settings):
        self.simulator, self.network, self.venue_clock, self.clock = simulator, network, venue_clock, clock
        addresses = simulator.addresses
        self.http = client(TrioTransport(network=network))
        self.client: VenueClient = BitgetClient(
            http=self.http,
            codec=Codec("bitget", clock, base_url=f"http://{addresses.host}:{addresses.rest_port}"),
            budgets=Budgets(clock),
            clock=clock,
            socket_url=f"ws://{addresses.host}:{addresses.socket_port}/v2/ws/private",
            **settings,
        )
        self.alice = Trader(simulator, network, venue_clock)
        self.hedger = Trader(simulator, network, venue_clock, "hedger", mode="long_short")
        self.venue = simulator.bitget

    def in_s(self, seconds):
        return self.clock.now() + seconds * S

    def kinds(self):
        return [type(entry) for entry in self.venue.exchange.ledger.entries]

    def arm(self, kind, **more):
        apply(self.venue, Arm(fault=Fault(kind=kind, **more)))

    async def place(self, order=ORDER, *, within=10):
        await self.client.ready_to_place(order)
        return await self.client.place(key(order.account.account), order, expires=self.in_s(within))

    async def find(self, ref=REF):
        return await self.client.find(key(ref.account.account), ref)


@pytest.fixture
async def make_bench(nursery, network, venue_clock):
    async def make(*, clock=venue_clock, config=None, **settings):
        serve = partial(
            serve_simulator,
            config or SimulatorConfig(),
            network=network,
            clock=venue_clock,
            rng=random.Random(7),
        )
        bench = Bench(await nursery.start(serve), network, venue_clock, clock, **settings)
        await bench.client.instruments()
        return bench

    return make


@pytest.fixture
async def bench(make_bench):
    return await make_bench()


async def test_instruments_are_listed_in_base_coin(autojump_clock, bench):
    """Every simulated swap, with its own steps, is known from then on."""
    listed = await bench.client.instruments()
    assert [(each.symbol, each.lot, each.minimum, each.tick, each.contract_size) for each in listed] == [
        (item.symbol, item.lot, item.minimum, item.tick, 1) for item in bench.venue.instruments
    ]
    assert list(bench.client.known_instruments) == list(listed)


# Placing


@pytest.mark.parametrize(
    ("kind", "price"),
    [
        (OrderType.MARKET, None),
        (OrderType.LIMIT, Decimal(59000)),
        (OrderType.POST_ONLY, Decimal(59000)),
        (OrderType.IOC, Decimal("60000.1")),
        (OrderType.FOK, Decimal(61000)),
    ],
)
async def test_an_order_is_placed_as_asked_and_found_again(autojump_clock, bench, kind, price):
    """The venue's ledger has it as it was asked for, and `find` tells it back."""
    outcome = await bench.place(replace(ORDER, order_type=kind, price=price))
    order = bench.venue.exchange.ledger.entries[0].order
    assert outcome == Accepted(order.order_id)
    assert (order.kind, order.price, order.size, order.side) == (kind, price, Decimal("0.01"), "buy")
    found = await bench.find()
    assert isinstance(found, Found)
    assert (found.fact.order_type, found.fact.price) == (kind, price)
    assert (found.fact.venue_order_id, found.fact.client_order_id) == (order.order_id, IDS[0])


@pytest.mark.parametrize("closing", list(ClosingSide))
async def test_hedged_orders_work_on_the_position_they_name(autojump_clock, make_bench, closing):
    """Open and close, long and short, whichever meaning of `side` both ends are set to."""
    bench = await make_bench(config=SimulatorConfig(bitget_closing=closing.value), closing=closing)
    opens_and_closes = [
        (PositionSide.LONG, Side.BUY),
        (PositionSide.SHORT, Side.SELL),
        (PositionSide.LONG, Side.SELL),
        (PositionSide.SHORT, Side.BUY),
    ]
    sizes = [Decimal("0.03"), Decimal("0.02"), Decimal("0.01"), Decimal("0.01")]
    for number, ((leg, side), size) in enumerate(zip(opens_and_closes, sizes, strict=True)):
        order = replace(
            ORDER, client_order_id=IDS[number], account=HEDGED, position_side=leg, side=side, size=size
        )
        assert isinstance(await bench.place(order), Accepted)
    told = await bench.client.sweep(key("hedger"), HEDGED.account, since=0)
    assert [(fact.position_side, fact.side) for fact in told.facts] == opens_and_closes
    assert [(each.side, each.quantity) for each in told.executions] == [
        (side, size) for (_, side), size in zip(opens_and_closes, sizes, strict=True)
    ]
    held = {each.position_side: each.quantity for each in told.positions}
    assert held == {PositionSide.LONG: Decimal("0.02"), PositionSide.SHORT: Decimal("-0.01")}


async def test_reduce_only_reduces(autojump_clock, bench):
    """In one-way mode; without anything to reduce the venue refuses."""
    reducing = replace(ORDER, side=Side.SELL, reduce_only=True)
    assert await bench.place(reducing) == Rejected("22002", "No position to close")
    await bench.place()
    assert isinstance(await bench.place(replace(reducing, client_order_id=IDS[1])), Accepted)
    assert bench.alice.account.held() == []


@pytest.mark.parametrize(
    "change", [{"symbol": "NOPEUSDT"}, {"size": Decimal("0.00005")}, {"price": Decimal("1.01")}]
)
async def test_what_the_instrument_cannot_have_is_not_sent(autojump_clock, bench, change):
    """Refused by us: the venue's ledger has not even a refusal."""
    outcome = await bench.place(replace(RESTING, **change))
    assert outcome == Refused(Reason.INSTRUMENT_CHANGED)
    assert bench.kinds() == []


async def test_a_key_without_a_passphrase_is_not_tried(autojump_clock, bench):
    """Writes are refused by us, questions raise."""
    bare = Credentials(Secret("alice"), Secret("alice-secret"))
    assert await bench.client.place(bare, ORDER, expires=bench.in_s(9)) == Refused(Reason.NO_CREDENTIALS)
    assert isinstance(await bench.client.find(bare, REF), Unknown)
    with pytest.raises(VenueError, match="passphrase"):
        await bench.client.sweep(bare, ONE_WAY.account, since=0)


# Ambiguous outcomes


@pytest.mark.parametrize(
    ("kind", "effect"),
    [("lose_reply", True), ("error_with_effect", True), ("error_without_effect", False)],
)
async def test_a_lost_answer_is_unknown_and_a_question_settles_it(autojump_clock, bench, kind, effect):
    """With and without effect the outcome is the same; only the venue's books tell."""
    bench.arm(kind)
    assert isinstance(await bench.place(), Unknown)
    assert isinstance(await bench.find(), Found if effect else NotFound)
    assert bench.kinds() == ([Placed, Executed] if effect else [])


async def test_a_late_answer_is_unknown(autojump_clock, bench):
    """Past the request's deadline nobody waits for it, though the order is there."""
    bench.arm("late_reply", delay=60 * S)
    begun = trio.current_time()
    assert isinstance(await bench.place(), Unknown)
    assert trio.current_time() - begun == pytest.approx(5)
    assert isinstance(await bench.find(), Found)


async def test_nobody_listening_is_unsent(autojump_clock, make_bench):
    """No connection, no order: the request surely never left."""
    bench = await make_bench()
    bench.client = BitgetClient(
        http=bench.http,
        codec=Codec("bitget", bench.clock, base_url="http://127.0.0.1:1"),
        budgets=Budgets(bench.clock),
        clock=bench.clock,
        socket_url="",
    )
    bench.client.known_instruments = (await make_known(bench)).known_instruments
    sent = await bench.client.cancel(key("alice"), REF, expires=bench.in_s(9))
    assert isinstance(sent, Unsent)
    with pytest.raises(VenueError, match="ConnectError"):
        await bench.client.server_time()


async def make_known(bench):
    addresses = bench.simulator.addresses
    other = BitgetClient(
        http=bench.http,
        codec=Codec("bitget", bench.clock, base_url=f"http://{addresses.host}:{addresses.rest_port}"),
        budgets=Budgets(bench.clock),
        clock=bench.clock,
        socket_url="",
    )
    await other.instruments()
    return other


async def test_a_hidden_order_is_not_found_until_it_shows(autojump_clock, bench):
    """The venue may say "not found" of an accepted order for a while."""
    bench.arm("hide_order", delay=3 * S)
    assert isinstance(await bench.place(), Accepted)
    assert await bench.find() == NotFound()
    await trio.sleep(3)
    assert isinstance(await bench.find(), Found)


async def test_a_pending_orders_id_is_in_doubt_and_a_finished_ones_fills_again(autojump_clock, bench):
    """The id is no idempotency key: a duplicate answer proves nothing, and a used id is taken again."""
    assert isinstance(await bench.place(RESTING), Accepted)
    assert isinstance(await bench.place(RESTING), Unknown)
    await bench.client.cancel(key("alice"), REF, expires=bench.in_s(9))
    for _ in range(2):
        assert isinstance(await bench.place(), Accepted)
    assert bench.kinds().count(Executed) == 2


# Expiry


@pytest.mark.parametrize("within", [1, 10, 29, 45])
@pytest.mark.parametrize("ahead_s", [0, 7, -7], ids=["same clock", "venue ahead", "venue behind"])
async def test_the_venue_refuses_what_arrives_after_its_expiry(
    autojump_clock, make_bench, venue_clock, within, ahead_s
):
    """By the venue's own clock: in time it is taken, past it never, however the two clocks differ."""
    clock = TrioClock(venue_clock.now() - ahead_s * S)
    bench = await make_bench(clock=clock)
    assert await bench.client.server_time() == clock.now() + ahead_s * S
    age = min(within, 30)  # the venue itself takes nothing that is older
    bench.arm("hold_request", delay=age * S)
    bench.arm("lose_reply")  # the answer is not waited for
    await bench.place(within=within)
    await trio.sleep(age)
    assert bench.kinds() == [Placed, Executed]
    bench.arm("hold_request", delay=age * S + 1_000_000)
    bench.arm("lose_reply")
    await bench.place(replace(ORDER, client_order_id=IDS[1]), within=within)
    await trio.sleep(age + 1)
    assert bench.kinds() == [Placed, Executed]


async def test_an_expired_request_is_unsent(autojump_clock, bench):
    """Refused by the venue as too old, or not even sent: either way there is surely no order."""
    bench.arm("hold_request", delay=2 * S)
    assert isinstance(await bench.place(within=1), Unsent)
    assert isinstance(await bench.place(within=0), Unsent)
    assert bench.kinds() == []


async def test_without_set_back_timestamps_a_request_lives_30_seconds(autojump_clock, make_bench):
    """The setting for a venue that would refuse them: capabilities say what is left of the expiry."""
    bench = await make_bench(request_age=None)
    assert bench.client.capabilities.expiry == "30 s after signing"
    bench.arm("hold_request", delay=4 * S)
    assert isinstance(await bench.place(within=1), Accepted)


# Cancelling and amending


async def test_a_cancel_is_accepted_once(autojump_clock, bench):
    """By our id or the venue's; what has ended or never was is refused."""
    for number in range(2):
        made = await bench.place(replace(RESTING, client_order_id=IDS[number]))
        ref = OrderRef(
            account=ONE_WAY,
            symbol=SWAP,
            client_order_id=IDS[number],
            venue_order_id=made.venue_order_id if number else None,
        )
        outcomes = [await bench.client.cancel(key("alice"), ref, expires=bench.in_s(9)) for _ in range(2)]
        assert outcomes == [Accepted(made.venue_order_id), Rejected("22001", "No order to cancel")]
    never = replace(REF, client_order_id=IDS[9])
    outcome = await bench.client.cancel(key("alice"), never, expires=bench.in_s(9))
    assert outcome == Rejected("40768", "Order does not exist")
    found = await bench.find()
    assert isinstance(found, Found)
    assert found.fact.status is OrderStatus.CANCELED


async def test_an_amendment_replaces_the_order(autojump_clock, bench):
    """The new one has the replacement's id, which finds it; an order without a price cannot be amended."""
    await bench.place(RESTING)
    change = Amendment(
        ref=REF,
        side=Side.BUY,
        position_side=PositionSide.NET,
        reduce_only=False,
        size=Decimal("0.02"),
        price=Decimal(51000),
        replacement=IDS[1],
    )
    assert await bench.client.amend(key("alice"), change, expires=bench.in_s(9)) == Accepted(None)
    found = await bench.find(replace(REF, client_order_id=IDS[1]))
    assert isinstance(found, Found)
    assert (found.fact.quantity, found.fact.price) == (Decimal("0.02"), Decimal(51000))
    assert bench.kinds() == [Placed, Canceled, Placed]
    again = await bench.client.amend(key("alice"), change, expires=bench.in_s(9))
    assert again == Rejected("40768", "Order does not exist")
    priceless = await bench.client.amend(key("alice"), replace(change, price=None), expires=bench.in_s(9))
    assert priceless == Refused(Reason.NOT_AMENDABLE)


# Conditional orders: the simulator has none, so what would be sent is looked at


async def sent_by(bench, order):
    """The path and body of what placing the order sends."""
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(200, json={"code": "00000", "msg": "success", "data": {"orderId": "7"}})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        other = BitgetClient(
            http=http,
            codec=Codec("bitget", bench.clock),
            budgets=Budgets(bench.clock),
            clock=bench.clock,
            socket_url="",
        )
        other.known_instruments = bench.client.known_instruments
        outcome = await other.place(key(order.account.account), order, expires=bench.in_s(9))
    return outcome, seen
