"""Work with AWS on behalf of a command."""

import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from botocore.exceptions import BotoCoreError, ClientError

from services.cli.refusal import Refusal

T = TypeVar("T")


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
