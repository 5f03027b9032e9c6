"""Reading one event's journal from the Trading table that the environment names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.cli.reaching import open_ground, reach
from spider_common import schema
from spider_common.domain.identifiers import EventId
from spider_common.domain.journal import JournalRow
from spider_common.settings import CommonSettings
from spider_common.stores.table import TableError
from spider_common.stores.trading import TradingStore


def read_journal(chosen: CommonSettings, event: EventId) -> list[JournalRow]:
    """The rows of one event.

    Raises:
        Refusal: AWS has no such table, we have no credentials for it, or it does not answer.
    """

    async def read() -> list[JournalRow]:
        async with open_trading(chosen) as trading:
            return await trading.event_journal(event)

    return reach(f"table {chosen.names_prefix}{schema.TRADING.name}", read, TableError)


@asynccontextmanager
async def open_trading(chosen: CommonSettings) -> AsyncIterator[TradingStore]:
    """The Trading table that the settings name."""
    async with open_ground(chosen) as ground:
        yield TradingStore(ground.table(schema.TRADING))
