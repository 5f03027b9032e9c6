"""The Config table that the environment names, and who uses it."""

import getpass
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from services.cli.reaching import open_ground, reach, read_settings
from spider_common import schema
from spider_common.clock import SystemClock
from spider_common.domain.configuration import BadConfig
from spider_common.network import SystemNetwork
from spider_common.settings import CommonSettings
from spider_common.stores.audit import Author
from spider_common.stores.config import ConfigStore
from spider_common.stores.config_rows import ItemChanged
from spider_common.stores.redis_cache import open_cache
from spider_common.stores.redis_login import open_login
from spider_common.stores.table import TableError
from spider_common.telemetry.logs import logger

T = TypeVar("T")


def author() -> Author:
    """Who gives a command, as the operating system says."""
    return Author(who=getpass.getuser(), from_where=os.uname().nodename, ts=SystemClock().now())


def with_config(work: Callable[[ConfigStore], Awaitable[T]]) -> T:
    """What comes of working with the table.

    Raises:
        Refusal: what was asked does not fit what is there, or somebody was quicker; or the table is not
            there, we have no credentials for it, or it does not answer.
    """
    chosen = read_settings(os.environ)

    async def with_table() -> T:
        async with _open(chosen) as config:
            return await work(config)

    what = f"table {chosen.names_prefix}{schema.CONFIG.name}"
    return reach(what, with_table, TableError, plain=(BadConfig, ItemChanged))


@asynccontextmanager
async def _open(chosen: CommonSettings) -> AsyncIterator[ConfigStore]:
    tls = ssl.create_default_context()
    log = logger("cli", SystemClock(), write=lambda line: sys.stderr.write(line + "\n"), level="warning")
    async with (
        open_ground(chosen) as ground,
        open_login(chosen.redis_credential, ground.secrets, log) as login,
        open_cache(chosen.redis_url, SystemNetwork(), tls, chosen.names_prefix, login) as cache,
    ):
        yield ConfigStore(ground.table(schema.CONFIG), cache)
