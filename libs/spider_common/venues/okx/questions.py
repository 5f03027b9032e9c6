"""What OKX is asked: what became of an order, and all that an account has.

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-trade, ``-algo-trading`` and
``#trading-account-rest-api``.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit
from spider_common.clock import NS_PER_MS, Clock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList, Mark
from spider_common.domain.orders import OrderFact
from spider_common.domain.requests import KeyPermissions, OrderRef, PositionFact
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.okx import codes, parse, requests
from spider_common.venues.outcomes import Found, Lookup, NotFound, Unknown, VenueError
from spider_common.venues.rest import Rest
from spider_common.venues.rows import Row
from spider_common.venues.venue import Listing, Told

KINDS: Final = {InstrumentKind.SWAP: "SWAP", InstrumentKind.SPOT: "SPOT"}
"""What is copied, linear swaps and spot, and OKX's names for them."""
_LIMITS: Final = {
    "account/balance": Limit(10, 2.0),
    "account/positions": Limit(10, 2.0),
    "account/config": Limit(5, 2.0),
    "public/mark-price": Limit(10, 2.0),
}
_QUERY: Final = Limit(20, 2.0)  # per account; the narrowest of the endpoints that a sweep pages through
_PAGE: Final = 100
_MOST_PAGES: Final = 50
_CONDITIONAL: Final = ("conditional,oco", "trigger")  # those two may be asked together
_ENDED: Final = ("effective", "canceled", "order_failed")


