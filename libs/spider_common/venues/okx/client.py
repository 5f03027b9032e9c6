"""OKX's REST side. One client serves every account: they share its connections.

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade and ``-trading-account``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import msgspec

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit
from spider_common.clock import NS_PER_MS, Clock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.domain.orders import OrderFact, PositionSide
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.secret import Credentials, Secret
from spider_common.venues.okx import codes, parse
from spider_common.venues.okx.session import OkxSession
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    Lookup,
    NotFound,
    Outcome,
    RateLimited,
    Refused,
    Unknown,
    UnreadableFrame,
    Unsent,
    VenueError,
)
from spider_common.venues.venue import Told

ANSWER_WITHIN_S: Final = 5.0
"""The whole of a request. An order's answer that takes longer is in doubt and is asked for."""
ORDERS: Final = Limit(60, 2.0)  # per account and instrument
ACCOUNT: Final = Limit(1000, 2.0)  # per sub-account, new and amended orders
QUERIES: Final = Limit(20, 2.0)  # per account; the narrowest of the endpoints that a sweep uses
KIND: Final = "SWAP"
"""What is copied: linear swaps."""
_NOBODY: Final = Credentials(Secret(""), Secret(""))  # public questions are not signed
_PAGE: Final = 100
_MOST_PAGES: Final = 50

