"""Who we are to Redis: a login that is read at the start, and again when the server refuses it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

import trio
from structlog.typing import FilteringBoundLogger

from spider_common.secret import Login
from spider_common.stores.secrets import SecretsUnavailable

READ_S: Final = 5.0
"""How long a reading may take."""
AGAIN_S: Final = 1.0
"""After a reading, a login is taken to be what it was for so long, were it refused again."""


class LoginStore(Protocol):
    """Where logins are kept: `spider_common.stores.secrets.SecretsManager`."""

    async def login(self, name: str) -> Login:
        """The login as it is now.

        Raises:
            SecretsUnavailable: it cannot be read.
        """
        ...


class FixedLogin:
    """A login that does not change, such as a local server's."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def get(self) -> Login | None:
        return self._login

    async def renew(self, refused: Login) -> bool:
        return refused != self._login


class KeptLogin:
    """The login as it was read last.

    A reading is nobody's own: whoever waits for it may be cut short, and what it finds serves the next. A
    rotation leaves the login that was read valid until the next one but one, so few are ever refused.
    """

    def __init__(self, read: Callable[[], Awaitable[Login]], log: FilteringBoundLogger) -> None:
        self._read, self._log = read, log
        self._known: Login | None = None
        self._read_at = -AGAIN_S  # Trio's clock
        self._wanted, self._was_read = trio.Event(), trio.Event()

    async def get(self) -> Login | None:
        if self._known is None:
            await self._read_again()
        return self._known

    async def renew(self, refused: Login) -> bool:
        if self._known == refused:
            await self._read_again()
        return self._known != refused

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Reads at once and whenever it is asked to, until cancelled. Started after the first reading."""
        while True:
            try:
                with trio.fail_after(READ_S):
                    self._known = await self._read()
            except (SecretsUnavailable, trio.TooSlowError) as error:
                self._log.warning("redis.login_unreadable", error=str(error) or repr(error))
            else:
                self._log.info("redis.login_read")
            self._read_at = trio.current_time()
            self._wanted, was_read, self._was_read = trio.Event(), self._was_read, trio.Event()
            was_read.set()
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await self._wanted.wait()

    async def _read_again(self) -> None:
        if trio.current_time() - self._read_at >= AGAIN_S:
            self._wanted.set()
            await self._was_read.wait()


@asynccontextmanager
async def open_login(
    name: str, store: LoginStore, log: FilteringBoundLogger
) -> AsyncIterator[KeptLogin | None]:
    """The login stored under `name`, read before the block begins if it can be; without a name none."""
    if not name:
        yield None
        return
    login = KeptLogin(lambda: store.login(name), log)
    async with trio.open_nursery() as nursery:
        await nursery.start(login.serve, name="redis.login")
        yield login
        nursery.cancel_scope.cancel()
