"""Bitget's client and session against the simulator, over in-memory streams."""

import random
from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from services.simulator.actions import Arm, Cancel, Place, SetPrice, apply
from services.simulator.faults import Fault
from services.simulator.ledger import Canceled, Executed, Placed
from services.simulator.rules import NewOrder
from services.simulator.simulator import SimulatorConfig, serve_simulator
from spider_common.budgets.fair import Budgets
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import Account
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import (
    Amendment,
    MarginMode,
    OrderRef,
    OrderRequest,
    Trigger,
    TriggerKind,
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
    RateLimited,
    Refused,
    Rejected,
    Unknown,
    Unsent,
    VenueError,
)
from spider_common.venues.socket import open_socket
from spider_common.venues.venue import Failed, Ready, Send, Told, VenueClient
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


async def test_nobody_listening_is_unsent(autojump_clock, network, venue_clock):
    """No connection, no order: the request surely never left. A question raises."""
    deaf = BitgetClient(
        http=client(TrioTransport(network=network)),
        codec=Codec("bitget", venue_clock, base_url="http://127.0.0.1:1"),
        budgets=Budgets(venue_clock),
        clock=venue_clock,
        socket_url="",
    )
    sent = await deaf.cancel(key("alice"), REF, expires=venue_clock.now() + 9 * S)
    assert isinstance(sent, Unsent)
    with pytest.raises(VenueError, match="ConnectError"):
        await deaf.server_time()


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


# Conditional orders


def conditional(kind, *, account=ONE_WAY, leg=PositionSide.NET, side=Side.SELL, price=None):
    trigger = Trigger(kind=kind, price=Decimal(55000))
    return replace(
        ORDER,
        account=account,
        position_side=leg,
        side=side,
        trigger=trigger,
        price=price,
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        reduce_only=kind is not TriggerKind.ENTRY,
    )


@pytest.mark.parametrize("price", [None, Decimal(54900)])
@pytest.mark.parametrize("kind", list(TriggerKind))
@pytest.mark.parametrize(
    ("account", "leg"), [(ONE_WAY, PositionSide.NET), (HEDGED, PositionSide.LONG)], ids=["net", "long"]
)
async def test_a_conditional_order_waits_and_is_found_and_cancelled(
    autojump_clock, bench, kind, account, leg, price
):
    """Entry, stop loss and take profit, of a long: found by our id while they wait and after the cancel."""
    side = Side.BUY if kind is TriggerKind.ENTRY else Side.SELL
    order = conditional(kind, account=account, leg=leg, side=side, price=price)
    made = await bench.place(order)
    assert isinstance(made, Accepted)
    ref = replace(REF, account=account)
    found = await bench.find(ref)
    assert isinstance(found, Found)
    fact = found.fact
    assert (fact.venue_order_id, fact.side, fact.position_side) == (made.venue_order_id, side, leg)
    assert (fact.reduce_only, fact.price) == (order.reduce_only, price)
    assert (fact.status, fact.cum_filled, fact.quantity) == (OrderStatus.LIVE, 0, Decimal("0.01"))
    credentials = key(account.account)
    outcomes = [await bench.client.cancel(credentials, ref, expires=bench.in_s(9)) for _ in range(2)]
    assert outcomes == [made, Rejected("40768", "Order does not exist")]
    found = await bench.find(ref)
    assert isinstance(found, Found)
    assert found.fact.status is OrderStatus.CANCELED


# Limits


async def test_orders_wait_for_their_budget(autojump_clock, bench):
    """Thirty orders at once are all taken: none leaves before the venue lets it in."""
    outcomes = []

    async def one(number):
        order = replace(RESTING, client_order_id=IDS[number])
        await bench.client.ready_to_place(order)
        outcomes.append(await bench.client.place(key("alice"), order, expires=bench.in_s(9)))

    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(one, number)
    assert [type(outcome) for outcome in outcomes] == [Accepted] * 30


async def test_a_rate_limit_closes_the_bucket(autojump_clock, bench):
    """Somebody else has used the account's window up: the next order waits a second by itself."""
    for _ in range(10):
        await bench.alice.order()
    outcome = await bench.client.place(key("alice"), ORDER, expires=bench.in_s(9))
    assert isinstance(outcome, RateLimited)
    begun = trio.current_time()
    assert isinstance(await bench.place(), Accepted)
    assert trio.current_time() - begun == pytest.approx(1)


