"""Laws of the configuration at hand: what is changed holds within a second, whoever is away."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from spider_common import schema
from spider_common.clock import NS_PER_S, TrioClock
from spider_common.domain.configuration import BadConfig
from spider_common.domain.control import Controls, TradingState
from spider_common.domain.identifiers import ClientId, ProductId
from spider_common.schema import Key
from spider_common.stores.audit import Audit
from spider_common.stores.config import ConfigStore
from spider_common.stores.config_rows import Edit, Scope, Standing
from spider_common.stores.live_config import BLIND_S, LOOK_S, LiveConfig
from spider_common.stores.memory_cache import MemoryCache
from spider_common.stores.memory_table import MemoryTable
from spider_common.stores.table import Delete, Row, Unavailable
from spider_common.telemetry.logs import logger
from tests.component.test_config_store import ALPHA, ANA_DESK, BRUNO, JOINED, NOON, new

HALTED, REDUCING, ACTIVE = TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE
PRODUCT, CLIENT = Scope(product=ALPHA.product), Scope(client=BRUNO.client)


class Desk:
    """A table and a cache that can go away, and a service's reading of them."""

    def __init__(self) -> None:
        self.clock = TrioClock(NOON)
        self.table = FailingTable(self.clock)
        self.cache = MemoryCache()
        self.store = ConfigStore(self.table, self.cache)
        self.lines: list[str] = []
        # another process: it shares table and cache only
        self.live = LiveConfig(
            ConfigStore(self.table, self.cache), log=logger("oms", self.clock, write=self.lines.append)
        )

    def said(self, event: str) -> int:
        return sum(json.loads(line)["event"] == event for line in self.lines)

    async def within(self, seconds: float, holds: Callable[[], bool]) -> float:
        """How long it took until something held."""
        start = trio.current_time()
        with trio.fail_after(seconds):
            while not holds():
                await self.live.wait_changed()
        return trio.current_time() - start


class FailingTable(MemoryTable):
    """A table of which one partition, or all, may not answer."""

    def __init__(self, clock: TrioClock) -> None:
        super().__init__(schema.CONFIG, clock)
        self.silent: Callable[[str], bool] = lambda _: False
        self.hangs = False

    async def query(self, pk: str, **options: object) -> object:  # type: ignore[override] # fails or not
        if self.hangs:
            await trio.sleep_forever()
        if self.silent(pk):
            raise Unavailable(f"no answer about {pk}")
        return await super().query(pk, **options)  # type: ignore[arg-type] # as given


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.store.change(new(ALPHA, BRUNO, JOINED), ANA_DESK)
    await desk.live.load()
    async with trio.open_nursery() as nursery:
        await nursery.start(desk.live.serve)
        await trio.sleep(3)
        yield desk
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("cache_is_down", [False, True])
@pytest.mark.parametrize("scope", [Scope(), PRODUCT, CLIENT])
async def test_a_halt_holds_within_a_second(
    scope: Scope, cache_is_down: bool, autojump_clock: MockClock
) -> None:
    """Law: with the cache at once, without it by the next look; the same of its end, and of REDUCING."""
    async with open_desk() as desk:
        desk.cache.is_down = cache_is_down
        for state in (HALTED, REDUCING, ACTIVE):
            await desk.store.set_state(state, scope, ANA_DESK)

            def holds(wanted: TradingState = state) -> bool:
                return desk.live.controls.state(ALPHA.product, BRUNO.client) is wanted

            took = await desk.within(1, holds)
            assert took <= (LOOK_S + 0.02 if cache_is_down else 0.02)
        assert desk.live.controls == Controls()


@pytest.mark.parametrize("cache_is_down", [False, True])
async def test_an_edit_holds_within_a_second(cache_is_down: bool, autojump_clock: MockClock) -> None:
    """Law: who waits for a change is woken, and finds it in the products."""
    async with open_desk() as desk:
        desk.cache.is_down = cache_is_down
        await desk.store.change([Edit(replace(JOINED, reverse=True), 1)], ANA_DESK)
        with trio.fail_after(1):
            await desk.live.wait_changed()
        product = desk.live.product(ALPHA.product)
        assert product is not None
        assert product.subscriptions[0].reverse


