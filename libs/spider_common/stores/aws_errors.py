"""How failures of AWS calls are told apart."""

from typing import Final

import botocore.exceptions
from botocore.exceptions import ClientError

# No answer, or none that can be read: it cannot be known whether the service did what was asked.
UNANSWERED: Final = (
    botocore.exceptions.ChecksumError,
    botocore.exceptions.ConnectionError,
    botocore.exceptions.HTTPClientError,
)


def error_code(error: ClientError) -> str:
    """The service's own code for an error."""
    return error.response.get("Error", {}).get("Code", "")


def is_server_fault(error: ClientError) -> bool:
    """Whether the service failed (5xx), so that what was asked may have been done all the same."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
