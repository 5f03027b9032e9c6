"""OKX's REST side. One client serves every account: they share its connections.

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade and ``-trading-account``.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit, Name
from spider_common.clock import NS_PER_MS, Clock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.domain.orders import OrderFact, PositionSide
from spider_common.domain.products import Account
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import (
    Amendment,
    KeyPermissions,
    MarginMode,
    OrderRef,
    OrderRequest,
    PositionFact,
)
from spider_common.sdk.ccxt import Codec, VenueRequest
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.okx import codes, parse, requests
from spider_common.venues.okx.session import OkxSession
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    Lookup,
    NotFound,
    Outcome,
    RateLimited,
    Refused,
    Rejected,
    Unknown,
    UnreadableFrame,
    Unsent,
    VenueError,
)
from spider_common.venues.rest import ANSWER_WITHIN_S, Reply, Rest
from spider_common.venues.rows import Row
from spider_common.venues.venue import Capabilities, Told

ORDERS: Final = Limit(60, 2.0)  # per account and instrument, for each of place, cancel and amend
CONDITIONAL: Final = Limit(20, 2.0)  # per account, for each of place and cancel
CONNECTS: Final = Limit(3, 1.0)  # per address
ACCOUNT: Final = Limit(1000, 2.0)  # per sub-account, new and amended orders
KIND: Final = "SWAP"
"""What is copied: linear swaps."""
_QUERY: Final = Limit(20, 2.0)  # per account; the narrowest of the endpoints that a sweep pages through
_LIMITS: Final = {
    "account/balance": Limit(10, 2.0),
    "account/positions": Limit(10, 2.0),
    "account/config": Limit(5, 2.0),
    "account/set-position-mode": Limit(5, 2.0),
    "account/set-leverage": Limit(20, 2.0),
}
_SET_WITHIN: Final = round(ANSWER_WITHIN_S * 1e9)
_PAGE: Final = 100
_MOST_PAGES: Final = 50


class OkxClient:
    """See `spider_common.venues.venue.VenueClient`.

    Args:
        codec: signs for ``https://www.okx.com``, or for a simulator's address.
        socket_url: the private socket, ``wss://ws.okx.com:8443/ws/v5/private``.
    """

    venue: Final = Venue.OKX

    def __init__(
        self, *, http: httpx.AsyncClient, codec: Codec, budgets: Budgets, clock: Clock, socket_url: str
    ) -> None:
        self._codec, self._budgets, self._clock = codec, budgets, clock
        self._rest = Rest(http=http, codec=codec, clock=clock)
        self._socket_url = socket_url
        self.known_instruments = InstrumentList(())

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            amends="amend",
            expiry="expTime (place, amend)",
            batch_orders=1,
            hedge_mode=True,
            sockets=None,
            limits={
                "place, cancel, amend": f"{ORDERS.count}/2 s each, an account and instrument",
                "new and amended orders": f"{ACCOUNT.count}/2 s an account",
                "conditional orders": f"{CONDITIONAL.count}/2 s each of place and cancel, an account",
                "queries": "20/2 s each, an account (balance, positions 10/2 s)",
                "connects": f"{CONNECTS.count}/s an address",
                "settings": "leverage 20/2 s, position mode 5/2 s, an account",
            },
        )

    async def instruments(self) -> Sequence[Instrument]:
        listed = await self._query(None, "public/instruments", {"instType": KIND})
        read = (parse.instrument(row, place=f"data[{at}]") for at, row in enumerate(listed))
        found = [instrument for instrument in read if instrument is not None]
        self._codec.set_instruments(listed)
        self.known_instruments = InstrumentList(found)
        return found

    async def ready_to_connect(self) -> None:
        await self._budgets.acquire(((ADDRESS, "connect"), CONNECTS))

    async def socket_url(self, credentials: Credentials) -> str:  # noqa: ARG002 the same for every key
        return self._socket_url

    async def keep_alive(self, credentials: Credentials, url: str) -> None:
        """Nothing to do: a login lasts as long as its socket."""

    def session(self, credentials: Credentials, account: AccountId) -> OkxSession:
        return OkxSession(credentials, account, self.known_instruments, ahead=self._rest.ahead)

    # Writes

    async def ready_to_place(self, order: OrderRequest) -> None:
        account = order.account.account
        await self._budgets.acquire(
            _turn(order),
            (("account", account), ACCOUNT),
            client=account,
            reducing=order.reduces,
        )

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        listed = self.known_instruments.get(Venue.OKX, order.symbol)
        if listed is None:
            return Refused(Reason.INSTRUMENT_CHANGED)
        try:
            request = requests.place(order, self._codec, listed)
        except ValueError:  # delisted, or another lot, since the order was planned
            return Refused(Reason.INSTRUMENT_CHANGED)
        named = "ordId" if order.trigger is None else "algoId"
        outcome = await self._write(credentials, request, expires, named=named)
        if isinstance(outcome, RateLimited):
            await self._budgets.back_off(*_turn(order), outcome.until)
        return outcome

    async def cancel(self, credentials: Credentials, order: OrderRef, *, expires: int) -> Outcome:
        """Cancels an open order or, where there is none of that name, the conditional order that has it."""
        await self._budgets.acquire((("cancel", order.account.account, order.symbol), ORDERS))
        outcome = await self._write(
            credentials, requests.cancel(order), expires, named="ordId", of_order=True
        )
        if not (isinstance(outcome, Rejected) and outcome.code in codes.GONE):
            return outcome
        try:
            waiting = await self._conditional(credentials, order)
        except VenueError as error:
            return Unknown(str(error))
        if waiting is None or waiting.status.is_final:
            return outcome
        await self._budgets.acquire((("cancel-algos", order.account.account), CONDITIONAL))
        request = requests.cancel_conditional(order.symbol, waiting.venue_order_id)
        return await self._write(credentials, request, expires, named="algoId", of_order=True)

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        """Changes an open order, which stays the one it is."""
        account, symbol = change.ref.account.account, change.ref.symbol
        listed = self.known_instruments.get(Venue.OKX, symbol)
        if listed is None or not listed.takes(change.size, change.price):
            return Refused(Reason.INSTRUMENT_CHANGED)
        await self._budgets.acquire((("amend", account, symbol), ORDERS), (("account", account), ACCOUNT))
        return await self._write(credentials, requests.amend(change), expires, named="ordId", of_order=True)

    async def set_leverage(
        self, credentials: Credentials, account: Account, symbol: str, leverage: int, mode: MarginMode
    ) -> Outcome:
        apart = account.hedge_mode and mode is MarginMode.ISOLATED
        legs = (PositionSide.LONG, PositionSide.SHORT) if apart else (PositionSide.NET,)
        outcome: Outcome = Accepted(None)
        for leg in legs:
            request = requests.leverage(symbol, leverage, mode, leg)
            outcome = await self._set(credentials, account, request)
            if not isinstance(outcome, Accepted):
                break
        return outcome

    async def set_hedge_mode(self, credentials: Credentials, account: Account, *, hedge: bool) -> Outcome:
        return await self._set(credentials, account, requests.position_mode(hedge=hedge))

    async def _set(self, credentials: Credentials, account: Account, request: VenueRequest) -> Outcome:
        await self._budgets.acquire(((request.path, account.account), _LIMITS[request.path]))
        return await self._write(credentials, request, self._clock.now() + _SET_WITHIN)

    async def _write(
        self,
        credentials: Credentials,
        request: VenueRequest,
        expires: int,
        *,
        named: str | None = None,
        of_order: bool = False,
    ) -> Outcome:
        """Sends a write. `named`: the field of the answer that has the order's id, where there is one."""
        if credentials.passphrase is None:
            return Refused(Reason.NO_CREDENTIALS)
        if expires <= self._clock.now():
            return Unsent("it expired before it was sent")
        expiry = {"expTime": str((expires + self._rest.ahead) // NS_PER_MS)}
        reply = await self._rest.write(credentials, request, headers=expiry)
        if not isinstance(reply, Reply):
            return reply
        return _outcome(reply, self._clock.now(), named=named, of_order=of_order)

    # Questions

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        account, name = order.account.account, order.client_order_id
        asked = {"instId": order.symbol, "clOrdId": name}
        try:
            found = await self._one(credentials, "trade/order", asked, account)
            if found is None:
                # the first page of an instrument's latest holds far more than one doubt's time
                latest = {"instType": KIND, "instId": order.symbol}
                ended = await self._query(credentials, "trade/orders-history", latest, account)
                found = next((row for row in ended if row.get("clOrdId") == name), None)
            if found is not None:
                return Found(self._order(found, "data[0]", account))
            waiting = await self._conditional(credentials, order)
        except VenueError as error:
            return Unknown(str(error))
        return NotFound() if waiting is None else Found(waiting)

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        asked = {"instType": KIND, "begin": str(since // NS_PER_MS)}
        # Open orders first: one that ends before history is asked is then in both, and history wins.
        pending = await self._pages(credentials, account, "trade/orders-pending", {"instType": KIND})
        ended = await self._pages(credentials, account, "trade/orders-history", asked)
        facts = {
            fact.venue_order_id: fact
            for listed in (pending, ended)
            for at, row in enumerate(listed)
            for fact in [self._order(row, f"data[{at}]", account)]
        }
        fills = await self._pages(credentials, account, "trade/fills", asked, key="billId")
        executions = self._executions(fills, account)
        # History goes by the time an order was made. One made before `begin` and ended since is in neither
        # listing, but if it was filled its fills, which go by their own time, name it.
        for execution in executions:
            if execution.venue_order_id not in facts:
                named = {"instId": execution.symbol, "ordId": execution.venue_order_id}
                row = await self._one(credentials, "trade/order", named, account)
                if row is None:
                    raise VenueError(f"order {execution.venue_order_id}: has a fill, and is not found")
                facts[execution.venue_order_id] = self._order(row, "data[0]", account)
        balance = await self._query(credentials, "account/balance", {}, account)
        held = await self._query(credentials, "account/positions", {"instType": KIND}, account)
        return Told(
            facts=tuple(sorted(facts.values(), key=lambda fact: (fact.ts_venue, fact.venue_order_id))),
            executions=tuple(sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))),
            equities=tuple(
                parse.equity(row, place=f"data[{at}]", account=account) for at, row in enumerate(balance)
            ),
            positions=self._positions(held, account),
        )

    async def server_time(self) -> int:
        """Also sets the offset by which requests are signed and expire from then on."""
        asked = self._clock.now()
        (row,) = await self._query(None, "public/time", {}) or [{}]
        told = rows.milliseconds(row, "ts", "data[0]")
        self._rest.learn_time(told, asked=asked)
        return told

    async def permissions(self, credentials: Credentials) -> KeyPermissions:
        row, *_ = await self._query(credentials, "account/config", {}, AccountId("")) or [{}]
        return parse.permissions(row, place="data[0]")

    async def _conditional(self, credentials: Credentials, order: OrderRef) -> OrderFact | None:
        """The conditional order of that name, whatever has become of it."""
        account, asked = order.account.account, {"algoClOrdId": order.client_order_id}
        row = await self._one(credentials, "trade/order-algo", asked, account)
        if row is None:
            return None
        return parse.algo_order(
            row,
            place="data[0]",
            account=account,
            instruments=self.known_instruments,
            seen=self._clock.now(),
        )

    async def _one(
        self, credentials: Credentials, path: str, named: Mapping[str, str], account: AccountId
    ) -> Row | None:
        """The row of an order; None where the venue says that there is none."""
        try:
            found = await self._query(credentials, path, named, account)
        except _CodeError as error:
            if error.code not in codes.NOT_FOUND:
                raise
            return None
        return found[0] if found else None

    def _order(self, row: Row, place: str, account: AccountId) -> OrderFact:
        return parse.order(
            row,
            place=place,
            account=account,
            instruments=self.known_instruments,
            seen=self._clock.now(),
        )

    def _executions(self, fills: Sequence[Row], account: AccountId) -> list[Execution]:
        known = self.known_instruments
        read = (
            parse.execution(row, place=f"data[{at}]", account=account, instruments=known, pushed=False)
            for at, row in enumerate(fills)
        )
        return [execution for execution in read if execution is not None]

    def _positions(self, held: Sequence[Row], account: AccountId) -> tuple[PositionFact, ...]:
        known = self.known_instruments
        read = (
            parse.position(row, place=f"data[{at}]", account=account, instruments=known)
            for at, row in enumerate(held)
        )
        return tuple(position for position in read if position is not None)

    async def _pages(
        self,
        credentials: Credentials,
        account: AccountId,
        path: str,
        asked: Mapping[str, str],
        *,
        key: str = "ordId",
    ) -> list[Row]:
        """All rows of a listing, which OKX gives newest first, 100 a page, continued after an id."""
        found: list[Row] = []
        after: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page = await self._query(credentials, path, {**asked, **after}, account)
            found.extend(page)
            if len(page) < _PAGE:
                return found
            after = {"after": rows.identifier(page[-1], key, f"data[{len(page) - 1}]")}
        raise VenueError(f"{path}: more than {_MOST_PAGES * _PAGE} rows; sweep more often")

    async def _query(
        self,
        credentials: Credentials | None,
        path: str,
        asked: Mapping[str, str],
        account: AccountId | None = None,
    ) -> list[Row]:
        """The rows of a GET.

        Raises:
            VenueError: no answer, an error code, or an answer that cannot be read.
        """
        if credentials is not None and credentials.passphrase is None:
            raise VenueError(f"{path}: OKX keys have a passphrase; add it to the account's secret")
        counted_for = (ADDRESS, path) if account is None else (path, account)
        await self._budgets.acquire((counted_for, _LIMITS.get(path, _QUERY)))
        reply = await self._rest.ask(credentials, requests.question(path, asked, public=credentials is None))
        code = rows.code(reply.body, "code", path)
        if code != "0":
            raise _CodeError(path, code, rows.text(reply.body, "msg", path, default=""))
        return rows.children(reply.body, "data", path)


class _CodeError(VenueError):
    """OKX answered with an error code."""

    def __init__(self, path: str, code: str, words: str) -> None:
        self.code = code
        super().__init__(f"{path}: {code} {words}")


def _turn(order: OrderRequest) -> tuple[Name, Limit]:
    """The narrowest of the buckets that an order takes a token of."""
    account = order.account.account
    if order.trigger is not None:
        return ("conditional", account), CONDITIONAL
    return ("order", account, order.symbol), ORDERS


def _outcome(reply: Reply, now: int, *, named: str | None, of_order: bool) -> Outcome:
    """What an answer to a write says. Whatever cannot be read is unknown, not refused."""
    try:
        code = rows.text(reply.body, "code", "answer")
        words = rows.text(reply.body, "msg", "answer", default="")
        made = rows.children(reply.body, "data", "answer", null=True)
        if made:
            code = rows.text(made[0], "sCode", "data[0]", default=code)
            words = rows.text(made[0], "sMsg", "data[0]", default=words)
        if code == "0":
            told = rows.text(made[0], named, "data[0]") if named and made else ""
            return Accepted(VenueOrderId(told) if told else None)
    except UnreadableFrame as error:
        return Unknown(f"HTTP {reply.status}: {error}")
    return codes.WRITES.outcome(code, words, now, of_order=of_order)