async def test_a_cache_that_comes_back_is_heard_again(autojump_clock: MockClock) -> None:
    """Law: a broken feed is opened anew, and what was told meanwhile is not missed."""
    async with open_desk() as desk:
        desk.cache.is_down = True
        await desk.store.set_state(HALTED, Scope(), ANA_DESK)
        await trio.sleep(10)
        desk.cache.is_down = False
        await desk.cache.publish("config", b"")  # breaks what was open
        await trio.sleep(10)
        await desk.store.set_state(REDUCING, Scope(), ANA_DESK)
        assert await desk.within(1, lambda: desk.live.controls.all is REDUCING) <= 0.02


@pytest.mark.parametrize("hangs", [False, True])
async def test_without_an_answer_the_last_known_states_hold(hangs: bool, autojump_clock: MockClock) -> None:
    """Law: a table that is away, or does not end its answers, changes nothing; it is said now and then, and
    when it is over."""
    async with open_desk() as desk:
        await desk.store.set_state(HALTED, PRODUCT, ANA_DESK)
        await trio.sleep(1)
        desk.table.hangs, desk.table.silent = hangs, lambda _: not hangs
        await trio.sleep(BLIND_S - 1)
        assert desk.said("config.blind") == 0
        await trio.sleep(20)
        assert desk.live.controls == Controls(products={ALPHA.product: HALTED})
        assert 3 <= desk.said("config.blind") <= 5
        assert desk.said("config.seen_again") == 0
        desk.table.hangs, desk.table.silent = False, lambda _: False
        await trio.sleep(3)
        assert desk.said("config.seen_again") == 1


@pytest.mark.parametrize("trouble", ["silent", "bad"])
async def test_a_halt_does_not_wait_for_what_is_copied(trouble: str, autojump_clock: MockClock) -> None:
    """Law: while products cannot be read, or do not fit together, the last good ones stay and halts hold;
    mended, they are read."""
    async with open_desk() as desk:
        before = desk.live.products
        clients = schema.config_partition("client")
        if trouble == "silent":
            desk.table.silent = lambda pk: pk == clients
        else:
            await desk.table.put_all([Row(pk=clients, sk="zoe", doc='{"item": {}}')])
        generation = await desk.table.get(schema.generation_key())
        assert generation is not None
        await desk.table.put_all([generation])  # something has changed
        await desk.store.set_state(HALTED, Scope(), ANA_DESK)
        await trio.sleep(3)
        assert desk.live.controls.all is HALTED
        assert desk.live.products is before
        assert desk.said("config.stale") >= 1
        desk.table.silent = lambda _: False
        if trouble == "bad":
            await desk.table.write(Delete(Key(clients, "zoe"), 1))
        await desk.within(2, lambda: desk.live.products is not before)
        assert desk.live.products == before


class FlakyCache(MemoryCache):
    """Fails at one call, counted from the first."""

    def __init__(self, fails_at: int) -> None:
        super().__init__()
        self._left = fails_at

    async def _enter(self) -> None:
        self._left -= 1
        self.is_down = self._left == 0
        await super()._enter()


@pytest.mark.parametrize("fails_at", range(1, 12))
async def test_the_cache_may_fail_at_each_call(fails_at: int, autojump_clock: MockClock) -> None:
    """Law: whichever call of the cache fails, all that is read is right within a second."""
    desk = Desk()
    desk.cache = FlakyCache(fails_at)
    desk.store = ConfigStore(desk.table, desk.cache)
    desk.live = LiveConfig(
        ConfigStore(desk.table, desk.cache), log=logger("oms", desk.clock, write=desk.lines.append)
    )
    async with trio.open_nursery() as nursery:
        await desk.live.load()
        await nursery.start(desk.live.serve)
        await desk.store.change(new(ALPHA, BRUNO), ANA_DESK)
        await desk.within(1, lambda: len(desk.live.products) == 1)
        await desk.store.change(new(JOINED), ANA_DESK)
        await desk.within(1, lambda: len(desk.live.products[0].subscriptions) == 1)
        await desk.store.set_state(HALTED, CLIENT, ANA_DESK)
        await desk.within(1, lambda: desk.live.controls.clients == {BRUNO.client: HALTED})
        await desk.store.change([Edit(replace(JOINED, left=True), 1)], ANA_DESK)
        await desk.within(1, lambda: desk.live.products[0].subscriptions[0].left)
        await desk.store.set_state(ACTIVE, CLIENT, ANA_DESK)
        await desk.within(1, lambda: desk.live.controls == Controls())
        nursery.cancel_scope.cancel()