# Sweeping, and the socket beside it


def by_hand(name, number, **more):
    order = NewOrder(
        symbol=SWAP, side="buy", kind="limit", size=Decimal("0.01"), price=Decimal(60000),
        client_order_id=IDS[number], **more,
    )  # fmt: skip
    return Place(account=name, order=order)


async def test_a_sweep_tells_what_is_and_what_was(autojump_clock, bench):
    """Open orders, finished ones, their fills with our ids, equity, positions; each in the order of time."""
    for number, price in enumerate((60000, 59000, 58000)):
        await bench.place(
            replace(RESTING, client_order_id=IDS[number], price=Decimal(price), order_type=OrderType.LIMIT)
        )
        await trio.sleep(1)
    apply(bench.venue, Cancel(account="alice", symbol=SWAP, client_order_id=IDS[2]))
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    assert [(fact.client_order_id, fact.status) for fact in told.facts] == [
        (IDS[0], OrderStatus.FILLED),
        (IDS[1], OrderStatus.LIVE),
        (IDS[2], OrderStatus.CANCELED),
    ]
    assert [(each.client_order_id, each.quantity) for each in told.executions] == [(IDS[0], Decimal("0.01"))]
    assert [(each.currency, each.equity) for each in told.equities] == [("USDT", Decimal("999999.7"))]
    assert [(each.position_side, each.quantity) for each in told.positions] == [
        (PositionSide.NET, Decimal("0.01"))
    ]


async def test_an_order_that_was_filled_after_resting_for_long_is_told_by_its_fill(autojump_clock, bench):
    """History goes by the time of making: of an old order only the new fill is in its listing."""
    await bench.place(RESTING)
    await trio.sleep(3600)
    since = bench.clock.now()
    apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(50000)))
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=since)
    assert [(fact.client_order_id, fact.status) for fact in told.facts] == [(IDS[0], OrderStatus.FILLED)]
    assert [each.client_order_id for each in told.executions] == [IDS[0]]


async def test_a_sweep_reads_every_page(autojump_clock, bench):
    """More orders and fills than a page holds, each of them once."""
    for number in range(250):
        apply(bench.venue, by_hand("alice", number % 100))
    told = await bench.client.sweep(key("alice"), ONE_WAY.account, since=0)
    assert len({fact.venue_order_id for fact in told.facts}) == len(told.facts) == 250
    assert len({each.trade_id for each in told.executions}) == len(told.executions) == 250


async def converse(bench, account, work):
    """What a session tells of an account while `work` is done, ready before it begins."""
    told = []
    credentials = key(account.account)
    session = bench.client.session(credentials, account.account)
    url = await bench.client.socket_url(credentials)
    async with open_socket(bench.network, url, tls=None) as socket, trio.open_nursery() as nursery:

        async def answer(events):
            for event in events:
                match event:
                    case Send(text=text):
                        await socket.send(text)
                    case Ready():
                        ready.set()
                    case _:
                        told.append(event)

        async def read():
            await answer(session.opened(bench.clock.now()))
            while True:
                frame = None
                with trio.move_on_after(max(session.due() - bench.clock.now(), 0) / S):
                    frame = await socket.receive()
                now = bench.clock.now()
                await answer(session.tick(now) if frame is None else session.received(frame, now))

        ready = trio.Event()
        nursery.start_soon(read)
        await ready.wait()
        await work()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    return told


@pytest.mark.parametrize("account", [ONE_WAY, HEDGED], ids=["net", "hedged"])
async def test_socket_and_sweep_tell_the_same_facts(autojump_clock, bench, account):
    """What was last pushed of each order has the event id, and each fill the very form, that REST gives."""
    name = account.account
    leg = "long" if account.hedge_mode else "net"

    async def trade():
        apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(60000), depth=Decimal("0.004")))
        for number in range(3):
            apply(bench.venue, by_hand(name, number, leg=leg))
        apply(bench.venue, Cancel(account=name, symbol=SWAP, client_order_id=IDS[1]))
        await trio.sleep(100)  # over three pings
        apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(59999), depth=None))

    events = await converse(bench, account, trade)
    assert all(isinstance(event, Told) for event in events)
    pushed = {fact.venue_order_id: fact for event in events for fact in event.facts}
    executions = [each for event in events for each in event.executions]
    swept = await bench.client.sweep(key(name), account.account, since=0)
    assert {fact.event_id for fact in swept.facts} == {fact.event_id for fact in pushed.values()}
    assert list(swept.executions) == sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))
    assert len(executions) == 5
    last = [event.positions for event in events if event.positions][-1]
    assert [(each.position_side, each.quantity) for each in last] == [
        (each.position_side, each.quantity) for each in swept.positions
    ]
    assert [event.equities for event in events if event.equities][-1][0].equity == swept.equities[0].equity


