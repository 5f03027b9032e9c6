"""Work with AWS on behalf of a command: what it needs opened, and a refusal where that does not answer."""

import contextlib
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec
import trio
from botocore.exceptions import BotoCoreError, ClientError

from services.cli.refusal import Refusal
from spider_common import settings
from spider_common.clock import SystemClock
from spider_common.network import SystemNetwork
from spider_common.schema import QueueShape, TableShape
from spider_common.sdk.aws import Aws, open_aws
from spider_common.settings import CommonSettings, IngestSettings, OmsSettings
from spider_common.stores.dynamo_table import DynamoTable
from spider_common.stores.secrets import SecretsManager
from spider_common.stores.sqs_queue import SqsQueue, open_queue

T = TypeVar("T")


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


class Ground:
    """The tables, queues and secrets that the settings name."""

    def __init__(self, aws: Aws, prefix: str) -> None:
        self._aws, self._prefix = aws, prefix
        self.secrets = SecretsManager(aws, SystemClock(), prefix=prefix)
        self._rng = random.Random()  # noqa: S311 names writes and spreads pauses between attempts

    def table(self, shape: TableShape) -> DynamoTable:
        return DynamoTable(self._aws, shape, self._rng, prefix=self._prefix)

    async def queue(self, shape: QueueShape) -> SqsQueue:
        return await open_queue(self._aws, shape, self._rng, prefix=self._prefix)


@contextlib.asynccontextmanager
async def open_ground(chosen: CommonSettings) -> AsyncIterator[Ground]:
    """AWS as the settings have it, until the block ends."""
    endpoint = chosen.aws_endpoint or None
    async with open_aws(network=SystemNetwork(), region=chosen.aws_region, endpoint_url=endpoint) as aws:
        yield Ground(aws, chosen.names_prefix)


def reach(
    what: str,
    work: Callable[[], Awaitable[T]],
    *failures: type[Exception],
    plain: tuple[type[Exception], ...] = (),
) -> T:
    """What comes of the work.

    Args:
        what: the table or queue, as the refusal names it.
        failures: what the work may raise when that does not answer, beside botocore's errors.
        plain: what it may raise whose text says all.

    Raises:
        Refusal: it does not exist, we have no credentials for it, or it does not answer; or what is `plain`.
    """

    told: tuple[type[Exception], ...] = (*failures, *plain, ClientError, BotoCoreError)

    async def main() -> T:
        failed: BaseException
        try:
            return await work()
        except* told as group:  # those of a nursery come in groups
            failed = group
        while isinstance(failed, BaseExceptionGroup):
            failed = failed.exceptions[0]
        if isinstance(failed, plain):
            raise Refusal(str(failed)) from failed
        raise Refusal(
            f"{what}: {failed}; mend SPIDER_AWS_REGION, SPIDER_AWS_ENDPOINT, SPIDER_NAMES_PREFIX or the AWS "
            "credentials, and look whether a change was made"
        ) from failed

    with contextlib.redirect_stdout(sys.stderr):  # libraries tell of their retries there
        return trio.run(main)
