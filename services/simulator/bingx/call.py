"""One REST call as its endpoint sees it: parameters signed and in time. Pure."""

import hashlib
import hmac
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final, Literal
from urllib.parse import parse_qsl

import msgspec

from services.simulator.accounts import Account
from services.simulator.bingx.codes import BingxError
from services.simulator.bingx.conditionals import Conditionals
from services.simulator.bingx.streams import ListenKeys
from services.simulator.ledger import Order
from services.simulator.request import Request
from services.simulator.venue import Venue
from spider_common.clock import NS_PER_MS, NS_PER_S

Operation = Literal["query", "place", "amend", "cancel"]
Fields = dict[str, object]

KEEP: Final = 7 * 24 * 3600 * NS_PER_S
"""Finished orders and fills leave history after this."""
_MOST_WINDOW: Final = 5_000  # ms
_AHEAD: Final = 1_000  # ms that a timestamp may be ahead of the venue's clock


class Call:
    """A request with its account and the venue's time (Unix ns). `accepted` gathers the orders it touched."""

    def __init__(
        self, venue: Venue, keys: ListenKeys, conditionals: Conditionals, request: Request, now: int
    ) -> None:
        self.venue = venue
        self.keys = keys
        self.conditionals = conditionals
        self.exchange = venue.exchange
        self.request = request
        self.now = now
        self.accepted: list[Order] = []
        self.params = dict(parse_qsl(request.query, keep_blank_values=True))
        self._account: Account | None = None

    @property
    def account(self) -> Account:
        assert self._account is not None, "the endpoint is private"
        return self._account

    def authenticate(self) -> None:
        """Raises BingxError: 100413 the key is unknown; 100412 no signature, 100001 a wrong one; 100421 as
        `check_time`."""
        account = self.venue.account_of_key(self.request.headers.get("x-bx-apikey", ""))
        if account is None:
            raise BingxError("100413")
        signature = self.params.get("signature", "")
        if not signature:
            raise BingxError("100412")
        if not hmac.compare_digest(
            signature.encode(), sign(account.credentials.secret, self.params).encode()
        ):
            raise BingxError("100001")
        self._account = account
        self.check_time()

    def check_time(self) -> None:
        """Raises BingxError: 100421 the timestamp is missing, ahead, or older than recvWindow; 109400 a
        recvWindow that no request may have."""
        stamp, window = self.params.get("timestamp", ""), self.params.get("recvWindow", str(_MOST_WINDOW))
        if not (stamp.isascii() and stamp.isdigit()):
            raise BingxError("100421")
        if not (window.isascii() and window.isdigit()) or not 0 < int(window) <= _MOST_WINDOW:
            raise BingxError("109400", "recvWindow")
        now = self.now / NS_PER_MS
        if not int(stamp) - _AHEAD <= now <= int(stamp) + int(window):
            raise BingxError("100421")

    def needed(self, name: str) -> str:
        """A parameter that must be there."""
        if not self.params.get(name):
            raise BingxError("109400", f"{name}: this field is required")
        return self.params[name]

    def decimal(self, name: str) -> Decimal:
        """Raises BingxError: 109400, it is missing or no finite number."""
        try:
            value = Decimal(self.needed(name))
        except InvalidOperation:
            raise BingxError("109400", name) from None
        if not value.is_finite():
            raise BingxError("109400", name)
        return value

    def milliseconds(self, name: str) -> int | None:
        """A time parameter as Unix ns; None where it is not given."""
        value = self.params.get(name, "")
        if not value:
            return None
        if not (value.isascii() and value.isdigit()):
            raise BingxError("109400", name)
        return int(value) * NS_PER_MS

    def whole(self, name: str, default: int, most: int) -> int:
        value = self.params.get(name, str(default))
        if not (value.isascii() and value.isdigit()) or not 0 < int(value) <= most:
            raise BingxError("109400", name)
        return int(value)

    def client_order_id(self, *names: str) -> str:
        """That of a new order, in lower case. No other order may ever have it.

        Raises:
            BingxError: 109400 it is too long; 101481 it was used, 109201 within the last second.
        """
        given = next(filter(None, (self.params.get(name, "") for name in names)), "").lower()
        if len(given) > 40:
            raise BingxError("109400", names[0])
        same = self.exchange.find(self.account, "", given) if given else None
        if same is not None:
            raise BingxError("109201" if self.now - same.ts_created < NS_PER_S else "101481", given)
        return given

    def kept(self, order: Order) -> bool:
        """Whether an order can still be asked for."""
        return order.open or order.ts_updated > self.now - KEEP


class Endpoint(msgspec.Struct, frozen=True):
    """What answers a method and path: the `data` of the answer. `limit` counts an account's calls a second.

    `bare` endpoints answer with their object at the top, without code and data.
    """

    answer: Callable[[Call], object]
    limit: int = 5
    private: bool = True
    operation: Operation = "query"
    bare: bool = False


def sign(secret: str, params: dict[str, str]) -> str:
    """Hex HMAC-SHA256 of the parameters but the signature, sorted and unencoded."""
    signed = "&".join(f"{name}={value}" for name, value in sorted(params.items()) if name != "signature")
    return hmac.digest(secret.encode(), signed.encode(), hashlib.sha256).hex()
