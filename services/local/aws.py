"""`python -m services.local.aws PORT`: AWS on the loopback address, by moto's server.

As it comes, moto copies the whole table for every item of a transaction and, when a condition fails,
puts the copy back: a write that another request made meanwhile is lost. DynamoDB does neither. Here a
transaction checks all its conditions, with moto's own code, and then writes, while nobody else does.
docs/decisions/0004-moto-transactions.md has the reasons; tests/contract/test_local_aws.py the proof.
"""

import sys
import threading
from typing import Any, Final

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend
from moto.server import main as serve

_one_writer: Final = threading.RLock()  # moto serves each request in a thread of its own


class _Transactions:
    """What takes the place of two methods of moto's backend."""

    put_one: Final = DynamoDBBackend.put_item
    delete_one: Final = DynamoDBBackend.delete_item

    @staticmethod
    def put_item(backend: DynamoDBBackend, *arguments: Any, **named: Any) -> Any:
        with _one_writer:
            return _Transactions.put_one(backend, *arguments, **named)

    @staticmethod
    def transact_write_items(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        with _one_writer:
            failures = [_failure(backend, change) for change in transact_items]
            if any(code is not None for code, _, _ in failures):
                raise TransactionCanceledException(failures)
            for change in transact_items:
                (kind, wanted), *_ = change.items()
                if kind == "Put":
                    _Transactions.put_one(backend, wanted["TableName"], wanted["Item"])
                else:
                    _Transactions.delete_one(backend, wanted["TableName"], wanted["Key"])


_Failure = tuple[str | None, str | None, dict[str, Any] | None]


def _failure(backend: DynamoDBBackend, change: dict[str, Any]) -> _Failure:
    """Why a change may not be made, in the form of moto's exception; Nones if it may."""
    (kind, wanted), *_ = change.items()
    if kind not in {"Put", "Delete"}:
        raise NotImplementedError(f"{kind}: the stores use Put and Delete in transactions")
    key = wanted["Key"] if kind == "Delete" else {name: wanted["Item"][name] for name in ("pk", "sk")}
    current = backend.get_item(wanted["TableName"], key)
    condition = get_filter_expression(
        wanted.get("ConditionExpression"),
        wanted.get("ExpressionAttributeNames"),
        wanted.get("ExpressionAttributeValues"),
    )
    if condition.expr(current):
        return None, None, None
    shown = current.to_json()["Attributes"] if current is not None else None
    return "ConditionalCheckFailed", "The conditional request failed", shown


def main() -> None:
    DynamoDBBackend.put_item = _Transactions.put_item  # type: ignore[method-assign]  # see the module
    DynamoDBBackend.transact_write_items = _Transactions.transact_write_items  # type: ignore[method-assign]  # likewise
    serve(["-H", "127.0.0.1", "-p", sys.argv[1]])


if __name__ == "__main__":
    main()
