"""The BingX client against the simulator: what became of each request, and what is found again."""

import random
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial

import pytest
import trio

from services.simulator.accounts import Credentials as Owner
from services.simulator.actions import AnnounceClose, DropSockets, OpenAccount, SetPrice, Silence, apply
from services.simulator.faults import Fault
from services.simulator.ledger import Executed, Placed
from services.simulator.simulator import SimulatorConfig, serve_simulator
from spider_common.domain.identifiers import AccountId, ClientOrderId, Venue
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side
from spider_common.domain.products import Account
from spider_common.domain.requests import (
    Amendment,
    MarginMode,
    OrderRef,
    OrderRequest,
    Trigger,
    TriggerKind,
)
from spider_common.sdk import http
from spider_common.sdk.ccxt import Codec
from spider_common.secret import Credentials, Secret
from spider_common.venues.bingx.client import BingxClient
from spider_common.venues.bingx.rest import Limits
from spider_common.venues.budget import Budgets, Limit
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    NotFound,
    RateLimited,
    Rejected,
    Unknown,
    Unsent,
    VenueError,
)
from spider_common.venues.socket import SocketClosed, open_socket
from spider_common.venues.venue import Failed, KeepAlive, Ready, Send, Told

NS = 10**9
SWAP = "BTC-USDT"
KEYS = Credentials(Secret("carol"), Secret("carol-secret"))
CAROL = Account(account=AccountId("carol"), venue=Venue.BINGX)
FAST = Limit(1000, 1.0)


class Shifted:
    """A clock that is off."""

    def __init__(self, clock, offset):
        self._clock, self._offset = clock, offset

    def now(self):
        return self._clock.now() + self._offset


class Desk:
    """A client, the venue's ledger, and the time."""

    def __init__(self, client, simulator, network, clock):
        self.client, self.simulator, self.network, self.clock = client, simulator, network, clock
        self.venue = simulator.bingx

    def expires(self, seconds=4.0):
        return self.clock.now() + round(seconds * NS)

    async def place(self, name="a1", *, expires=None, **fields):
        request = order(name, **fields)
        await self.client.ready_to_place(request)
        return await self.client.place(KEYS, request, expires=expires or self.expires())

    async def cancel(self, name="a1"):
        return await self.client.cancel(KEYS, ref(name), expires=self.expires())

    async def amend(self, name="a1", *, size="0.002", price="50000", replacement="b1"):
        change = Amendment(
            ref=ref(name),
            side=Side.BUY,
            position_side=PositionSide.NET,
            reduce_only=False,
            size=Decimal(size),
            price=Decimal(price),
            replacement=ClientOrderId(replacement),
        )
        return await self.client.amend(KEYS, change, expires=self.expires())

    async def find(self, name="a1"):
        return await self.client.find(KEYS, ref(name))

    async def sweep(self, since=None):
        since = self.clock.now() - 3600 * NS if since is None else since
        return await self.client.sweep(KEYS, CAROL.account, since=since)

    def entries(self, kind):
        return [entry for entry in self.venue.exchange.ledger.entries if isinstance(entry, kind)]

    def arm(self, kind, **how):
        self.venue.faults.arm(Fault(kind=kind, **how))


def order(name="a1", **fields):
    asked = {
        "client_order_id": ClientOrderId(name),
        "account": CAROL,
        "symbol": SWAP,
        "side": Side.BUY,
        "position_side": PositionSide.NET,
        "reduce_only": False,
        "order_type": OrderType.LIMIT if "price" in fields else OrderType.MARKET,
        "size": Decimal("0.001"),
    }
    return OrderRequest(**asked | fields)


def ref(name="a1"):
    return OrderRef(account=CAROL, symbol=SWAP, client_order_id=ClientOrderId(name))


RESTS = {"price": Decimal(50000)}