async def test_a_state_is_audited_once_for_each_change() -> None:
    """Law: who set what, when and why, before and after; set again it tells nothing."""
    desk = Desk()
    await desk.store.change(new(ALPHA), ANA_DESK)
    known = len(await Audit(desk.table).entries("2025-11-25"))
    by = replace(ANA_DESK, who="carla", ts=NOON + NS_PER_S)
    assert await desk.store.set_state(HALTED, PRODUCT, by, reason="strange fills") is ACTIVE
    assert await desk.store.set_state(HALTED, PRODUCT, by, reason="again") is HALTED
    assert await desk.store.set_state(ACTIVE, PRODUCT, replace(by, ts=by.ts + 1)) is HALTED
    halted, resumed = (await Audit(desk.table).entries("2025-11-25"))[known:]
    assert (halted.who, halted.action, halted.target) == ("carla", "trading.halted", "trading/product/alpha")
    assert (halted.before, "strange fills" in halted.after) == ("", True)
    assert (resumed.action, "strange fills" in resumed.before) == ("trading.active", True)
    assert (await desk.store.watch()).standings == {}


async def test_changes_of_one_moment_are_all_told() -> None:
    """Law: there and back and there again in one nanosecond is three changes, of a state as of an item."""
    desk = Desk()
    await desk.store.change(new(ALPHA, BRUNO), ANA_DESK)
    known = len(await Audit(desk.table).entries("2025-11-25"))
    with trio.fail_after(5):
        for state in (HALTED, ACTIVE, HALTED):
            await desk.store.set_state(state, Scope(), ANA_DESK)
        for version, name in enumerate(("B", "", "B"), start=1):
            await desk.store.change([Edit(replace(BRUNO, name=name), version)], ANA_DESK)
    assert len(await Audit(desk.table).entries("2025-11-25")) == known + 6


async def test_states_are_told_with_who_and_why() -> None:
    """Law: what is not active is found with who set it, and of a client whose name says `product`, too."""
    desk = Desk()
    await desk.store.change(new(ALPHA, BRUNO), ANA_DESK)
    for state, scope in ((HALTED, Scope()), (REDUCING, PRODUCT), (HALTED, CLIENT)):
        await desk.store.set_state(state, scope, ANA_DESK, reason="r")
    watch = await desk.store.watch()
    standing = Standing(state=HALTED, who="ana", ts=NOON, reason="r")
    assert watch.standings[CLIENT] == standing
    assert watch.controls == Controls(
        all=HALTED, products={ALPHA.product: REDUCING}, clients={BRUNO.client: HALTED}
    )


@pytest.mark.parametrize("scope", [Scope(product=ProductId("alhpa")), Scope(client=ClientId("brnuo"))])
async def test_a_state_of_nobody_is_refused(scope: Scope) -> None:
    """Law: a name that nobody has is an error that says so: a halt of it would halt nothing."""
    desk = Desk()
    await desk.store.change(new(ALPHA, BRUNO), ANA_DESK)
    with pytest.raises(BadConfig, match=f"there is no '{scope.parts[1]}'"):
        await desk.store.set_state(HALTED, scope, ANA_DESK)


async def test_halts_and_edits_do_not_meet() -> None:
    """Law: a halt in the middle of edits conflicts with none of them, and none with it."""
    desk = Desk()
    await desk.store.change(new(ALPHA, BRUNO, JOINED), ANA_DESK)

    async def edit() -> None:
        for n in range(1, 20):
            await desk.store.change([Edit(replace(JOINED, leverage=n), n)], replace(ANA_DESK, ts=NOON + n))

    async def halt() -> None:
        for n in range(20):
            state = HALTED if n % 2 else REDUCING
            await desk.store.set_state(state, PRODUCT, replace(ANA_DESK, ts=NOON + n))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(edit)
        nursery.start_soon(halt)
        nursery.start_soon(halt)
    assert (await desk.store.watch()).controls.products == {ALPHA.product: HALTED}
