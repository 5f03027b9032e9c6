"""Reading one event's journal from the Trading table that the environment names."""

import contextlib
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec
import trio
from botocore.exceptions import BotoCoreError, ClientError

from services.cli.refusal import Refusal
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
    with contextlib.redirect_stdout(sys.stderr):  # libraries tell of their retries there
        return trio.run(_read, chosen, event)


@asynccontextmanager
async def open_trading(chosen: CommonSettings) -> AsyncIterator[TradingStore]:
    """The Trading table that the settings name."""
    endpoint = chosen.aws_endpoint or None
    async with open_aws(network=SystemNetwork(), region=chosen.aws_region, endpoint_url=endpoint) as aws:
        rng = random.Random()  # noqa: S311 spreads pauses between attempts
        yield TradingStore(DynamoTable(aws, schema.TRADING, rng, prefix=chosen.names_prefix))


async def _read(chosen: CommonSettings, event: EventId) -> list[JournalRow]:
    failure: Exception
    try:
        async with open_trading(chosen) as trading:
            try:
                return await trading.event_journal(event)
            except (TableError, ClientError) as error:
                failure = error  # raised below: out of this block it would come in a group
    except BotoCoreError as error:
        failure = error
    raise Refusal(
        f"table {chosen.names_prefix}trading: {failure}; "
        "mend SPIDER_AWS_REGION, SPIDER_AWS_ENDPOINT, SPIDER_NAMES_PREFIX or the AWS credentials"
    ) from failure
