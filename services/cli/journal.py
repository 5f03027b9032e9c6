"""Reading one event's journal from the Trading table that the environment names."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec

from services.cli.reaching import reach
from spider_common import schema, settings
from spider_common.domain.identifiers import EventId
from spider_common.domain.journal import JournalRow
from spider_common.network import SystemNetwork
from spider_common.sdk.aws import open_aws
from spider_common.settings import CommonSettings, IngestSettings, OmsSettings
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.table import TableError
from spider_common.stores.trading import TradingStore


def read_settings(environment: Mapping[str, str]) -> CommonSettings:
    """The settings in an environment, which may be a service's: what only services have is left out.

    Raises:
        BadSetting: a variable with our prefix is unknown to every service, or out of range.
    """
    common, *services = (
        {f"{settings.PREFIX}{field.name.upper()}" for field in msgspec.structs.fields(kind)}
        for kind in (CommonSettings, OmsSettings, IngestSettings)
    )
    theirs = set().union(*services) - common
    return settings.read(CommonSettings, {k: v for k, v in environment.items() if k not in theirs})


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
    endpoint = chosen.aws_endpoint or None
    async with open_aws(network=SystemNetwork(), region=chosen.aws_region, endpoint_url=endpoint) as aws:
        rng = random.Random()  # noqa: S311 spreads pauses between attempts
        yield TradingStore(DynamoTable(aws, schema.TRADING, rng, prefix=chosen.names_prefix))
