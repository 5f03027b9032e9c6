"""Bitget's client against the simulator: what is known of a request when things go wrong, and its expiry."""

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from services.simulator.ledger import Executed, Placed
from spider_common.budgets.fair import Budgets
from spider_common.clock import TrioClock
from spider_common.domain.products import MarginMode
from spider_common.sdk.ccxt import Codec
from spider_common.sdk.http import TrioTransport
from spider_common.venues.bitget.client import BitgetClient
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    NotFound,
    Unknown,
    Unsent,
    VenueError,
)
from tests.component.bitget_bench import IDS, ORDER, REF, RESTING, S, key

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
        http=TrioTransport(network=network),
        codec=Codec("bitget", venue_clock, base_url="http://127.0.0.1:1"),
        budgets=Budgets(venue_clock),
        clock=venue_clock,
        socket_url="",
    )
    sent = await deaf.cancel(key("alice"), REF, expires=venue_clock.now() + 9 * S)
    assert isinstance(sent, Unsent)
    set_to = await deaf.set_leverage(key("alice"), ORDER.account, ORDER.symbol, 5, MarginMode.CROSS)
    assert isinstance(set_to, Unsent)
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