# The request never left us: no connection was made, or there was no place in the pool.
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class OkxClient:
    """See `spider_common.venues.venue.VenueClient`.

    Args:
        codec: signs for ``https://www.okx.com``, or for a simulator's address.
        socket_url: the private socket, ``wss://ws.okx.com:8443/ws/v5/private``.
    """

    def __init__(
        self, *, http: httpx.AsyncClient, codec: Codec, budgets: Budgets, clock: Clock, socket_url: str
    ) -> None:
        self._http, self._codec, self._budgets, self._clock = http, codec, budgets, clock
        self._socket_url = socket_url
        self.known_instruments = InstrumentList(())

    async def instruments(self) -> Sequence[Instrument]:
        rows = await self._query(None, "public/instruments", {"instType": KIND})
        listed = (parse.instrument(row, place=f"data[{at}]") for at, row in enumerate(rows))
        found = [instrument for instrument in listed if instrument is not None]
        self._codec.set_instruments(rows)
        self.known_instruments = InstrumentList(found)
        return found

    async def socket_url(self, credentials: Credentials) -> str:  # noqa: ARG002 the same for every key
        return self._socket_url

    async def keep_alive(self, credentials: Credentials, url: str) -> None:
        """Nothing to do: a login lasts as long as its socket."""

    def session(self, credentials: Credentials, account: AccountId) -> OkxSession:
        return OkxSession(credentials, account, self.known_instruments)

    async def ready_to_place(self, order: OrderRequest) -> None:
        account = order.account.account
        await self._budgets.acquire(
            (("order", account, order.symbol), ORDERS),
            (("account", account), ACCOUNT),
            client=account,
            reducing=order.reduce_only,
        )

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        if credentials.passphrase is None:
            return Refused(Reason.NO_CREDENTIALS)
        instrument = self.known_instruments.get(Venue.OKX, order.symbol)
        if instrument is None or order.size < instrument.minimum or order.size % instrument.lot:
            return Refused(Reason.INSTRUMENT_CHANGED)  # since the order was planned
        asked = self._codec.order_request(
            order.symbol,
            side=order.side,
            size=order.size,
            client_order_id=order.client_order_id,
            params=_position(order),
        )
        request = self._codec.sign(credentials, asked, headers={"expTime": str(expires // NS_PER_MS)})
        try:
            answer = await self._http.request(
                request.method,
                request.url,
                headers=request.headers,
                content=request.body,
                extensions={"deadline": ANSWER_WITHIN_S},
            )
        except _NEVER_SENT as error:
            return Unsent(_words(error))
        except httpx.RequestError as error:
            return Unknown(_words(error))
        outcome = _order_outcome(answer, self._clock.now())
        if isinstance(outcome, RateLimited):
            account = order.account.account
            await self._budgets.back_off(("order", account, order.symbol), ORDERS, outcome.until)
        return outcome

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        account = order.account.account
        named = {"instId": order.symbol, "clOrdId": order.client_order_id}
        try:
            rows = await self._query(credentials, "trade/order", named, account=account)
        except _CodeError as error:
            if error.code not in codes.NOT_FOUND:
                return Unknown(str(error))
            rows = []
        except VenueError as error:
            return Unknown(str(error))
        try:
            if not rows:
                history = await self._history(credentials, account, order.symbol)
                rows = [row for row in history if row.get("clOrdId") == order.client_order_id]
            if not rows:
                return NotFound()
            return Found(self._order(rows[0], "data[0]", account))
        except VenueError as error:
            return Unknown(str(error))

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        begin = str(since // NS_PER_MS)
        # Open orders first: one that ends before history is asked is then in both, and history wins.
        open_rows = await self._pages(credentials, account, "trade/orders-pending", {"instType": KIND})
        asked = {"instType": KIND, "begin": begin}
        rows = await self._pages(credentials, account, "trade/orders-history", asked)
        facts = {fact.venue_order_id: fact for fact in self._orders(rows, account)}
        fills = await self._pages(credentials, account, "trade/fills", asked, key="billId")
        executions = self._executions(fills, account)
        for fact in self._orders(open_rows, account):
            facts.setdefault(fact.venue_order_id, fact)
        # History goes by the time an order was made. One made before `begin` and ended since is in neither
        # listing, but if it was filled its fills, which go by their own time, name it.
        for execution in executions:
            if execution.venue_order_id not in facts:
                named = {"instId": execution.symbol, "ordId": execution.venue_order_id}
                for row in await self._query(credentials, "trade/order", named, account=account):
                    facts[execution.venue_order_id] = self._order(row, "data[0]", account)
        balance = await self._query(credentials, "account/balance", {}, account=account)
        return Told(
            facts=tuple(sorted(facts.values(), key=lambda fact: (fact.ts_venue, fact.venue_order_id))),
            executions=tuple(sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))),
            equities=tuple(
                parse.equity(row, place=f"data[{at}]", account=account) for at, row in enumerate(balance)
            ),
        )

    async def _history(
        self, credentials: Credentials, account: AccountId, symbol: str
    ) -> Sequence[parse.Row]:
        """An instrument's latest finished orders: the first page holds far more than one doubt's time."""
        asked = {"instType": KIND, "instId": symbol}
        return await self._query(credentials, "trade/orders-history", asked, account=account)

    def _orders(self, rows: Sequence[parse.Row], account: AccountId) -> list[OrderFact]:
        return [self._order(row, f"data[{at}]", account) for at, row in enumerate(rows)]

    def _order(self, row: parse.Row, place: str, account: AccountId) -> OrderFact:
        return parse.order(
            row,
            place=place,
            account=account,
            instruments=self.known_instruments,
            seen=self._clock.now(),
        )

    def _executions(self, rows: Sequence[parse.Row], account: AccountId) -> list[Execution]:
        found = (
            parse.execution(
                row,
                place=f"data[{at}]",
                account=account,
                instruments=self.known_instruments,
                pushed=False,
            )
            for at, row in enumerate(rows)
        )
        return [execution for execution in found if execution is not None]

    async def _pages(
        self,
        credentials: Credentials,
        account: AccountId,
        path: str,
        asked: Mapping[str, str],
        *,
        key: str = "ordId",
    ) -> list[parse.Row]:
        """All rows of a listing, which OKX gives newest first, 100 a page, continued after an id."""
        rows: list[parse.Row] = []
        after: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = await self._query(credentials, path, {**asked, **after}, account=account)
            rows.extend(page)
            if len(page) < _PAGE:
                return rows
            after = {"after": parse.text(page[-1], key, f"data[{len(page) - 1}]")}
        raise VenueError(f"{path}: more than {_MOST_PAGES * _PAGE} rows; sweep more often")

    async def _query(
        self,
        credentials: Credentials | None,
        path: str,
        asked: Mapping[str, str],
        *,
        account: AccountId | None = None,
    ) -> list[parse.Row]:
        """The rows of a GET.

        Raises:
            VenueError: no answer, an error code, or an answer that cannot be read.
        """
        counted_for = (ADDRESS, path) if account is None else (path, account)
        await self._budgets.acquire((counted_for, QUERIES))
        section = "public" if credentials is None else "private"
        if credentials is not None and credentials.passphrase is None:
            raise VenueError(f"{path}: OKX keys have a passphrase; add it to the account's secret")
        question = VenueRequest((section,), "GET", path, asked)
        request = self._codec.sign(credentials or _NOBODY, question)
        try:
            answer = await self._http.request(
                request.method,
                request.url,
                headers=request.headers,
                extensions={"deadline": ANSWER_WITHIN_S},
            )
        except httpx.RequestError as error:
            raise VenueError(f"{path}: {_words(error)}") from error
        body = _read(answer, path)
        code = parse.text(body, "code", path)
        if code != "0":
            raise _CodeError(path, code, parse.text(body, "msg", path, default=""))
        return _rows(body, path)


class _CodeError(VenueError):
    """OKX answered with an error code."""

    def __init__(self, path: str, code: str, words: str) -> None:
        self.code = code
        super().__init__(f"{path}: {code} {words}")


def _position(order: OrderRequest) -> dict[str, str | bool]:
    """Which position an order works on. In hedge mode its side says so, and reduceOnly does not apply."""
    if order.position_side is not PositionSide.NET:
        return {"tdMode": "cross", "posSide": order.position_side.value}
    return {"tdMode": "cross", "reduceOnly": True} if order.reduce_only else {"tdMode": "cross"}


def _order_outcome(answer: httpx.Response, now: int) -> Outcome:
    """What an answer to an order request says. Whatever cannot be read is unknown, not refused."""
    try:
        body = _read(answer, "answer")
        code, words = parse.text(body, "code", "answer"), parse.text(body, "msg", "answer", default="")
        rows = _rows(body, "answer") if "data" in body else []
        if rows:
            code = parse.text(rows[0], "sCode", "data[0]", default=code)
            words = parse.text(rows[0], "sMsg", "data[0]", default=words)
        if code == "0":
            return Accepted(VenueOrderId(parse.text(rows[0], "ordId", "data[0]")) if rows else None)
    except VenueError as error:
        return Unknown(f"HTTP {answer.status_code}: {error}")
    return codes.write_outcome(code, words, now)


def _read(answer: httpx.Response, place: str) -> Mapping[str, Any]:
    """The JSON object in an answer, whatever its HTTP status: OKX puts its codes into the body."""
    try:
        body = msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableFrame(f"{place}: answer with HTTP status {answer.status_code} is not JSON") from error
    if not isinstance(body, dict):
        raise UnreadableFrame(f"{place}: not a JSON object")
    return body


def _rows(body: Mapping[str, Any], place: str) -> list[parse.Row]:
    rows = body.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableFrame(f"{place}.data: not an array of objects")
    return rows


def _words(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