@pytest.fixture
async def open_desk(simulator, network, venue_clock):
    """Opens desks: `offset` shifts their clock, `limits` replaces their limits."""
    opened = []

    @asynccontextmanager
    async def desk(*, offset=0, mode="net", limits=None, fallback="", port=None):
        if "carol" not in simulator.bingx.exchange.accounts:
            account = OpenAccount(
                name="carol",
                credentials=Owner("carol", "carol-secret", ""),
                balances={"USDT": Decimal(1_000_000)},
                position_mode=mode,
            )
            apply(simulator.bingx, account)
        clock = Shifted(venue_clock, offset)
        addresses = simulator.addresses
        fast = Limits(orders_ip=FAST, queries_ip=FAST, place=FAST, cancel=FAST, change=FAST, query=FAST)
        async with http.client(http.TrioTransport(network=network)) as client:
            made = BingxClient(
                http=client,
                codec=Codec(
                    "bingx", clock, base_url=f"http://{addresses.host}:{port or addresses.rest_port}"
                ),
                budgets=Budgets(clock),
                clock=clock,
                socket_url=f"ws://{addresses.host}:{addresses.socket_port}/swap-market",
                limits=limits or fast,
                fallback=fallback,
            )
            await made.instruments()
            opened.append(made)
            yield Desk(made, simulator, network, clock)

    return desk


async def test_instruments_are_those_of_the_venue(autojump_clock, open_desk):
    """Four coins, sizes in base coin, exact steps."""
    async with open_desk() as desk:
        known = {each.symbol: (each.lot, each.minimum, each.tick) for each in desk.client.known_instruments}
        assert known == {
            "BTC-USDT": (Decimal("0.0001"), Decimal("0.0001"), Decimal("0.1")),
            "ETH-USDT": (Decimal("0.01"), Decimal("0.01"), Decimal("0.01")),
            "SOL-USDT": (Decimal("0.1"), Decimal("0.1"), Decimal("0.001")),
            "DOGE-USDT": (Decimal(1), Decimal(14), Decimal("0.00001")),
        }
        assert desk.client.known_instruments.get(Venue.BINGX, SWAP).contract_size == 1


async def test_an_order_lives_and_is_found(autojump_clock, open_desk):
    """Placed, found by our id, cancelled, found again; a cancel of what is gone is refused."""
    async with open_desk() as desk:
        placed = await desk.place(**RESTS)
        found = await desk.find()
        assert isinstance(placed, Accepted)
        assert (found.fact.venue_order_id, found.fact.status) == (placed.venue_order_id, OrderStatus.LIVE)
        assert (found.fact.client_order_id, found.fact.price) == ("a1", Decimal(50000))
        assert isinstance(await desk.cancel(), Accepted)
        assert (await desk.find()).fact.status is OrderStatus.CANCELED
        gone = await desk.cancel()
        assert (type(gone), gone.code) == (Rejected, "109421")
        assert await desk.find("nobody") == NotFound()


@pytest.mark.parametrize(
    ("kind", "kind_at_venue"),
    [
        (OrderType.LIMIT, "limit"),
        (OrderType.POST_ONLY, "post_only"),
        (OrderType.IOC, "ioc"),
        (OrderType.FOK, "fok"),
        (OrderType.MARKET, "market"),
    ],
)
async def test_each_type_of_order_arrives_as_it_is(autojump_clock, open_desk, kind, kind_at_venue):
    """With its kind, its price and our id."""
    async with open_desk() as desk:
        price = None if kind is OrderType.MARKET else Decimal(50000)
        assert isinstance(await desk.place(order_type=kind, price=price), Accepted)
        (placed,) = desk.entries(Placed)
        assert (placed.order.kind, placed.order.price, placed.order.client_order_id) == (
            kind_at_venue,
            price,
            "a1",
        )


async def test_one_way_mode_reduces_and_hedge_mode_names_the_leg(autojump_clock, open_desk):
    """reduceOnly goes where it is taken; legs close by their side alone."""
    async with open_desk() as desk:
        reducing = {"side": Side.SELL, "reduce_only": True}
        refused = await desk.place("r1", **reducing)
        assert (type(refused), refused.code) == (Rejected, "101205")
        assert isinstance(await desk.place("r2"), Accepted)
        assert isinstance(await desk.place("r3", **reducing), Accepted)
        account = msgspec_account(hedge=True)
        assert isinstance(await desk.client.set_hedge_mode(KEYS, account, hedge=True), Accepted)
        long = {"position_side": PositionSide.LONG}
        assert isinstance(await desk.place("h1", **long), Accepted)
        assert isinstance(await desk.place("h2", **long, **reducing), Accepted)
        assert [entry.order.leg for entry in desk.entries(Executed)] == ["net", "net", "long", "long"]
        assert isinstance(await desk.client.set_hedge_mode(KEYS, account, hedge=True), Accepted)