class Questions:
    """Asks for all accounts. `known`: the instruments that were listed when they were last asked for."""

    def __init__(self, *, rest: Rest, budgets: Budgets, clock: Clock) -> None:
        self._rest, self._budgets, self._clock = rest, budgets, clock
        self.known = InstrumentList(())

    async def listing(self) -> Listing:
        swaps, spots = [
            await self._query(None, "public/instruments", {"instType": kind}) for kind in KINDS.values()
        ]
        return Listing(swaps, spots)

    def learn(self, listing: Listing) -> Sequence[Instrument]:
        listed = enumerate((*listing.swaps, *listing.spots))
        read = (parse.instrument(row, place=f"data[{at}]") for at, row in listed)
        found = [instrument for instrument in read if instrument is not None]
        self.known = InstrumentList(found)
        return found

    async def marks(self) -> dict[str, Mark]:
        told: dict[str, Mark] = {}
        for path, kind, field in (
            ("public/mark-price", InstrumentKind.SWAP, "markPx"),
            ("market/tickers", InstrumentKind.SPOT, "last"),
        ):
            for at, row in enumerate(await self._query(None, path, {"instType": KINDS[kind]})):
                mark = parse.mark(row, field, place=f"{path}[{at}]", instruments=self.known)
                if mark is not None:
                    told[mark.symbol] = mark
        return told

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        account, name = order.account.account, order.client_order_id
        asked = {"instId": order.symbol, "clOrdId": name}
        try:
            found = await self._one(credentials, "trade/order", asked, account)
            if found is None:
                # the first page of an instrument's latest holds far more than one doubt's time
                listed = self.known.get(Venue.OKX, order.symbol)
                kind = KINDS[InstrumentKind.SWAP if listed is None else listed.kind]
                latest = {"instType": kind, "instId": order.symbol}
                ended = await self._query(credentials, "trade/orders-history", latest, account)
                found = next((row for row in ended if row.get("clOrdId") == name), None)
            if found is not None:
                return Found(self._order(found, "data[0]", account))
            waiting = await self.conditional(credentials, order)
        except VenueError as error:
            return Unknown(str(error))
        return NotFound() if waiting is None else Found(waiting)

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        facts: dict[str, OrderFact] = {}
        executions: list[Execution] = []
        for kind in KINDS.values():
            asked = {"instType": kind, "begin": str(since // NS_PER_MS)}
            # Open orders first: one that ends before history is asked is then in both, and history wins.
            pending = await self._pages(credentials, account, "trade/orders-pending", {"instType": kind})
            ended = await self._pages(credentials, account, "trade/orders-history", asked)
            for listed in (pending, ended):
                for at, each in enumerate(listed):
                    fact = self._order(each, f"data[{at}]", account)
                    facts[fact.venue_order_id] = fact
            fills = await self._pages(credentials, account, "trade/fills", asked, key="billId")
            executions += self._executions(fills, account)
        # History goes by the time an order was made. One made before `begin` and ended since is in neither
        # listing, but if it was filled its fills, which go by their own time, name it.
        for execution in executions:
            if execution.venue_order_id not in facts:
                named = {"instId": execution.symbol, "ordId": execution.venue_order_id}
                row = await self._one(credentials, "trade/order", named, account)
                if row is None:
                    raise VenueError(f"order {execution.venue_order_id}: has a fill, and is not found")
                facts[execution.venue_order_id] = self._order(row, "data[0]", account)
        executions = [
            # listings of fills do not tell the id of the conditional order that set an order off
            msgspec.structs.replace(each, client_order_id=facts[each.venue_order_id].client_order_id)
            for each in executions
        ]
        for fact in await self._conditionals(credentials, account, since):
            facts[fact.venue_order_id] = fact
        balance = await self._query(credentials, "account/balance", {}, account)
        held = await self._query(credentials, "account/positions", {"instType": "SWAP"}, account)
        return Told(
            facts=tuple(sorted(facts.values(), key=lambda fact: (fact.ts_venue, fact.venue_order_id))),
            executions=tuple(sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))),
            equities=tuple(
                parse.equity(row, place=f"data[{at}]", account=account) for at, row in enumerate(balance)
            ),
            positions=self._held(held, balance, account),
            whole=(InstrumentKind.SWAP, InstrumentKind.SPOT),
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

    async def conditional(self, credentials: Credentials, order: OrderRef) -> OrderFact | None:
        """The conditional order of that name, whatever has become of it."""
        account, asked = order.account.account, {"algoClOrdId": order.client_order_id}
        row = await self._one(credentials, "trade/order-algo", asked, account)
        return None if row is None else next(iter(self._algo_orders(row, "data[0]", account)), None)

    async def _conditionals(
        self, credentials: Credentials, account: AccountId, since: int
    ) -> list[OrderFact]:
        """The conditional orders that wait, and of the latest hundred that ended in each way those since."""
        told: list[OrderFact] = []
        for kind in _CONDITIONAL:
            asked = {"ordType": kind}
            path = "trade/orders-algo-pending"
            waiting = await self._pages(credentials, account, path, asked, key="algoId")
            found = [(each, 0) for each in waiting]
            for state in _ENDED:
                path = "trade/orders-algo-history"
                ended = await self._query(credentials, path, {**asked, "state": state}, account)
                found += [(row, since) for row in ended]
            for at, (row, begin) in enumerate(found):
                if rows.text(row, "instType", f"data[{at}]") not in KINDS.values():
                    continue
                facts = self._algo_orders(row, f"data[{at}]", account)
                told += [fact for fact in facts if fact.ts_venue >= begin]
        return told

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
            instruments=self.known,
            seen=self._clock.now(),
        )

    def _algo_orders(self, row: Row, place: str, account: AccountId) -> tuple[OrderFact, ...]:
        return parse.algo_orders(
            row, place=place, account=account, instruments=self.known, seen=self._clock.now()
        )

    def _executions(self, fills: Sequence[Row], account: AccountId) -> list[Execution]:
        known = self.known
        read = (
            parse.execution(row, place=f"data[{at}]", account=account, instruments=known, pushed=False)
            for at, row in enumerate(fills)
        )
        return [execution for execution in read if execution is not None]

    def _held(
        self, swaps: Sequence[Row], balance: Sequence[Row], account: AccountId
    ) -> tuple[PositionFact, ...]:
        """All that is not flat."""
        known = self.known
        read = [
            *(
                parse.position(row, place=f"data[{at}]", account=account, instruments=known)
                for at, row in enumerate(swaps)
            ),
            *(
                holding
                for at, row in enumerate(balance)
                for holding in parse.holdings(row, place=f"data[{at}]", account=account, instruments=known)
            ),
        ]
        return tuple(position for position in read if position is not None and position.quantity)

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
