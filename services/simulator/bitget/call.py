"""One REST call as its endpoint sees it, and how endpoints are described."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec

from services.simulator.accounts import Account
from services.simulator.bitget.codes import BitgetError
from services.simulator.bitget.shapes import PRODUCT
from services.simulator.ledger import Order
from services.simulator.request import Request
from services.simulator.venue import Venue

Body = TypeVar("Body", bound=msgspec.Struct)
Operation = Literal["query", "place", "amend", "cancel"]
Closing = Literal["position", "direction"]
Number = str | int | float
"""Bitget asks for numbers as strings and takes JSON numbers as well."""


class Call:
    """A request with its account and the venue's time (Unix ns). `accepted` gathers the orders it made.

    `closing`: whether ``side`` of a hedged position's closing order is the position's or the direction.
    """

    def __init__(
        self, venue: Venue, request: Request, account: Account | None, now: int, closing: Closing
    ) -> None:
        self.venue, self.request, self.now, self.closing = venue, request, now, closing
        self.exchange = venue.exchange
        self.accepted: list[Order] = []
        self.query = dict(parse_qsl(request.query))
        self._account = account

    @property
    def account(self) -> Account:
        assert self._account is not None, "the endpoint is private"
        return self._account

    def body(self, kind: type[Body]) -> Body:
        """Raises BitgetError: 40017, naming the field that is missing or wrong."""
        try:
            return msgspec.json.decode(self.request.body, type=kind)
        except msgspec.ValidationError as error:
            raise BitgetError("40017", str(error)) from None
        except msgspec.DecodeError:
            raise BitgetError("40017", "not JSON") from None

    def needed(self, name: str) -> str:
        """A query parameter that must be there."""
        if not self.query.get(name):
            raise BitgetError("40019", name)
        return self.query[name]

    def needs_product(self) -> None:
        """Raises BitgetError: the query is not about USDT swaps, the only product that is simulated."""
        if self.needed("productType").upper() != PRODUCT:
            raise BitgetError("40034", "productType")


class Endpoint(msgspec.Struct, frozen=True):
    """What answers a method and path. `limit` counts calls in a second, of an account or an address.

    `operation`: what it does to orders, and so which faults may strike it; settings count as queries.
    """

    answer: Callable[[Call], object]
    limit: int
    private: bool = True
    operation: Operation = "query"


def decimal(number: Number, parameter: str) -> Decimal:
    """Raises BitgetError: 40017, it is no finite number."""
    try:
        value = Decimal(str(number))
    except InvalidOperation:
        raise BitgetError("40017", parameter) from None
    if not value.is_finite():
        raise BitgetError("40017", parameter)
    return value
