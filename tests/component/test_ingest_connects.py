"""Laws of connecting: sockets are opened no faster than a venue lets one address, and not too many."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock

from services.local.seed import Follower
from services.simulator.actions import DropSockets
from spider_common.budgets.limits import Limit
from spider_common.domain.identifiers import Venue
from spider_common.domain.products import FixedRatio
from spider_common.venues.bingx import client as bingx
from spider_common.venues.bitget import client as bitget
from spider_common.venues.okx import client as okx
from tests.ingest_rig import open_bench, running_ingest


def crowd(venue: Venue, count: int) -> list[Follower]:
    """So many followers at a venue."""
    ratio, deposit = FixedRatio(Decimal(1)), Decimal(1_000)
    names = [f"client{number}" for number in range(count)]
    return [Follower(client=name, sizing=ratio, deposit=deposit, venue=venue) for name in names]


def most_in_a_window(times: Sequence[float], limit: Limit) -> int:
    return max(sum(0 <= each - first < limit.window_s for each in times) for first in times)


@pytest.mark.parametrize(("venue", "limit"), [(Venue.OKX, okx.CONNECTS), (Venue.BITGET, bitget.CONNECTS)])
async def test_connects_of_all_services_share_the_addresses_limit(
    venue: Venue, limit: Limit, autojump_clock: MockClock
) -> None:
    """However many want to connect at once, no window holds more than the venue lets in; all get in."""
    times: list[float] = []
    async with (
        open_bench(venue) as bench,
        bench.world.venues("one") as one,
        bench.world.venues("other") as other,
    ):

        async def connect(number: int) -> None:
            await (one, other)[number % 2][venue].ready_to_connect()
            times.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            for number in range(2 * limit.count):
                nursery.start_soon(connect, number)
    assert len(times) == 2 * limit.count
    assert 1 <= most_in_a_window(times, limit) <= limit.count


async def test_sessions_wait_for_their_turn(autojump_clock: MockClock) -> None:
    """At the start and when all sockets break at once; each account has its socket in the end."""
    async with open_bench(Venue.OKX, followers=crowd(Venue.OKX, 7)) as bench:
        opened: list[float] = []
        connect, sockets = bench.world._network.connect, bench.world.simulator.addresses.socket_port

        async def watched(host: str, port: int, **how: object) -> trio.abc.Stream:
            if port == sockets:
                opened.append(trio.current_time())
            return await connect(host, port, **how)

        bench.world._network.connect = watched
        async with running_ingest(bench):
            assert len(opened) == 16  # two for each account
            for account in bench.venue.exchange.accounts:
                bench.act(DropSockets(account=account))
            await trio.sleep(25)
            assert len(opened) == 32
            assert all(len(bench.venue.sessions(each)) == 2 for each in bench.venue.exchange.accounts)
        assert most_in_a_window(opened, okx.CONNECTS) <= okx.CONNECTS.count


@pytest.mark.parametrize(("accounts", "errors"), [(3, 0), (4, 1)])
async def test_more_sockets_than_an_address_may_have_are_an_error(
    accounts: int, errors: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Which names the venue and both numbers; the accounts are served all the same."""
    monkeypatch.setattr(bingx, "SOCKETS", 6)
    async with open_bench(Venue.BINGX, followers=crowd(Venue.BINGX, accounts - 1)) as bench:
        async with running_ingest(bench):
            assert len(bench.said("session.ready")) == 2 * accounts
        said = bench.said("sockets.too_many")
        assert [(each["venue"], each["sockets"], each["most"]) for each in said] == [("bingx", 8, 6)] * errors
        assert all(each["level"] == "error" for each in said)