def msgspec_account(*, hedge):
    return Account(account=CAROL.account, venue=Venue.BINGX, hedge_mode=hedge)


@pytest.mark.parametrize(
    ("fault", "placed"), [("lose_reply", 1), ("error_with_effect", 1), ("error_without_effect", 0)]
)
async def test_an_answer_that_is_lost_is_a_doubt_that_can_be_settled(
    autojump_clock, open_desk, fault, placed
):
    """Unknown, and then found or not, as the venue has it."""
    async with open_desk() as desk:
        desk.arm(fault)
        assert isinstance(await desk.place(), Unknown)
        assert len(desk.entries(Placed)) == placed
        assert isinstance(await desk.find(), Found if placed else NotFound)


async def test_a_late_answer_is_a_doubt(autojump_clock, open_desk):
    """The order was accepted at once; its answer takes longer than we wait."""
    async with open_desk() as desk:
        desk.arm("late_reply", delay=30 * NS)
        assert isinstance(await desk.place(), Unknown)
        assert isinstance(await desk.find(), Found)


async def test_a_used_id_is_a_doubt_and_is_found(autojump_clock, open_desk):
    """Sent again after a lost answer, the venue refuses the id: there is one order, and it is ours."""
    async with open_desk() as desk:
        desk.arm("lose_reply")
        assert isinstance(await desk.place(), Unknown)
        again = await desk.place()
        await trio.sleep(2)
        later = await desk.place()
        assert ([type(again), type(later)], len(desk.entries(Executed))) == ([Unknown, Unknown], 1)
        assert ("109201" in again.why, "101481" in later.why) == (True, True)
        assert (await desk.find()).fact.status is OrderStatus.FILLED


async def test_a_hidden_order_is_not_found_until_it_is(autojump_clock, open_desk):
    """Not found says nothing yet: the visibility bound is the caller's to wait for."""
    async with open_desk() as desk:
        desk.arm("hide_order", delay=5 * NS)
        desk.arm("lose_reply")
        await desk.place()
        assert await desk.find() == NotFound()
        await trio.sleep(5)
        assert isinstance(await desk.find(), Found)


async def test_the_venue_drops_what_arrives_late(autojump_clock, open_desk):
    """The window that we sign ends at the expiry: held longer, the order is surely not there."""
    async with open_desk() as desk:
        desk.arm("hold_request", delay=2 * NS)
        outcome = await desk.place(expires=desk.expires(1.0))
        assert (type(outcome), desk.entries(Placed)) == (Unsent, [])
        desk.arm("hold_request", delay=round(0.9 * NS))
        assert isinstance(await desk.place(expires=desk.expires(1.0)), Accepted)


async def test_a_request_without_time_is_not_sent(autojump_clock, open_desk):
    """Less than the least window, or past its expiry."""
    async with open_desk() as desk:
        for seconds in (0.2, 0, -5):
            assert isinstance(await desk.place(expires=desk.expires(seconds)), Unsent)
        assert desk.entries(Placed) == []


async def test_a_far_expiry_is_cut_to_the_venues_window(autojump_clock, open_desk):
    """Five seconds at the most, whatever the lease allows."""
    async with open_desk() as desk:
        desk.arm("hold_request", delay=round(4.9 * NS))
        await desk.place(expires=desk.expires(60))
        assert len(desk.entries(Placed)) == 1
        desk.arm("hold_request", delay=round(5.1 * NS))
        await desk.place("a2", expires=desk.expires(60))
        assert len(desk.entries(Placed)) == 1


@pytest.mark.parametrize("offset", [-7.0, 7.0, 3600.0])
async def test_a_clock_that_is_off_still_signs_in_time(autojump_clock, open_desk, offset):
    """The offset to the venue's clock is kept, and an expiry stays what it is on our clock."""
    async with open_desk(offset=round(offset * NS)) as desk:
        assert isinstance(await desk.place(), Accepted)
        desk.arm("hold_request", delay=2 * NS)
        assert isinstance(await desk.place("a2", expires=desk.expires(1.0)), Unsent)
        server = await desk.client.server_time()
        assert abs(server - (desk.clock.now() - round(offset * NS))) < NS // 100


