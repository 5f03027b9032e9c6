"""DynamoDB's items, conditions and limits, as far as a copier needs them."""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

Item = dict[str, dict[str, str]]
Call = Mapping[str, Any]

_MAX_ITEM: Final = 400 * 1024
_MAX_TRANSACTION: Final = 4 * 1024 * 1024
_SET: Final = re.compile(r"([#\w]+) = (:\w+)")


class Refused(Exception):
    """What the service answers instead of a result: an error type, and what else its body has."""

    def __init__(self, kind: str, **more: object) -> None:
        super().__init__(kind)
        self.kind, self.more = kind, more


class Tables:
    """Every table, made when first written to. Numbers are compared as text: only equality is asked."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Item] = {}  # by table, pk, sk
        self._partitions: dict[
            tuple[str, str, str], set[tuple[str, str, str]]
        ] = {}  # by table, attribute, value

    def get_item(self, call: Call) -> Call:
        item = self._rows.get(_place(call["TableName"], call["Key"]))
        return {} if item is None else {"Item": item}

    def batch_get_item(self, call: Call) -> Call:
        found: dict[str, list[Item]] = {}
        for table, wanted in call["RequestItems"].items():
            if len(wanted["Keys"]) > 100:
                raise Refused("ValidationException", message=f"{len(wanted['Keys'])} keys in a batch")
            rows = [self._rows.get(_place(table, key)) for key in wanted["Keys"]]
            found[table] = [row for row in rows if row is not None]
        return {"Responses": found, "UnprocessedKeys": {}}

    def put_item(self, call: Call) -> Call:
        _check_size(call["Item"])
        if (held := self._failure({"Put": call})) is not None:
            raise Refused("ConditionalCheckFailedException", **held)
        self._put(call["TableName"], call["Item"])
        return {}

    def update_item(self, call: Call) -> Call:
        """Sets attributes of an item: ``SET #a = :a, b = :b``."""
        place = _place(call["TableName"], call["Key"])
        names, values = call.get("ExpressionAttributeNames", {}), call["ExpressionAttributeValues"]
        changed = {**self._rows.get(place, call["Key"])}
        for name, value in _SET.findall(call["UpdateExpression"].removeprefix("SET ")):
            changed[names.get(name, name)] = values[value]
        _check_size(changed)
        self._put(call["TableName"], changed)
        return {}

    def transact_write_items(self, call: Call) -> Call:
        actions = call["TransactItems"]
        sizes = [_check_size(action["Put"]["Item"]) for action in actions if "Put" in action]
        if len(actions) > 100 or sum(sizes) > _MAX_TRANSACTION:
            raise Refused("ValidationException", message=f"{len(actions)} actions of {sum(sizes)} bytes")
        failures = [self._failure(action) for action in actions]
        if any(held is not None for held in failures):
            reasons = [
                {"Code": "None"} if held is None else {"Code": "ConditionalCheckFailed", **held}
                for held in failures
            ]
            raise Refused("TransactionCanceledException", CancellationReasons=reasons)
        for action in actions:
            if "Put" in action:
                self._put(action["Put"]["TableName"], action["Put"]["Item"])
            else:
                self._drop(_place(action["Delete"]["TableName"], action["Delete"]["Key"]))
        return {}

    def batch_write_item(self, call: Call) -> Call:
        for table, requests in call["RequestItems"].items():
            if len(requests) > 25:
                raise Refused("ValidationException", message=f"{len(requests)} requests in a batch")
            for request in requests:
                _check_size(request["PutRequest"]["Item"])
                self._put(table, request["PutRequest"]["Item"])
        return {"UnprocessedItems": {}}

    def query(self, call: Call) -> Call:
        names, values = call["ExpressionAttributeNames"], call["ExpressionAttributeValues"]
        sort = names["#s"]
        low, high = values.get(":low", {"S": ""})["S"], values[":high"]["S"]
        places = self._partitions.get((call["TableName"], names["#p"], values[":p"]["S"]), set())
        found = [item for item in map(self._rows.__getitem__, places) if low <= item[sort]["S"] <= high]
        found.sort(key=lambda item: item[sort]["S"], reverse=not call.get("ScanIndexForward", True))
        page = found[: call["Limit"]]
        rest = {"LastEvaluatedKey": _key(page[-1])} if len(page) < len(found) else {}
        return {"Items": page, "Count": len(page), "ScannedCount": len(page), **rest}

    def _failure(self, action: Mapping[str, Call]) -> dict[str, object] | None:
        """What the answer says of an action whose condition does not hold; None of one that may go."""
        (wanted,) = action.values()
        condition = wanted.get("ConditionExpression")
        held = self._rows.get(_place(wanted["TableName"], wanted.get("Item") or wanted["Key"]))
        if condition is None:
            return None
        if condition.startswith("attribute_not_exists("):
            holds = held is None
        else:
            name, value = _SET.fullmatch(condition).groups()  # type: ignore[union-attr]  # else the call is wrong
            known = {} if held is None else held
            wanted_value = wanted["ExpressionAttributeValues"][value]
            holds = known.get(wanted["ExpressionAttributeNames"].get(name, name)) == wanted_value
        if holds:
            return None
        return {"Item": held} if held and "ReturnValuesOnConditionCheckFailure" in wanted else {}

    def _put(self, table: str, item: Item) -> None:
        place = _place(table, item)
        self._drop(place)
        self._rows[place] = item
        for partition in _partitions_of(table, item):
            self._partitions.setdefault(partition, set()).add(place)

    def _drop(self, place: tuple[str, str, str]) -> None:
        item = self._rows.pop(place, None)
        for partition in _partitions_of(place[0], item) if item else ():
            self._partitions[partition].discard(place)


def _place(table: str, key: Item) -> tuple[str, str, str]:
    return table, key["pk"]["S"], key["sk"]["S"]


def _key(item: Item) -> Item:
    return {"pk": item["pk"], "sk": item["sk"]}


def _partitions_of(table: str, item: Item) -> Sequence[tuple[str, str, str]]:
    return [(table, name, value["S"]) for name, value in item.items() if name.endswith("pk")]


def _check_size(item: Item) -> int:
    size = 0
    for name, value in item.items():
        ((kind, text),) = value.items()
        size += len(name) + (len(b64decode(text)) if kind == "B" else len(text.encode()))
    if size > _MAX_ITEM:
        raise Refused("ValidationException", message="Item size has exceeded the maximum allowed size")
    return size
