"""`KeptLogin`: a login read at the start and after a refusal, by nobody in particular."""

import pytest
import trio
from trio.testing import MockClock

from spider_common.clock import SystemClock
from spider_common.secret import Login, Secret
from spider_common.stores.redis_login import AGAIN_S, READ_S, open_login
from spider_common.stores.secrets import SecretsUnavailable
from spider_common.telemetry.logs import logger

FIRST, SECOND = (Login("services", Secret(text)) for text in ("first-password", "second-password"))


class Store:
    """A secret store: `now` is what it holds; None: it does not answer. A reading takes 0.2 s."""

    def __init__(self, now: Login | None) -> None:
        self.now = now
        self.readings = 0
        self.hangs = False

    async def login(self, name: str) -> Login:
        assert name == "dev-redis"
        self.readings += 1
        await trio.sleep(1_000 if self.hangs else 0.2)
        if self.now is None:
            raise SecretsUnavailable("dev-redis: no answer")
        return self.now


@pytest.fixture
def lines() -> list[str]:
    return []


def opened(store: Store, lines: list[str], name: str = "dev-redis"):  # type: ignore[no-untyped-def]  # a context
    return open_login(name, store, logger("test", SystemClock(), write=lines.append))


async def test_it_is_there_from_the_start(autojump_clock: MockClock, lines: list[str]) -> None:
    """Law: whoever connects first finds the login; one reading serves all; no line shows the password."""
    store = Store(FIRST)
    async with opened(store, lines) as login:
        assert [await login.get() for _ in range(3)] == [FIRST] * 3
    assert store.readings == 1
    assert "password" not in "".join(lines)


async def test_a_refusal_has_it_read_once_for_all(autojump_clock: MockClock, lines: list[str]) -> None:
    """Law: many refused at once wait for one reading, and who was refused with an older one reads nothing."""
    store = Store(FIRST)
    async with opened(store, lines) as login:
        await trio.sleep(AGAIN_S)
        store.now = SECOND
        answers: list[bool] = []

        async def refused() -> None:
            answers.append(await login.renew(FIRST))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(refused)
        assert await login.renew(FIRST)
        assert answers == [True] * 5
        assert await login.get() == SECOND
        assert store.readings == 2


async def test_a_wrong_password_is_not_asked_for_without_end(
    autojump_clock: MockClock, lines: list[str]
) -> None:
    """Law: while the stored login is the refused one, it is read once a second at most."""
    store = Store(FIRST)
    async with opened(store, lines) as login:
        begun = trio.current_time()
        while trio.current_time() < begun + 10:
            assert not await login.renew(FIRST)
            await trio.sleep(0.01)
    assert store.readings <= 11


async def test_a_reading_outlives_who_asked_for_it(autojump_clock: MockClock, lines: list[str]) -> None:
    """Law: callers less patient than the store still get, in the end, what it says."""
    store = Store(FIRST)
    async with opened(store, lines) as login:
        await trio.sleep(AGAIN_S)
        store.now = SECOND
        with trio.move_on_after(0.05) as scope:
            await login.renew(FIRST)
        assert scope.cancelled_caught
        await trio.sleep(1)
        assert await login.get() == SECOND
        assert store.readings == 2


@pytest.mark.parametrize("hangs", [False, True])
async def test_without_the_store_the_start_goes_on(
    autojump_clock: MockClock, lines: list[str], hangs: bool
) -> None:
    """Law: a store that does not answer holds the start up for a bounded time; the login is found later."""
    store = Store(None)
    store.hangs = hangs
    begun = trio.current_time()
    async with opened(store, lines) as login:
        assert trio.current_time() - begun <= READ_S
        assert await login.get() is None
        await trio.sleep(AGAIN_S)
        store.now, store.hangs = FIRST, False
        assert await login.get() == FIRST
    assert "login_unreadable" in lines[0]


async def test_without_a_name_there_is_no_login(lines: list[str]) -> None:
    """Law: nothing is read where nothing is configured."""
    store = Store(FIRST)
    async with opened(store, lines, name="") as login:
        assert login is None
    assert store.readings == 0
