"""The BingX client against the simulator: what became of each request, and what is found again."""

import random
from decimal import Decimal
from functools import partial

import msgspec
import pytest
import trio

from services.simulator.actions import SetPrice, apply
from services.simulator.ledger import Executed, Placed
from services.simulator.simulator import SimulatorConfig, serve_simulator
from spider_common.domain.identifiers import Venue
from spider_common.domain.orders import OrderStatus, OrderType, PositionSide, Side, Trigger, TriggerKind
from spider_common.venues.bingx.rest import Limits
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
from tests.component.bingx_desk import HEDGED, KEYS, NS, RESTS, SWAP, ref


async def test_instruments_are_those_of_the_venue(autojump_clock, open_desk):
    """Swaps and spot pairs, sizes in base coin, exact steps; a pair is not the swap of its name."""
    async with open_desk() as desk:
        known = {each.symbol: (each.lot, each.minimum, each.tick) for each in desk.client.known_instruments}
        assert known == {
            "BTC-USDT": (Decimal("0.0001"), Decimal("0.0001"), Decimal("0.1")),
            "ETH-USDT": (Decimal("0.01"), Decimal("0.01"), Decimal("0.01")),
            "SOL-USDT": (Decimal("0.1"), Decimal("0.1"), Decimal("0.001")),
            "DOGE-USDT": (Decimal(1), Decimal(14), Decimal("0.00001")),
            "BTC-USDT@spot": (Decimal("0.000001"), Decimal("0.000001"), Decimal("0.01")),
            "ETH-USDT@spot": (Decimal("0.00001"), Decimal("0.00001"), Decimal("0.01")),
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
        assert isinstance(await desk.client.set_hedge_mode(KEYS, HEDGED, hedge=True), Accepted)
        long = {"position_side": PositionSide.LONG}
        assert isinstance(await desk.place("h1", **long), Accepted)
        assert isinstance(await desk.place("h2", **long, **reducing), Accepted)
        assert [entry.order.leg for entry in desk.entries(Executed)] == ["net", "net", "long", "long"]
        assert isinstance(await desk.client.set_hedge_mode(KEYS, HEDGED, hedge=True), Accepted)


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
        await desk.client.server_time()
        assert isinstance(await desk.place(), Accepted)
        desk.arm("hold_request", delay=2 * NS)
        assert isinstance(await desk.place("a2", expires=desk.expires(1.0)), Unsent)
        server = await desk.client.server_time()
        assert abs(server - (desk.clock.now() - round(offset * NS))) < NS // 100


async def test_nobody_there_is_unsent(autojump_clock, open_desk, network):
    """A connection that was never made carried no order; a question without an answer says so."""
    async with open_desk() as desk:
        network.forget((desk.simulator.addresses.host, desk.simulator.addresses.rest_port))
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
        assert desk.client.known_instruments.get(Venue.BINGX, SWAP) is not None
        assert isinstance(await desk.place(), Unsent)


@pytest.mark.parametrize(("size", "price"), [("0.003", "51000"), ("0.003", "50000"), ("0.001", "50000")])
async def test_an_amendment_replaces_the_order(autojump_clock, open_desk, size, price):
    """Whatever it changes, another order takes its place under its own id."""
    async with open_desk() as desk:
        first = await desk.place(**RESTS)
        second = await desk.amend(size=size, price=price)
        assert second.venue_order_id != first.venue_order_id
        assert (await desk.find()).fact.status is OrderStatus.CANCELED
        new = (await desk.find("b1")).fact
        assert (new.venue_order_id, new.price, new.quantity) == (
            second.venue_order_id,
            Decimal(price),
            Decimal(size),
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


async def test_a_stop_loss_waits_and_fires(autojump_clock, open_desk):
    """It rests without an id of ours, is found by the venue's, makes an order that executes, and is done."""
    async with open_desk() as desk:
        stop = Trigger(kind=TriggerKind.STOP_LOSS, price=Decimal(59000))
        closing = {"side": Side.SELL, "reduce_only": True, "trigger": stop}
        assert (await desk.place("s1", **closing)).code == "101205"  # nothing is held yet
        await desk.place("a1")
        placed = await desk.place("s2", **closing)
        assert (await desk.place("s3", **closing)).code == "101205"  # the venue's bound against doubles
        told = {fact.venue_order_id: fact for fact in (await desk.sweep()).facts}
        assert told[placed.venue_order_id].status is OrderStatus.LIVE
        apply(desk.venue, SetPrice(symbol=SWAP, price=Decimal(59000)))
        told = await desk.sweep()
        fired = next(fact for fact in told.facts if fact.venue_order_id == placed.venue_order_id)
        assert (fired.status, fired.cum_filled) == (OrderStatus.TRIGGERED, 0)
        assert sum(each.signed for each in told.executions) == 0
        assert told.positions == ()


async def test_a_take_profit_can_be_taken_back(autojump_clock, open_desk):
    """By the venue's id."""
    async with open_desk() as desk:
        await desk.place("a1")
        profit = Trigger(kind=TriggerKind.TAKE_PROFIT, price=Decimal(61000))
        placed = await desk.place(
            "p1", side=Side.SELL, reduce_only=True, trigger=profit, price=Decimal(60900)
        )
        known = msgspec.structs.replace(ref("p1"), venue_order_id=placed.venue_order_id)
        assert (await desk.client.find(KEYS, known)).fact.price == Decimal(60900)
        assert isinstance(await desk.client.cancel(KEYS, known, expires=desk.expires()), Accepted)
        apply(desk.venue, SetPrice(symbol=SWAP, price=Decimal(61000)))
        assert len(desk.entries(Executed)) == 1


async def test_a_banned_address_waits(autojump_clock, open_desk, open_bingx):
    """418 shuts orders and questions of every account on this address, for as long as the venue says."""
    async with open_desk() as desk:
        other = open_bingx("other")
        while (await other.raw("GET", "swap/v2/server/time"))[0] != 418:
            pass
        outcome = await desk.place()
        assert (type(outcome), outcome.until - desk.clock.now()) == (RateLimited, 300 * NS)
        banned = desk.clock.now()
        assert await desk.find() == NotFound()
        assert desk.clock.now() - banned >= 299 * NS
        assert isinstance(await desk.place("a2"), Accepted)


async def test_the_socket_tells_what_waits_and_what_it_sets_off(autojump_clock, open_desk, listen):
    """A stop loss is told as live and then as over, without a fill; its execution is another order's."""
    async with open_desk() as desk:
        await desk.place("a1")
        heard = await listen(desk)
        stop = Trigger(kind=TriggerKind.STOP_LOSS, price=Decimal(59000))
        placed = await desk.place("s1", side=Side.SELL, reduce_only=True, trigger=stop)
        apply(desk.venue, SetPrice(symbol=SWAP, price=Decimal(59000)))
        await trio.sleep(1)
        waiting = [fact for fact in heard.facts() if fact.venue_order_id == placed.venue_order_id]
        assert [(fact.status, fact.cum_filled) for fact in waiting] == [
            (OrderStatus.LIVE, 0),
            (OrderStatus.TRIGGERED, 0),
        ]
        assert [fact.cum_filled for fact in heard.facts() if fact not in waiting][-1] == Decimal("0.001")
        swept = (await desk.sweep()).facts
        assert {fact.event_id for fact in swept} & {fact.event_id for fact in waiting}


async def test_each_section_has_a_socket_with_a_key_of_its_own(autojump_clock, open_desk):
    """The spot socket is beside that of swaps."""
    async with open_desk() as desk:
        addresses = [await desk.client.socket_url(KEYS, name) for name in desk.client.sockets]
        bases = [address.partition("?")[0].rpartition("/")[2] for address in addresses]
        keys = {address.partition("?listenKey=")[2] for address in addresses}
        assert (bases, len(keys)) == (["swap-market", "market"], 2)
