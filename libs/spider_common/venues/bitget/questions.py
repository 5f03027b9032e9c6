"""What Bitget is asked about an account, and its answers read.

Sources: https://www.bitget.com/api-doc/contract/trade/ and ``/contract/account/``.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit
from spider_common.clock import NS_PER_MS, Clock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.orders import OrderFact
from spider_common.domain.requests import OrderRef
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.bitget import codes, parse, requests
from spider_common.venues.bitget.parse import ClosingSide
from spider_common.venues.bitget.session import PRODUCT
from spider_common.venues.outcomes import Found, Lookup, NotFound, Unknown, VenueError
from spider_common.venues.rest import Rest
from spider_common.venues.rows import Row
from spider_common.venues.venue import Told

_QUERIES: Final = {"mix/position/all-position": Limit(5, 1.0), "spot/account/info": Limit(1, 1.0)}
_QUERY: Final = Limit(10, 1.0)
_PLANS: Final = ("normal_plan", "profit_loss")
_PAGE: Final = 100
_MOST_PAGES: Final = 50


class Questions:
    """Asks for all accounts. `known_instruments`: what rows may be about."""

    def __init__(self, *, rest: Rest, budgets: Budgets, clock: Clock, closing: ClosingSide) -> None:
        self._rest, self._budgets, self._clock, self._closing = rest, budgets, clock, closing
        self.known_instruments = InstrumentList(())

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
        balance = await self.query(credentials, "private/mix", "mix/account/accounts", product, account)
        held = await self.query(
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

    async def _detail(
        self, credentials: Credentials, account: AccountId, named: Mapping[str, str]
    ) -> OrderFact | None:
        try:
            body = await self.query(credentials, "private/mix", "mix/order/detail", named, account)
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
        body = await self.query(credentials, "private/mix", f"mix/order/{path}", asked, account)
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
            body = await self.query(
                credentials, "private/mix", f"mix/order/{path}", {**asked, **below}, account
            )
            data = rows.child(body, "data", path)
            page = rows.children(data, key, path, null=True)
            found.extend(page)
            if len(page) < _PAGE:
                return found
            below = {"idLessThan": rows.identifier(data, "endId", path)}
        raise VenueError(f"{path}: more than {_MOST_PAGES * _PAGE} rows; sweep more often")

    async def query(
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
        counted_for = (ADDRESS, path) if account is None else (path, account)
        await self._budgets.acquire((counted_for, _QUERIES.get(path, _QUERY)))
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
