"""What Bitget is asked about an account's swaps, and its answers read.

Sources: https://www.bitget.com/api-doc/contract/trade/ and ``/contract/account/``.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from spider_common.clock import NS_PER_MS
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, VenueOrderId
from spider_common.domain.orders import OrderFact
from spider_common.domain.products import MarginMode
from spider_common.domain.requests import OrderRef
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.bitget import codes, parse
from spider_common.venues.bitget.asking import Asking, CodeError, with_orders
from spider_common.venues.bitget.parse import ClosingSide
from spider_common.venues.bitget.session import PRODUCT
from spider_common.venues.outcomes import Found, Lookup, NotFound, Unknown, VenueError
from spider_common.venues.rows import Row
from spider_common.venues.venue import Told

_PLANS: Final = ("normal_plan", "profit_loss")


class Questions:
    """Asks for all accounts."""

    def __init__(self, asking: Asking, *, closing: ClosingSide) -> None:
        self._asking, self._closing = asking, closing

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        account = order.account.account
        named = {"productType": PRODUCT, "symbol": order.symbol, "clientOid": order.client_order_id}
        try:
            detail = await self._detail(credentials, account, named)
            if detail is not None:
                return Found(detail)
            listed, _ = await self._page(credentials, account, "orders-history", named)
            for at, row in enumerate(listed):
                if row.get("clientOid") == order.client_order_id:
                    return Found(self._order(row, parse.LISTED, f"entrustedList[{at}]", account))
            return await self._find_plan(credentials, account, named)
        except VenueError as error:
            return Unknown(str(error))

    async def _find_plan(
        self, credentials: Credentials, account: AccountId, named: Mapping[str, str]
    ) -> Found | NotFound:
        """A conditional order is in lists of its own."""
        for path in ("orders-plan-pending", "orders-plan-history"):
            for plan in _PLANS:
                page, _ = await self._page(credentials, account, path, {**named, "planType": plan})
                for at, row in enumerate(page):
                    if row.get("clientOid") == named["clientOid"]:
                        return Found(self._plan_order(row, f"{path}[{at}]", account))
        return NotFound()

    async def _conditionals(
        self, credentials: Credentials, account: AccountId, since: int, facts: dict[VenueOrderId, OrderFact]
    ) -> None:
        """Adds the conditional orders that wait, and of the latest hundred of each kind those ended since.

        An order of `facts` that one of them has set off gets its client order id. Not its own as the parent:
        the socket cannot tell that, and an order must be told in one way.
        """
        for plan in _PLANS:
            asked = {"productType": PRODUCT, "planType": plan}
            waiting = await self._pages(credentials, account, "orders-plan-pending", asked)
            ended, _ = await self._page(credentials, account, "orders-plan-history", asked)
            for at, row in enumerate(waiting):
                fact = self._plan_order(row, f"orders-plan-pending[{at}]", account)
                facts[fact.venue_order_id] = fact
            for at, row in enumerate(ended):
                place = f"orders-plan-history[{at}]"
                fact, made = self._plan_order(row, place, account), parse.set_off(row, place)
                if fact.ts_venue >= since:
                    facts[fact.venue_order_id] = fact
                if made in facts and fact.client_order_id:
                    facts[made] = msgspec.structs.replace(facts[made], client_order_id=fact.client_order_id)

    async def margin_mode(self, credentials: Credentials, account: AccountId, symbol: str) -> MarginMode:
        """How an instrument's positions are margined. Raises VenueError: it was not told."""
        asked = {"symbol": symbol, "productType": PRODUCT, "marginCoin": parse.COIN}
        path = "mix/account/account"
        body = await self._asking.query(credentials, "private/mix", path, asked, account)
        return parse.margin_mode(rows.child(body, "data", path), place=path)

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
        instruments = self._asking.known_instruments

        async def look_up(execution: Execution) -> OrderFact | None:
            named = {**product, "symbol": execution.symbol, "orderId": execution.venue_order_id}
            return await self._detail(credentials, account, named)

        await self._conditionals(credentials, account, since, facts)
        executions = await with_orders(
            (
                parse.fill(
                    row,
                    place=f"fillList[{at}]",
                    account=account,
                    instruments=instruments,
                    closing=self._closing,
                )
                for at, row in enumerate(fills)
            ),
            facts,
            look_up,
        )
        balance = await self._asking.query(
            credentials, "private/mix", "mix/account/accounts", product, account
        )
        held = await self._asking.query(
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
            facts=tuple(facts.values()),
            executions=tuple(executions),
            equities=tuple(equity for equity in equities if equity is not None),
            positions=tuple(
                parse.position(
                    row, place=f"positions[{at}]", account=account, instruments=instruments, pushed=False
                )
                for at, row in enumerate(rows.children(held, "data", "positions", null=True))
            ),
        )

    async def _detail(
        self, credentials: Credentials, account: AccountId, named: Mapping[str, str]
    ) -> OrderFact | None:
        try:
            body = await self._asking.query(credentials, "private/mix", "mix/order/detail", named, account)
        except CodeError as error:
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
            instruments=self._asking.known_instruments,
            seen=self._asking.clock.now(),
        )

    def _plan_order(self, row: Row, place: str, account: AccountId) -> OrderFact:
        return parse.plan_order(
            row,
            place=place,
            account=account,
            instruments=self._asking.known_instruments,
            seen=self._asking.clock.now(),
            pushed=False,
        )

    async def _pages(
        self,
        credentials: Credentials,
        account: AccountId,
        path: str,
        asked: Mapping[str, str],
        *,
        key: str = "entrustedList",
    ) -> list[Row]:
        return await self._asking.pages(
            lambda below: self._page(credentials, account, path, {**asked, **below}, key=key), path
        )

    async def _page(
        self,
        credentials: Credentials,
        account: AccountId,
        path: str,
        asked: Mapping[str, str],
        *,
        key: str = "entrustedList",
    ) -> tuple[list[Row], str]:
        """A page of a listing and the id of its last row."""
        body = await self._asking.query(credentials, "private/mix", f"mix/order/{path}", asked, account)
        page = rows.child(body, "data", path)
        listed = rows.children(page, key, path, null=True)
        return listed, rows.identifier(page, "endId", path) if listed else ""
