"""Laws of the services as wholes: they start, drain, die and go on; configuration is followed."""

import random
from decimal import Decimal

import msgspec
import pytest
import trio
from trio.testing import MockClock

from services.ingest.sweep import Sweeper
from services.local.seed import LEADER, Follower, seed
from services.simulator.actions import Arm, Place, SetPrice, apply
from services.simulator.faults import Fault, FaultKind
from services.simulator.rules import NewOrder
from spider_common.clock import NS_PER_S
from spider_common.domain.products import EquityProportional
from tests.town import ANA, BRUNO, SWAP, open_town


async def test_a_stopped_order_service_finishes_what_it_has(autojump_clock: MockClock) -> None:
    """Orders under way get their answers and their records; then the service ends."""
    async with open_town(ANA, BRUNO) as town:
        await town.ingest()
        stop, scope = await town.oms("one")
        apply(town.venue, Arm(fault=Fault(kind="hold_request", delay=NS_PER_S, times=2)))
        town.trade(100)
        await a_moment()
        stop.set()
        await trio.sleep(2)
        assert not scope.cancel_called
        (copied,) = town.said("event.copied")
        assert copied["accepted"] == 2
        assert town.verdict(ANA, BRUNO)["lost"] == 0


@pytest.mark.parametrize("kind", ["lose_reply", "late_reply", "error_with_effect", "error_without_effect"])
async def test_no_fault_of_an_answer_loses_or_doubles(kind: FaultKind, autojump_clock: MockClock) -> None:
    """Whatever becomes of the answers, the venue's ledger has each copy once."""
    async with open_town(ANA, BRUNO) as town:
        await town.ingest()
        await town.oms("one")
        apply(town.venue, Arm(fault=Fault(kind=kind, delay=20 * NS_PER_S, times=3)))
        for contracts in (100, 40, 60):
            town.trade(contracts)
            await trio.sleep(1)
        town.trade(200, "sell", reduce_only=True)
        await trio.sleep(120)
        verdict = town.verdict(ANA, BRUNO)
        assert (verdict["lost"], verdict["duplicated"]) == (0, 0)
        assert verdict["placed"] >= 4


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.0, 1.5])
async def test_a_killed_order_service_is_succeeded(after_s: float, autojump_clock: MockClock) -> None:
    """Killed before, while and after the venue looks at its orders: its successor makes each copy once."""
    async with open_town(ANA, BRUNO) as town:
        await town.ingest()
        _, scope = await town.oms("one")
        apply(town.venue, Arm(fault=Fault(kind="hold_request", delay=NS_PER_S, times=2)))
        town.trade(100)
        await a_moment()
        await trio.sleep(after_s)
        scope.cancel()
        await a_moment()
        await town.oms("two")
        town.trade(60)
        await trio.sleep(120)
        verdict = town.verdict(ANA, BRUNO)
        assert (verdict["lost"], verdict["duplicated"]) == (0, 0)
        assert not await town.world.dead_letters.receive(wait_s=0)


async def test_two_order_services_share_the_work(autojump_clock: MockClock) -> None:
    """As in a deploy: whoever takes a message, each copy is made once."""
    async with open_town(ANA, BRUNO) as town:
        await town.ingest()
        await town.oms("one")
        await town.oms("two")
        for contracts in (100, 40, 60, 10, 20):
            town.trade(contracts)
            await trio.sleep(0.4)
        await trio.sleep(60)
        verdict = town.verdict(ANA, BRUNO)
        assert (verdict["lost"], verdict["duplicated"]) == (0, 0)
        assert verdict["placed"] == 10