async def test_nobody_there_is_unsent(autojump_clock, open_desk, network):
    """A connection that was never made carried no order; a question without an answer says so."""
    async with open_desk() as desk:
        network.forget((desk.simulator.addresses.host, desk.simulator.addresses.rest_port))
        desk.client._rest._http._transport._pool  # noqa: B018 the pool keeps what is open
        await trio.sleep(120)  # until the venue has closed what is idle
        assert isinstance(await desk.place(), Unsent)
        assert isinstance(await desk.find(), Unknown)
        with pytest.raises(VenueError):
            await desk.sweep()


async def test_a_question_goes_to_the_fallback(autojump_clock, nursery, network, venue_clock, open_desk):
    """When the first origin is away, questions are put to the other, orders to nobody."""
    serve = partial(
        serve_simulator, SimulatorConfig(), network=network, clock=venue_clock, rng=random.Random(8)
    )
    other = (await nursery.start(serve)).addresses
    async with open_desk(port=1, fallback=f"http://{other.host}:{other.rest_port}") as desk:
        assert len(list(desk.client.known_instruments)) == 4
        assert isinstance(await desk.place(), Unsent)


async def test_a_new_size_amends_and_a_new_price_replaces(autojump_clock, open_desk):
    """The order stays for a size; for a price another takes its place under its own id."""
    async with open_desk() as desk:
        first = await desk.place(**RESTS)
        assert await desk.amend(size="0.001") == first
        assert await desk.amend(size="0.002") == first
        assert (await desk.find()).fact.quantity == Decimal("0.002")
        second = await desk.amend(size="0.003", price="51000")
        assert second.venue_order_id != first.venue_order_id
        assert (await desk.find()).fact.status is OrderStatus.CANCELED
        new = (await desk.find("b1")).fact
        assert (new.venue_order_id, new.price, new.quantity) == (
            second.venue_order_id,
            Decimal(51000),
            Decimal("0.003"),
        )


async def test_what_is_partly_filled_gets_no_other_price(autojump_clock, open_desk):
    """What it still gets until it is gone would come on top of its replacement."""
    async with open_desk() as desk:
        await desk.place(**RESTS, size=Decimal("0.002"))
        apply(desk.venue, SetPrice(symbol=SWAP, price=Decimal(50000), depth=Decimal("0.0005")))
        refused = await desk.amend(price="51000")
        assert (type(refused), refused.code) == (Rejected, "unsupported")
        assert (await desk.find()).fact.status is OrderStatus.PARTIALLY_FILLED


async def test_an_amendment_of_what_is_not_there_is_refused(autojump_clock, open_desk):
    """And one whose answer is lost is a doubt."""
    async with open_desk() as desk:
        assert (await desk.amend("nobody")).code == "80016"
        await desk.place(**RESTS)
        desk.arm("lose_reply", on="amend")
        assert isinstance(await desk.amend(price="51000"), Unknown)
        assert isinstance(await desk.find("b1"), Found)


async def test_a_refused_replacement_tells_that_the_old_order_is_gone(autojump_clock, open_desk):
    """Code 0 of the venue means neither half."""
    async with open_desk() as desk:
        await desk.place(**RESTS)
        refused = await desk.amend(size="5000", price="51000")
        assert (type(refused), refused.code) == (Rejected, "replace_failed")
        assert (await desk.find()).fact.status is OrderStatus.CANCELED


async def test_conditional_entries_are_not_sent(autojump_clock, open_desk):
    """One in doubt could not be looked for by its id."""
    async with open_desk() as desk:
        trigger = Trigger(kind=TriggerKind.ENTRY, price=Decimal(61000))
        outcome = await desk.place(trigger=trigger)
        assert (type(outcome), outcome.code) == (Rejected, "unsupported")


