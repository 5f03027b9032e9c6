"""What the stores need of `spider_common.sdk.aws.Aws`, and how its failures are told apart."""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import botocore.exceptions
import trio

T = TypeVar("T")


class AwsCall(Protocol):
    """Runs methods of boto3 clients on Trio, with a deadline and retries."""

    def client(self, service: str) -> Any:
        """An unmodified boto3 client."""
        ...

    async def call(self, method: Callable[..., T], /, **arguments: Any) -> T:
        """The answer of one client method.

        Raises:
            botocore.exceptions.ClientError: the service answered with an error.
            botocore.exceptions.HTTPClientError: no answer came.
            trio.TooSlowError: the deadline passed.
        """
        ...


# It cannot be known whether the service did what was asked.
UNANSWERED: Final = (
    botocore.exceptions.ConnectionError,
    botocore.exceptions.HTTPClientError,
    trio.TooSlowError,
)


def error_code(error: botocore.exceptions.ClientError) -> str:
    """The service's own code for an error."""
    code: str = error.response.get("Error", {}).get("Code", "")
    return code


def is_server_fault(error: botocore.exceptions.ClientError) -> bool:
    """Whether the service failed (5xx), so that what was asked may have been done all the same."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500