async def test_a_limit_order_filled_while_nobody_listened_is_copied(autojump_clock: MockClock) -> None:
    """Made long before the outage and filled in it: the next ingest finds it by its fill."""
    async with open_town(ANA) as town:
        stop = await town.ingest()
        await town.oms("one")
        price = next(each.price for each in town.venue.instruments if each.symbol == SWAP)
        order = NewOrder(
            symbol=SWAP,
            side="buy",
            kind="limit",
            size=Decimal(100),
            price=price - 1_000,
            client_order_id="l1",
        )
        apply(town.venue, Place(account=LEADER, order=order))
        await trio.sleep(600)
        stop.set()
        await a_moment()
        apply(town.venue, SetPrice(symbol=SWAP, price=price - 2_000))
        await trio.sleep(5)
        await town.ingest()
        await trio.sleep(5)
        verdict = town.verdict(ANA)
        assert (verdict["lost"], verdict["duplicated"], verdict["placed"]) == (0, 0, 1)


async def test_ingest_follows_the_configuration(autojump_clock: MockClock) -> None:
    """A new follower's account gets a session, a removed one loses it; nobody else's is touched."""
    rng = random.Random(7)
    both = seed(rng, followers=(ANA, BRUNO))
    only_ana = msgspec.structs.replace(both.product, subscriptions=both.product.subscriptions[:1])
    started = msgspec.structs.replace(both, products=(only_ana,))
    async with open_town(seeded=started) as town:
        await town.ingest()

        def sockets() -> list[int]:
            return [len(town.venue.sessions(each)) for each in (LEADER, ANA.account, BRUNO.account)]

        assert sockets() == [2, 2, 0]
        await town.world.config.put_product(both.product)
        await trio.sleep(15)
        assert sockets() == [2, 2, 2]
        await town.world.config.put_product(only_ana)
        await trio.sleep(15)
        assert sockets() == [2, 2, 0]


async def test_an_account_may_go_before_it_is_ready(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Added while its venue does not answer, and removed again: the service goes on."""

    async def never(_sweeper: Sweeper) -> None:
        await trio.sleep_forever()

    both = seed(random.Random(7), followers=(ANA, BRUNO))
    only_ana = msgspec.structs.replace(both.product, subscriptions=both.product.subscriptions[:1])
    async with open_town(seeded=msgspec.structs.replace(both, products=(only_ana,))) as town:
        await town.ingest()
        monkeypatch.setattr(Sweeper, "sweep", never)
        await town.world.config.put_product(both.product)
        await trio.sleep(15)
        assert len(town.venue.sessions(BRUNO.account)) == 2
        await town.world.config.put_product(only_ana)
        await trio.sleep(15)
        assert len(town.venue.sessions(BRUNO.account)) == 0


async def test_an_account_without_a_key_stops_nobody(autojump_clock: MockClock) -> None:
    """It is said, tried again, and its orders are denied; the others are copied."""
    rng = random.Random(7)
    seeded = seed(rng, followers=(ANA, BRUNO))
    keys = {account: key for account, key in seeded.credentials.items() if account != BRUNO.account}
    async with open_town(seeded=msgspec.structs.replace(seeded, credentials=keys)) as town:
        await town.ingest()
        await town.oms("one")
        town.trade(100)
        await trio.sleep(30)
        assert len(town.said("account.unreachable")) > 1
        verdict = town.verdict(ANA)
        assert (verdict["lost"], verdict["duplicated"], verdict["placed"]) == (0, 0, 1)
        (copied,) = town.said("event.copied")
        assert (copied["accepted"], copied["denied"]) == (1, 1)


async def test_equities_come_before_the_first_proportional_copy(autojump_clock: MockClock) -> None:
    """A service that has just started reads the equity that a rule needs, and copies."""
    carla = Follower(client="carla", sizing=EquityProportional(), deposit=Decimal(100_000))
    async with open_town(carla) as town:
        town.world.shaky.calm()  # an equity that a failed write postpones comes too late for this
        await town.oms("one")
        await town.ingest()
        await a_moment()
        town.trade(100)
        await trio.sleep(5)
        (copied,) = town.said("event.copied")
        assert copied["accepted"] == 1


async def a_moment() -> None:
    """Long enough for all that needs no more than the wire, which takes some milliseconds each way."""
    await trio.sleep(0.4)