async def test_too_many_orders_back_the_account_off(autojump_clock, open_desk):
    """100410 names when to come again, and nothing of the account leaves before."""
    async with open_desk() as desk:
        outcomes = [await desk.place(f"a{each}") for each in range(6)]
        limited = outcomes[-1]
        assert [type(outcome) for outcome in outcomes] == [Accepted] * 5 + [RateLimited]
        assert limited.until - desk.clock.now() == pytest.approx(NS, abs=NS // 100)
        assert isinstance(await desk.place("a9"), Accepted)
        assert desk.clock.now() >= limited.until


async def test_the_default_limits_keep_within_the_venues(autojump_clock, open_desk):
    """Twenty orders in a row: each accepted."""
    async with open_desk(limits=Limits()) as desk:
        outcomes = [await desk.place(f"a{each}") for each in range(20)]
        assert [type(outcome) for outcome in outcomes] == [Accepted] * 20


async def test_a_sweep_tells_everything(autojump_clock, open_desk):
    """Open and finished orders, fills named as their orders, equity, position; twice the same."""
    async with open_desk() as desk:
        await desk.place("a1", size=Decimal("0.003"))
        await desk.place("a2", **RESTS)
        await desk.place("a3", **RESTS)
        await desk.cancel("a3")
        await desk.place("a4", side=Side.SELL, reduce_only=True)
        told, again = await desk.sweep(), await desk.sweep()
        assert {fact.client_order_id: fact.status for fact in told.facts} == {
            "a1": OrderStatus.FILLED,
            "a2": OrderStatus.LIVE,
            "a3": OrderStatus.CANCELED,
            "a4": OrderStatus.FILLED,
        }
        assert [fact.event_id for fact in told.facts] == [fact.event_id for fact in again.facts]
        assert [(each.client_order_id, each.signed) for each in told.executions] == [
            ("a1", Decimal("0.003")),
            ("a4", Decimal("-0.001")),
        ]
        ledger = [entry.execution.trade_id for entry in desk.entries(Executed)]
        assert [each.trade_id for each in told.executions] == ledger
        (equity,) = told.equities
        assert equity.equity == Decimal(1_000_000) - 240 * Decimal("0.0005")
        (held,) = told.positions
        assert (held.position_side, held.quantity, held.entry_price) == (
            PositionSide.NET,
            Decimal("0.002"),
            Decimal(60000),
        )


async def test_a_sweep_finds_an_old_order_that_has_ended(autojump_clock, open_desk):
    """History lists by the time of making; an order made before the last sweep and ended since is told."""
    async with open_desk() as desk:
        await desk.place(**RESTS)
        await trio.sleep(3 * 3600)
        since = desk.clock.now()
        await desk.cancel()
        (fact,) = (await desk.sweep(since)).facts
        assert (fact.client_order_id, fact.status) == ("a1", OrderStatus.CANCELED)
        assert (await desk.sweep(desk.clock.now() + NS)).facts == ()


async def test_a_sweep_asks_for_every_page(autojump_clock, open_desk, monkeypatch):
    """A full page is asked for again in parts, and none is told twice or left out."""
    monkeypatch.setattr("spider_common.venues.bingx.sweep._PAGE", 3)
    async with open_desk() as desk:
        for each in range(10):
            await desk.place(f"a{each}")
            await trio.sleep(1)
        told = await desk.sweep()
        assert [fact.client_order_id for fact in told.facts] == [f"a{each}" for each in range(10)]
        assert len(told.executions) == 10


async def test_hedge_positions_are_told_by_leg(autojump_clock, open_desk):
    """Long and short of one instrument, each signed."""
    async with open_desk(mode="long_short") as desk:
        await desk.place("a1", position_side=PositionSide.LONG)
        await desk.place("a2", position_side=PositionSide.SHORT, side=Side.SELL)
        told = await desk.sweep()
        assert [(held.position_side, held.quantity) for held in told.positions] == [
            (PositionSide.LONG, Decimal("0.001")),
            (PositionSide.SHORT, Decimal("-0.001")),
        ]


async def test_settings_of_an_account(autojump_clock, open_desk):
    """Leverage, refusals with their code, key permissions."""
    async with open_desk() as desk:
        set_leverage = partial(desk.client.set_leverage, KEYS, CAROL, SWAP)
        assert isinstance(await set_leverage(20, MarginMode.CROSS), Accepted)
        assert desk.venue.exchange.accounts["carol"].leverage_of(SWAP) == 20
        assert (await set_leverage(500, MarginMode.CROSS)).code == "101414"
        await desk.place(**RESTS)
        assert (await desk.client.set_hedge_mode(KEYS, CAROL, hedge=True)).code == "104103"
        permissions = await desk.client.permissions(KEYS)
        assert (permissions.read, permissions.trade, permissions.withdraw) == (True, True, False)
        assert permissions.addresses == ()


async def test_a_wrong_key_says_that_it_is_fatal(autojump_clock, open_desk):
    """So that nobody tries it every second."""
    async with open_desk() as desk:
        for keys in (Credentials(Secret("x"), Secret("y")), Credentials(Secret("carol"), Secret("y"))):
            with pytest.raises(VenueError) as refused:
                await desk.client.socket_url(keys)
            assert refused.value.fatal
            assert "y" not in str(refused.value).split()


class Heard:
    """A session on a socket: answers what it says, gathers what it tells."""

    def __init__(self):
        self.events, self.ready = [], trio.Event()

    async def listen(self, desk, url, *, task_status):
        session = desk.client.session(KEYS, CAROL.account)
        async with open_socket(desk.network, url, tls=None) as socket:
            events = session.opened(desk.clock.now())
            task_status.started()
            while True:
                for event in events:
                    match event:
                        case Send(text=text):
                            await socket.send(text)
                        case Ready():
                            self.ready.set()
                        case KeepAlive():
                            self.events.append(event)
                            await desk.client.keep_alive(KEYS, url)
                        case _:
                            self.events.append(event)
                            if isinstance(event, Failed):
                                return
                with trio.move_on_after(max(session.due() - desk.clock.now(), 0) / NS) as waiting:
                    frame = await socket.receive()
                events = (
                    session.tick(desk.clock.now())
                    if waiting.cancelled_caught
                    else session.received(frame, desk.clock.now())
                )

    def facts(self):
        return [fact for event in self.events if isinstance(event, Told) for fact in event.facts]


@pytest.fixture
def listen(nursery):
    async def start(desk):
        heard = Heard()
        await nursery.start(partial(heard.listen, desk, await desk.client.socket_url(KEYS)))
        await heard.ready.wait()
        return heard

    return start


async def test_a_session_tells_what_a_sweep_tells(autojump_clock, open_desk, listen):
    """The same event ids from the socket and from REST, for orders that rest, fill and end."""
    async with open_desk() as desk:
        heard = await listen(desk)
        await desk.place("a1")
        await desk.place("a2", **RESTS)
        await desk.place("a3", **RESTS)
        await desk.cancel("a3")
        await desk.place("a4", price=Decimal(50000), order_type=OrderType.IOC)
        await trio.sleep(1)
        pushed = {fact.event_id for fact in heard.facts()}
        swept = {fact.event_id for fact in (await desk.sweep()).facts}
        assert (len(swept), swept - pushed) == (4, set())


async def test_a_session_lives_for_hours(autojump_clock, open_desk, listen):
    """Its key is extended every half hour, and pushes still come."""
    async with open_desk() as desk:
        heard = await listen(desk)
        await trio.sleep(3.25 * 3600)
        await desk.place()
        await trio.sleep(1)
        assert [type(event) for event in heard.events[:6]] == [KeepAlive] * 6
        assert [fact.status for fact in heard.facts()] == [OrderStatus.LIVE, OrderStatus.FILLED]


@pytest.mark.parametrize(
    "action", [AnnounceClose(account="carol"), Silence(account="carol", duration=60 * NS)]
)
async def test_a_dead_stream_fails_its_session(autojump_clock, open_desk, listen, action):
    """An expired key at once, a silent stream within its bound; a new session works again."""
    async with open_desk() as desk:
        heard = await listen(desk)
        apply(desk.venue, action)
        await trio.sleep(30)
        (failed,) = heard.events
        assert (type(failed), failed.fatal) == (Failed, False)
        await trio.sleep(60)
        again = await listen(desk)
        await desk.place()
        await trio.sleep(1)
        assert len(again.facts()) == 2


async def test_a_broken_socket_is_told_by_the_socket(autojump_clock, open_desk):
    """A drop is no event of the session: the socket says so, and the sweep finds what was missed."""
    async with open_desk() as desk:
        url = await desk.client.socket_url(KEYS)
        with pytest.RaisesGroup(SocketClosed, flatten_subgroups=True):
            async with open_socket(desk.network, url, tls=None) as socket:
                await socket.receive()
                apply(desk.venue, DropSockets(account="carol"))
                await desk.place()
                while True:
                    await socket.receive()
        assert len((await desk.sweep()).facts) == 1


async def test_keeping_an_unknown_key_alive_says_so(autojump_clock, open_desk):
    """The session is to be made anew."""
    async with open_desk() as desk:
        with pytest.raises(VenueError, match="109400"):
            await desk.client.keep_alive(KEYS, "ws://simulator/swap-market?listenKey=nobody")
