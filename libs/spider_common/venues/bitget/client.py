"""Bitget's REST side. One client serves every account: they share its connections.

Sources: https://www.bitget.com/api-doc/contract/ and ``/api-doc/common/signature``.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import httpx
import msgspec

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import Limit
from spider_common.clock import NS_PER_MS, NS_PER_S, Clock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.domain.orders import OrderFact, PositionSide
from spider_common.domain.products import Account
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import Amendment, KeyPermissions, MarginMode, OrderRef, OrderRequest
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.bitget import codes, parse, requests
from spider_common.venues.bitget.parse import ClosingSide
from spider_common.venues.bitget.session import PRODUCT, BitgetSession
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
from spider_common.venues.rest import Reply, Rest
from spider_common.venues.rows import Row
from spider_common.venues.venue import Capabilities, Told

ORDERS: Final = Limit(10, 1.0)
"""Per account and endpoint. An account that other people copy at Bitget itself has only 1 a second."""
REQUEST_AGE: Final = 30 * NS_PER_S
"""A request whose timestamp is older is refused."""
_SETTINGS: Final = Limit(5, 1.0)
_QUERIES: Final = {"position/all-position": Limit(5, 1.0), "account/info": Limit(1, 1.0)}
_QUERY: Final = Limit(10, 1.0)
_PLANS: Final = ("normal_plan", "profit_loss")
_PAGE: Final = 100
_MOST_PAGES: Final = 50


class BitgetClient:
    """See `spider_common.venues.venue.VenueClient`.

    Args:
        codec: signs for ``https://api.bitget.com``, or for a simulator's address.
        socket_url: the private socket, ``wss://ws.bitget.com/v2/ws/private``.
        closing: what closing orders in hedge mode call their side.
        orders: how many orders an account may place; `ORDERS` unless it is copied at Bitget.
        request_age: the age (ns) past which the venue refuses a request. It has no other expiry, so a request
            is signed with its time set back, until it grows too old just when it should expire. None: the
            venue is not relied on for this; requests carry the true time and may be taken for 30 s.
    """

    venue: Final = Venue.BITGET

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        codec: Codec,
        budgets: Budgets,
        clock: Clock,
        socket_url: str,
        closing: ClosingSide = ClosingSide.POSITION,
        orders: Limit = ORDERS,
        request_age: int | None = REQUEST_AGE,
    ) -> None:
        self._codec, self._budgets, self._clock = codec, budgets, clock
        self._rest = Rest(http=http, codec=codec, clock=clock)
        self._socket_url, self._closing, self._orders = socket_url, closing, orders
        self._request_age = request_age
        self.known_instruments = InstrumentList(())

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            amends="replace",
            expiry="timestamp set back" if self._request_age else "30 s after signing",
            batch_orders=1,
            hedge_mode=True,
            limits={
                "place, cancel, amend": f"{self._orders.count}/s each, an account",
                "queries": "10/s each, an account (positions 5/s)",
                "settings": "5/s each, an account",
                "all": "6000/min an address",
            },
        )

    async def instruments(self) -> Sequence[Instrument]:
        body = await self._query(None, "public/mix", "mix/market/contracts", {"productType": PRODUCT})
        listed = rows.children(body, "data", "contracts")
        read = (parse.instrument(row, place=f"data[{at}]") for at, row in enumerate(listed))
        found = [instrument for instrument in read if instrument is not None]
        self._codec.set_instruments(listed)
        self.known_instruments = InstrumentList(found)
        return found

    def session(self, credentials: Credentials, account: AccountId) -> BitgetSession:
        return BitgetSession(credentials, account, self.known_instruments, closing=self._closing)

    async def socket_url(self, credentials: Credentials) -> str:  # noqa: ARG002 the same for every key
        return self._socket_url

    async def keep_alive(self, credentials: Credentials, url: str) -> None:
        """Nothing to do: a login lasts as long as its socket."""

    # Writes

    async def ready_to_place(self, order: OrderRequest) -> None:
        account = order.account.account
        await self._budgets.acquire(
            (self._orders_of(order.account), self._orders), client=account, reducing=order.reduce_only
        )

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        listed = self.known_instruments.get(Venue.BITGET, order.symbol)
        if listed is None:
            return Refused(Reason.INSTRUMENT_CHANGED)
        try:
            request = requests.place(order, self._codec, listed, self._closing)
        except ValueError:  # delisted, or another lot, since the order was planned
            return Refused(Reason.INSTRUMENT_CHANGED)
        outcome = await self._write(credentials, request, expires)
        if isinstance(outcome, RateLimited):
            await self._budgets.back_off(self._orders_of(order.account), self._orders, outcome.until)
        return outcome

    async def cancel(self, credentials: Credentials, order: OrderRef, *, expires: int) -> Outcome:
        await self._budgets.acquire((("bitget/cancel", order.account.account), ORDERS))
        return await self._write(credentials, requests.cancel(order), expires, of_order=True)

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        """Replaces an untouched limit order. The new one is made later: look it up by its client order id."""
        if change.price is None:
            return Refused(Reason.NOT_AMENDABLE)
        await self._budgets.acquire((("bitget/modify", change.ref.account.account), ORDERS))
        request = requests.modify(change, change.price)
        outcome = await self._write(credentials, request, expires, of_order=True)
        # the id in the answer is that of the old order, where there is one
        return Accepted(None) if isinstance(outcome, Accepted) else outcome

    async def set_leverage(
        self, credentials: Credentials, account: Account, symbol: str, leverage: int, mode: MarginMode
    ) -> Outcome:
        apart = account.hedge_mode and mode is MarginMode.ISOLATED
        legs = (PositionSide.LONG, PositionSide.SHORT) if apart else (PositionSide.NET,)
        asked = [
            requests.margin_mode(symbol, mode),
            *(requests.leverage(symbol, leverage, leg) for leg in legs),
        ]
        outcome: Outcome = Accepted(None)
        for request in asked:
            outcome = await self._set(credentials, account, request)
            if not isinstance(outcome, Accepted):
                break
        return outcome

    async def set_hedge_mode(self, credentials: Credentials, account: Account, *, hedge: bool) -> Outcome:
        return await self._set(credentials, account, requests.position_mode(hedge=hedge))

    async def _set(self, credentials: Credentials, account: Account, request: VenueRequest) -> Outcome:
        await self._budgets.acquire(((request.path, account.account), _SETTINGS))
        return await self._write(credentials, request, self._clock.now() + REQUEST_AGE)

    async def _write(
        self, credentials: Credentials, request: VenueRequest, expires: int, *, of_order: bool = False
    ) -> Outcome:
        if credentials.passphrase is None:
            return Refused(Reason.NO_CREDENTIALS)
        left = expires - self._clock.now()
        if left <= 0:
            return Unsent("it expired before it was sent")
        set_back = 0 if self._request_age is None else max(self._request_age - left, 0)
        reply = await self._rest.write(credentials, request, set_back_ns=set_back)
        if not isinstance(reply, Reply):
            return reply
        return _outcome(reply, self._clock.now(), of_order=of_order)

    @staticmethod
    def _orders_of(account: Account) -> tuple[str, str]:
        return "bitget/order", account.account

    # Questions

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        account = order.account.account
        named = {"productType": PRODUCT, "symbol": order.symbol, "clientOid": order.client_order_id}
        try:
            detail = await self._detail(credentials, account, named)
            if detail is not None:
                return Found(detail)
            for listed in await self._page(credentials, account, "orders-history", named):
                if listed.get("clientOid") == order.client_order_id:
                    return Found(self._order(listed, parse.LISTED, "entrustedList[0]", account))
            return await self._find_plan(credentials, account, named)
        except VenueError as error:
            return Unknown(str(error))

    async def _find_plan(
        self, credentials: Credentials, account: AccountId, named: Mapping[str, str]
    ) -> Found | NotFound:
        """A conditional order is in lists of its own."""
        for path in ("orders-plan-pending", "orders-plan-history"):
            for plan in _PLANS:
                page = await self._page(credentials, account, path, {**named, "planType": plan})
                for at, row in enumerate(page):
                    if row.get("clientOid") == named["clientOid"]:
                        fact = parse.plan_order(
                            row,
                            place=f"{path}[{at}]",
                            account=account,
                            instruments=self.known_instruments,
                            seen=self._clock.now(),
                            pushed=False,
                        )
                        return Found(fact)
        return NotFound()

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        product = {"productType": PRODUCT}
        asked = {**product, "startTime": str(since // NS_PER_MS)}
        # Open orders first: one that ends before history is asked is then in both, and history wins.
        pending = await self._pages(credentials, account, "orders-pending", product)
        ended = await self._pages(credentials, account, "orders-history", asked)
        facts = {
            fact.venue_order_id: fact
            for listed in (pending, ended)
            for at, row in enumerate(listed)
            for fact in [self._order(row, parse.LISTED, f"entrustedList[{at}]", account)]
        }
        fills = await self._pages(credentials, account, "fills", asked, key="fillList")
        executions: list[Execution] = []
        for at, row in enumerate(fills):
            execution = parse.fill(
                row,
                place=f"fillList[{at}]",
                account=account,
                instruments=self.known_instruments,
                closing=self._closing,
            )
            # History goes by the time an order was made. One made before and ended since is in neither
            # listing, but if it was filled its fills, which go by their own time, name it.
            if execution.venue_order_id not in facts:
                named = {**product, "symbol": execution.symbol, "orderId": execution.venue_order_id}
                fact = await self._detail(credentials, account, named)
                if fact is None:
                    raise VenueError(f"order {execution.venue_order_id}: has a fill, and is not found")
                facts[execution.venue_order_id] = fact
            executions.append(_completed(execution, facts[execution.venue_order_id]))
        balance = await self._query(credentials, "private/mix", "mix/account/accounts", product, account)
        held = await self._query(
            credentials,
            "private/mix",
            "mix/position/all-position",
            {**product, "marginCoin": parse.COIN},
            account,
        )
        ts = rows.milliseconds(balance, "requestTime", "accounts")
        equities = (
            parse.equity(row, place=f"accounts[{at}]", account=account, pushed=False, ts=ts)
            for at, row in enumerate(rows.children(balance, "data", "accounts"))
        )
        return Told(
            facts=tuple(sorted(facts.values(), key=lambda fact: (fact.ts_venue, fact.venue_order_id))),
            executions=tuple(sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))),
            equities=tuple(equity for equity in equities if equity is not None),
            positions=tuple(
                parse.position(
                    row,
                    place=f"positions[{at}]",
                    account=account,
                    instruments=self.known_instruments,
                    pushed=False,
                )
                for at, row in enumerate(rows.children(held, "data", "positions", null=True))
            ),
        )

    async def server_time(self) -> int:
        """Also sets the offset by which requests are signed from then on."""
        body = await self._query(None, "public/common", "public/time", {})
        told = rows.milliseconds(rows.child(body, "data", "time"), "serverTime", "time.data")
        self._rest.learn_time(told)
        return told

    async def permissions(self, credentials: Credentials) -> KeyPermissions:
        body = await self._query(credentials, "private/spot", "spot/account/info", {}, AccountId(""))
        return parse.permissions(rows.child(body, "data", "info"), place="info.data")

    async def _detail(
        self, credentials: Credentials, account: AccountId, named: Mapping[str, str]
    ) -> OrderFact | None:
        try:
            body = await self._query(credentials, "private/mix", "mix/order/detail", named, account)
        except _CodeError as error:
            if error.code in codes.NOT_FOUND:
                return None
            raise
        return self._order(rows.child(body, "data", "detail"), parse.DETAIL, "detail.data", account)

    def _order(self, row: Row, names: parse.Names, place: str, account: AccountId) -> OrderFact:
        return parse.order(
            row,
            names,
            place=place,
            account=account,
            instruments=self.known_instruments,
            seen=self._clock.now(),
        )

    async def _page(
        self, credentials: Credentials, account: AccountId, path: str, asked: Mapping[str, str]
    ) -> list[Row]:
        """The first page of a listing of orders."""
        body = await self._query(credentials, "private/mix", f"mix/order/{path}", asked, account)
        return rows.children(rows.child(body, "data", path), "entrustedList", path, null=True)

    async def _pages(
        self,
        credentials: Credentials,
        account: AccountId,
        path: str,
        asked: Mapping[str, str],
        *,
        key: str = "entrustedList",
    ) -> list[Row]:
        """All rows of a listing, which comes newest first, 100 a page, continued below the last one's id."""
        found: list[Row] = []
        below: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            body = await self._query(
                credentials, "private/mix", f"mix/order/{path}", {**asked, **below}, account
            )
            data = rows.child(body, "data", path)
            page = rows.children(data, key, path, null=True)
            found.extend(page)
            if len(page) < _PAGE:
                return found
            below = {"idLessThan": rows.identifier(data, "endId", path)}
        raise VenueError(f"{path}: more than {_MOST_PAGES * _PAGE} rows; sweep more often")

    async def _query(
        self,
        credentials: Credentials | None,
        section: str,
        path: str,
        asked: Mapping[str, str],
        account: AccountId | None = None,
    ) -> Row:
        """The body of a GET that succeeded.

        Raises:
            VenueError: no answer, an error code, or an answer that cannot be read.
        """
        if credentials is not None and credentials.passphrase is None:
            raise VenueError(f"{path}: Bitget keys have a passphrase; add it to the account's secret")
        name = path.partition("/")[2]
        counted_for = (ADDRESS, path) if account is None else (path, account)
        await self._budgets.acquire((counted_for, _QUERIES.get(name, _QUERY)))
        reply = await self._rest.ask(credentials, requests.question(section, path, asked))
        code = rows.code(reply.body, "code", path)
        if code != codes.ACCEPTED:
            raise _CodeError(path, code, rows.text(reply.body, "msg", path, default=""))
        return reply.body


class _CodeError(VenueError):
    """Bitget answered with an error code."""

    def __init__(self, path: str, code: str, words: str) -> None:
        self.code = code
        super().__init__(f"{path}: {code} {words}")


def _completed(execution: Execution, fact: OrderFact) -> Execution:
    """A fill as its order has it: the venue's fills tell neither our id nor, in hedge mode, the direction."""
    return msgspec.structs.replace(execution, client_order_id=fact.client_order_id, side=fact.side)


def _outcome(reply: Reply, now: int, *, of_order: bool) -> Outcome:
    """What an answer to a write says. Whatever cannot be read is unknown, not refused."""
    try:
        code = rows.code(reply.body, "code", "answer")
        if code != codes.ACCEPTED:
            words = rows.text(reply.body, "msg", "answer", default="")
            return codes.write_outcome(code, words, now, of_order=of_order)
        made = reply.body.get("data")
        told = rows.text(made, "orderId", "answer.data", default="") if isinstance(made, dict) else ""
        return Accepted(VenueOrderId(told) if told else None)  # one-way reduce-only orders may have none
    except UnreadableFrame as error:
        return Unknown(f"HTTP {reply.status}: {error}")
