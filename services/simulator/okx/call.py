"""One REST call as its endpoint sees it, and how endpoints are described."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec

from services.simulator.accounts import Account
from services.simulator.ledger import Order
from services.simulator.limits import RateLimits
from services.simulator.okx.codes import OkxError
from services.simulator.okx.shapes import Fields
from services.simulator.request import Request
from services.simulator.venue import Venue

Body = TypeVar("Body", bound=msgspec.Struct)
Operation = Literal["query", "place", "amend", "cancel"]
Number = str | int | float
"""OKX asks for numbers as strings and takes JSON numbers as well."""
MAX_BATCH = 20


class Call:
    """A request with its account and the venue's time (Unix ns). `accepted` gathers the orders it touched."""

    def __init__(
        self, venue: Venue, limits: RateLimits, request: Request, account: Account | None, now: int
    ) -> None:
        self.venue = venue
        self.limits = limits
        self.accepted: list[Order] = []
        self.exchange = venue.exchange
        self.request = request
        self.now = now
        self.query = dict(parse_qsl(request.query))
        self._account = account

    @property
    def account(self) -> Account:
        assert self._account is not None, "the endpoint is private"
        return self._account

    def items(self) -> list[msgspec.Raw]:
        """The body's objects: one, or those of a batch, undecoded.

        Raises:
            OkxError: 50000 there is none; 50002 it is not JSON; 51111 there are more than 20.
        """
        if not self.request.body:
            raise OkxError("50000")
        try:
            if self.request.body.lstrip().startswith(b"["):
                items = msgspec.json.decode(self.request.body, type=list[msgspec.Raw])
            else:
                items = [msgspec.json.decode(self.request.body, type=msgspec.Raw)]
        except msgspec.DecodeError:
            raise OkxError("50002") from None
        if not items:
            raise OkxError("50000")
        if len(items) > MAX_BATCH:
            raise OkxError("51111")
        return items

    def body(self, kind: type[Body]) -> Body:
        """The body's only object."""
        return decode(self.items()[0], kind)

    def needed(self, name: str) -> str:
        """A query parameter that must be there."""
        if not self.query.get(name):
            raise OkxError("50014", name)
        return self.query[name]


class Endpoint(msgspec.Struct, frozen=True):
    """What answers a method and path. `limit` counts calls (batch: orders) in two seconds."""

    answer: Callable[[Call], list[Fields]]
    limit: int
    private: bool = True
    operation: Operation = "query"


def decode(raw: msgspec.Raw, kind: type[Body]) -> Body:
    """Raises OkxError: 51000, naming the field that is missing or wrong; 50002 it is not JSON."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise OkxError("51000", _field(str(error))) from None
    except msgspec.DecodeError:
        raise OkxError("50002") from None


def decimal(number: Number, parameter: str) -> Decimal:
    """Raises OkxError: 51000, it is no finite number."""
    try:
        value = Decimal(str(number))
    except InvalidOperation:
        raise OkxError("51000", parameter) from None
    if not value.is_finite():
        raise OkxError("51000", parameter)
    return value


def _field(message: str) -> str:
    """The field that msgspec's message is about: in backticks, as `sz` or as `$.sz`."""
    return message.rpartition("`$.")[2].rstrip("`") if "`$." in message else message.split("`")[1]