@pytest.mark.parametrize("category", ["full_liquidation", "adl"])
@pytest.mark.parametrize("account", [ONE_WAY, HEDGED], ids=["net", "hedged"])
async def test_the_venues_own_closes_are_read_as_any_other(autojump_clock, bench, account, category):
    """A liquidation or deleveraging of a long sells, by socket and by sweep."""
    name = account.account
    leg = "long" if account.hedge_mode else "net"
    apply(bench.venue, by_hand(name, 0, leg=leg))
    closing = NewOrder(
        symbol=SWAP, side="sell", kind="market", size=Decimal("0.01"), leg=leg, category=category
    )

    async def close():
        apply(bench.venue, Place(account=name, order=closing))

    events = await converse(bench, account, close)
    swept = await bench.client.sweep(key(name), account.account, since=0)
    for executions in ([each for event in events for each in event.executions], swept.executions[1:]):
        assert [(each.side, each.quantity) for each in executions] == [(Side.SELL, Decimal("0.01"))]
    assert swept.positions == ()


async def test_facts_of_one_order_are_pushed_in_its_order(autojump_clock, bench):
    """Each fact is newer than the one before: by fill, then by status."""

    async def trade():
        apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(60000), depth=Decimal("0.004")))
        apply(bench.venue, by_hand("alice", 0))
        apply(bench.venue, SetPrice(symbol=SWAP, price=Decimal(59999), depth=None))

    facts = [fact for event in await converse(bench, ONE_WAY, trade) for fact in event.facts]
    assert [fact.cum_filled for fact in facts] == [0, Decimal("0.004"), Decimal("0.01")]
    assert all(before.age_key < after.age_key for before, after in pairwise(facts))


async def test_a_refused_login_is_fatal(autojump_clock, bench):
    """A wrong key stays wrong until somebody acts."""
    wrong = Credentials(Secret("alice"), Secret("not-the-secret"), Secret("alice-pass"))
    session = bench.client.session(wrong, ONE_WAY.account)
    url = await bench.client.socket_url(wrong)
    async with open_socket(bench.network, url, tls=None) as socket:
        (login,) = session.opened(bench.clock.now())
        await socket.send(login.text)
        assert session.received(await socket.receive(), bench.clock.now()) == [
            Failed("30015 Invalid sign", fatal=True)
        ]


# Settings


async def test_leverage_and_position_mode(autojump_clock, bench):
    """Set at the venue; what it refuses is told as its refusal."""
    alice = key("alice")
    for mode in MarginMode:
        assert await bench.client.set_leverage(alice, ONE_WAY, SWAP, 20, mode) == Accepted(None)
    assert bench.alice.account.leverage_of(SWAP) == 20
    hedger = key("hedger")
    assert await bench.client.set_leverage(hedger, HEDGED, SWAP, 5, MarginMode.ISOLATED) == Accepted(None)
    too_much = await bench.client.set_leverage(alice, ONE_WAY, SWAP, 500, MarginMode.CROSS)
    assert isinstance(too_much, Rejected)
    await bench.place()
    blocked = await bench.client.set_hedge_mode(alice, ONE_WAY, hedge=True)
    assert isinstance(blocked, Rejected)
    assert blocked.code == "40920"
    assert await bench.client.set_hedge_mode(hedger, HEDGED, hedge=False) == Accepted(None)
    assert bench.hedger.account.position_mode == "net"


async def test_permissions_of_a_key(autojump_clock, bench):
    """The simulator's keys may read and trade, and have no list of addresses."""
    told = await bench.client.permissions(key("alice"))
    assert (told.read, told.trade, told.withdraw, told.addresses) == (True, True, False, ())
