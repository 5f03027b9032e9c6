"""`DynamoTable`: the `Table` port over DynamoDB.

Attributes of an item: pk, sk, doc (text, or bytes where it is compressed), version, expires, `<index>_pk`
and `<index>_sk` for each index that it is in, and `write_id`, which names the write that stored it. A write
whose condition fails on an item that carries its own id had been done by an earlier attempt whose answer
was lost: that is success, not a conflict. So repeating, which `Aws.call` does, never turns a lost answer
into a false `Conflict`.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import trio
from botocore.exceptions import ClientError

from spider_common.schema import Index, Key, TableShape
from spider_common.sdk.aws import Aws
from spider_common.stores.aws_errors import UNANSWERED, error_code, is_server_fault
from spider_common.stores.table import (
    Ambiguous,
    Busy,
    Change,
    Conflict,
    Page,
    Put,
    Row,
    Unavailable,
    check_changes,
    check_keys,
    check_row,
    packed,
    unpacked,
)

_BATCH: Final = 25  # BatchWriteItem's limit
_READ_BATCH: Final = 100  # BatchGetItem's; it gives 16 MB at most and leaves the rest unprocessed
_ATTEMPTS: Final = 6  # at rows left unprocessed, with pauses of 50 ms to 0.8 s about 1.5 s in all
_FIRST_PAUSE_S: Final = 0.05
_CONTENTION: Final = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)

_Item = dict[str, dict[str, Any]]


class DynamoTable:
    """One DynamoDB table. `rng` names writes and spreads pauses between attempts."""

    def __init__(self, aws: Aws, shape: TableShape, rng: random.Random, *, prefix: str = "") -> None:
        self._aws = aws
        self._client: Any = aws.client("dynamodb")
        self._name = prefix + shape.name
        self._indexes = {index.name: index for index in shape.indexes}
        self._rng = rng

    async def get(self, key: Key) -> Row | None:
        answer = await self._read(
            self._client.get_item, TableName=self._name, Key=_item_key(key), ConsistentRead=True
        )
        item = answer.get("Item")
        return None if item is None else self._row(item)

    async def get_all(self, keys: Sequence[Key]) -> dict[Key, Row]:
        check_keys(keys)
        found: dict[Key, Row] = {}
        waiting = [_item_key(key) for key in keys]
        attempt = 0
        while waiting:
            await self._pause(attempt)
            batch, waiting = waiting[:_READ_BATCH], waiting[_READ_BATCH:]
            request = {self._name: {"Keys": batch, "ConsistentRead": True}}
            answer = await self._read(self._client.batch_get_item, RequestItems=request)
            rows = [self._row(item) for item in answer["Responses"].get(self._name, [])]
            found |= {row.key: row for row in rows}
            left = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            waiting = left + waiting
            attempt = attempt + 1 if left and not rows else 0
            if attempt == _ATTEMPTS:
                raise Unavailable(f"{self._name}: {len(waiting)} rows not read in {_ATTEMPTS} attempts")
        return found

    async def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        begins_with: str = "",
        after: str | None = None,
        up_to: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        partition, sort = ("pk", "sk") if index is None else self._key_attributes(index)
        # The bounds are inclusive, which is all that one BETWEEN can say; the row at `after` is dropped here.
        low = max(begins_with, after or "" if not descending else "")
        highs = [up_to, after if descending else None, begins_with + "\U0010ffff"]
        high = min(bound for bound in highs if bound is not None)  # code points sort as their UTF-8 does
        if low > high:
            return Page((), None)
        condition, values = "#p = :p AND #s <= :high", {":p": {"S": pk}, ":high": {"S": high}}
        if low:  # a key value must not be empty
            condition = "#p = :p AND #s BETWEEN :low AND :high"
            values[":low"] = {"S": low}
        arguments: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {"#p": partition, "#s": sort},
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not descending,
            "Limit": limit + (after is not None),
        }
        arguments |= {"ConsistentRead": True} if index is None else {"IndexName": index}
        answer = await self._read(self._client.query, **arguments)
        items = [item for item in answer["Items"] if item[sort]["S"] != after]
        more = "LastEvaluatedKey" in answer or len(items) > limit
        items = items[:limit]
        following = (items[-1][sort]["S"] if items else after) if more else None
        return Page(tuple(self._row(item) for item in items), following)

    async def write(self, *changes: Change) -> tuple[Row, ...]:
        check_changes(changes)
        write_id = f"{self._rng.getrandbits(96):024x}"
        actions = [self._action(change, write_id) for change in changes]
        rows = tuple(_raised(change.row) for change in changes if isinstance(change, Put))
        try:
            if len(actions) == 1 and "Put" in actions[0]:
                await self._aws.call(self._client.put_item, **actions[0]["Put"])
            else:
                await self._aws.call(
                    self._client.transact_write_items, TransactItems=actions, ClientRequestToken=write_id
                )
        except ClientError as error:
            if is_server_fault(error):
                raise Ambiguous(f"{error_code(error)} from {self._name}") from error
            if not _is_ours(error, write_id):
                failed = _failed_conditions(error, changes)
                if failed:
                    raise Conflict(failed) from error
                if _is_contention(error):
                    raise Busy(f"{self._name}: {len(changes)} changes met contention") from error
                raise
        except UNANSWERED as error:
            raise Ambiguous(f"no answer from {self._name}: {error!r}") from error
        return rows

    async def put_all(self, rows: Sequence[Row]) -> None:
        check_keys([row.key for row in rows])
        for row in rows:
            check_row(row)
        write_id = f"{self._rng.getrandbits(96):024x}"
        waiting = [{"PutRequest": {"Item": self._item(row, write_id)}} for row in rows]
        attempt = 0
        while waiting:
            await self._pause(attempt)
            batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
            try:
                answer = await self._aws.call(self._client.batch_write_item, RequestItems={self._name: batch})
            except ClientError as error:
                if is_server_fault(error):
                    raise Ambiguous(f"{error_code(error)} from {self._name}") from error
                if _is_contention(error):
                    raise Busy(f"{self._name}: {len(waiting) + len(batch)} rows not stored") from error
                raise
            except UNANSWERED as error:
                raise Ambiguous(f"no answer from {self._name}: {error!r}") from error
            left = answer.get("UnprocessedItems", {}).get(self._name, [])
            waiting = left + waiting
            attempt = attempt + 1 if left else 0
            if attempt == _ATTEMPTS:
                raise Busy(f"{self._name}: {len(waiting)} rows not stored after {_ATTEMPTS} attempts")

    async def _pause(self, attempt: int) -> None:
        """Before another attempt at what a call left over."""
        if attempt:
            await trio.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1) * self._rng.uniform(0.5, 1.5))

    async def _read(self, method: Callable[..., Any], **arguments: Any) -> Any:
        try:
            return await self._aws.call(method, **arguments)
        except ClientError as error:
            if not is_server_fault(error) and not _is_contention(error):
                raise
            raise Unavailable(f"{error_code(error)} from {self._name}") from error
        except UNANSWERED as error:
            raise Unavailable(f"no answer from {self._name}: {error!r}") from error

    def _key_attributes(self, index: str) -> tuple[str, str]:
        shape = self._index(index)
        return shape.partition, shape.sort

    def _index(self, name: str) -> Index:
        if name not in self._indexes:
            raise ValueError(f"index {name!r} is not one of {tuple(self._indexes)}")
        return self._indexes[name]

    def _action(self, change: Change, write_id: str) -> dict[str, Any]:
        action: dict[str, Any] = {
            "TableName": self._name,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if change.expect:
            action |= {
                "ConditionExpression": "#v = :v",
                "ExpressionAttributeNames": {"#v": "version"},
                "ExpressionAttributeValues": {":v": {"N": str(change.expect)}},
            }
        else:
            action |= {
                "ConditionExpression": "attribute_not_exists(#k)",
                "ExpressionAttributeNames": {"#k": "pk"},
            }
        if isinstance(change, Put):
            return {"Put": {**action, "Item": self._item(change.row, write_id)}}
        return {"Delete": {**action, "Key": _item_key(change.key)}}

    def _item(self, row: Row, write_id: str) -> _Item:
        doc = packed(row.doc)
        item: _Item = {
            **_item_key(row.key),
            "doc": {"S": doc} if isinstance(doc, str) else {"B": doc},
            "version": {"N": str(row.version + 1)},
            "write_id": {"S": write_id},
        }
        for name, (pk, sk) in row.index.items():
            index = self._index(name)
            item[index.partition] = {"S": pk}
            item[index.sort] = {"S": sk}
        if row.expires is not None:
            item["expires"] = {"N": str(row.expires)}
        return item

    def _row(self, item: Mapping[str, Mapping[str, Any]]) -> Row:
        return Row(
            pk=item["pk"]["S"],
            sk=item["sk"]["S"],
            doc=unpacked(next(iter(item["doc"].values()))),
            version=int(item["version"]["N"]),
            index={
                name: Key(item[index.partition]["S"], item[index.sort]["S"])
                for name, index in self._indexes.items()
                if index.partition in item
            },
            expires=int(item["expires"]["N"]) if "expires" in item else None,
        )


def _item_key(key: Key) -> _Item:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _raised(row: Row) -> Row:
    return msgspec.structs.replace(row, version=row.version + 1)


def _reasons(error: ClientError) -> list[dict[str, Any]]:
    """What each action of a cancelled transaction came to, in order; of a lone put, its one failure."""
    answer: Mapping[str, Any] = error.response
    if error_code(error) == "TransactionCanceledException":
        return list(answer.get("CancellationReasons", []))
    if error_code(error) == "ConditionalCheckFailedException":
        return [{"Code": "ConditionalCheckFailed", "Item": answer.get("Item", {})}]
    return [{"Code": error_code(error)}]


def _is_ours(error: ClientError, write_id: str) -> bool:
    return any(reason.get("Item", {}).get("write_id", {}).get("S") == write_id for reason in _reasons(error))


def _failed_conditions(error: ClientError, changes: Sequence[Change]) -> list[Key]:
    return [
        change.key
        for change, reason in zip(changes, _reasons(error), strict=False)
        if reason.get("Code") == "ConditionalCheckFailed"
    ]


def _is_contention(error: ClientError) -> bool:
    return any(reason.get("Code") in _CONTENTION for reason in _reasons(error))
