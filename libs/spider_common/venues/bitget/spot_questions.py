"""What Bitget is asked about an account's spot orders and coins, and its answers read.

Sources: https://www.bitget.com/api-doc/spot/trade/, ``/spot/plan/`` and ``/spot/account/``.
"""

from collections.abc import Mapping
from typing import Final

from spider_common.clock import NS_PER_MS, NS_PER_S
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId
from spider_common.domain.instruments import venue_symbol
from spider_common.domain.orders import OrderFact
from spider_common.domain.requests import OrderRef
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.bitget import codes, spot
from spider_common.venues.bitget.asking import Asking, CodeError, with_orders
from spider_common.venues.outcomes import Found, Lookup, NotFound, Unknown, VenueError
from spider_common.venues.rows import Row
from spider_common.venues.venue import Told

_PLAN_HISTORY: Final = 7 * 24 * 3600 * NS_PER_S
"""How far back an ended conditional order is looked for; the venue asks for a span of 90 days at the most."""


class SpotQuestions:
    """Asks for all accounts."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        account = order.account.account
        try:
            fact = await self._order_info(credentials, account, {"clientOid": order.client_order_id})
            return Found(fact) if fact is not None else await self._find_plan(credentials, order)
        except VenueError as error:
            return Unknown(str(error))

    async def _order_info(
        self, credentials: Credentials, account: AccountId, named: Mapping[str, str]
    ) -> OrderFact | None:
        """One order, open or ended. Of one that is not there the venue tells an error or an empty list."""
        try:
            listed = await self._rows(credentials, account, "trade/orderInfo", named)
        except CodeError as error:
            if error.code in codes.NOT_FOUND:
                return None
            raise
        return self._order(listed[0], spot.LISTED, "orderInfo[0]", account) if listed else None

    async def _find_plan(self, credentials: Credentials, order: OrderRef) -> Found | NotFound:
        """A conditional order is in lists of its own, which cannot be asked by id."""
        now, account = self._asking.clock.now(), order.account.account
        symbol = {"symbol": venue_symbol(order.symbol)}
        span = {
            "startTime": str((now - _PLAN_HISTORY) // NS_PER_MS),
            "endTime": str(now // NS_PER_MS + 60_000),  # its clock may be ahead of ours
        }
        for path, asked in (
            ("trade/current-plan-order", symbol),
            ("trade/history-plan-order", symbol | span),
        ):
            for at, row in enumerate(await self._plans(credentials, account, path, asked)):
                if row.get("clientOid") == order.client_order_id:
                    return Found(self._plan_order(row, f"{path}[{at}]", account))
        return NotFound()

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        """Open and ended orders, fills, conditional orders that wait, and what is held of each coin.

        Tells no equity. Conditional orders that have ended can be asked for by symbol only, so none are told.
        """
        asked = {"startTime": str(since // NS_PER_MS)}
        # Open orders first: one that ends before history is asked is then in both, and history wins.
        pending = await self._pages(credentials, account, "trade/unfilled-orders", {}, "orderId")
        ended = await self._pages(credentials, account, "trade/history-orders", asked, "orderId")
        facts = {
            fact.venue_order_id: fact
            for listed, names, path in (
                (pending, spot.PENDING, "unfilled-orders"),
                (ended, spot.LISTED, "history-orders"),
            )
            for at, row in enumerate(listed)
            for fact in [self._order(row, names, f"{path}[{at}]", account)]
        }
        fills = await self._pages(credentials, account, "trade/fills", asked, "tradeId")
        instruments = self._asking.known_instruments

        async def look_up(execution: Execution) -> OrderFact | None:
            return await self._order_info(credentials, account, {"orderId": execution.venue_order_id})

        executions = await with_orders(
            (
                spot.fill(row, place=f"fills[{at}]", account=account, instruments=instruments)
                for at, row in enumerate(fills)
            ),
            facts,
            look_up,
        )
        path = "trade/current-plan-order"
        for at, row in enumerate(await self._plans(credentials, account, path, {})):
            fact = self._plan_order(row, f"{path}[{at}]", account)
            facts[fact.venue_order_id] = fact
        body = await self._asking.query(credentials, "private/spot", "spot/account/assets", {}, account)
        ts = rows.milliseconds(body, "requestTime", "assets")
        held = (
            spot.holding(row, place=f"assets[{at}]", account=account, instruments=instruments, ts=ts)
            for at, row in enumerate(rows.children(body, "data", "assets", null=True))
        )
        return Told(
            facts=tuple(facts.values()),
            executions=tuple(executions),
            positions=tuple(each for each in held if each is not None and each.quantity),
        )

    def _order(self, row: Row, names: spot.Names, place: str, account: AccountId) -> OrderFact:
        return spot.order(
            row,
            names,
            place=place,
            account=account,
            instruments=self._asking.known_instruments,
            seen=self._asking.clock.now(),
        )

    def _plan_order(self, row: Row, place: str, account: AccountId) -> OrderFact:
        return spot.plan_order(
            row,
            place=place,
            account=account,
            instruments=self._asking.known_instruments,
            seen=self._asking.clock.now(),
            pushed=False,
        )

    async def _pages(
        self, credentials: Credentials, account: AccountId, path: str, asked: Mapping[str, str], cursor: str
    ) -> list[Row]:
        """All rows of a listing. `cursor`: the id that pages go by."""

        async def page(below: Mapping[str, str]) -> tuple[list[Row], str]:
            listed = await self._rows(credentials, account, path, {**asked, **below})
            return listed, rows.identifier(listed[-1], cursor, path) if listed else ""

        return await self._asking.pages(page, path)

    async def _plans(
        self, credentials: Credentials, account: AccountId, path: str, asked: Mapping[str, str]
    ) -> list[Row]:
        """All rows of a listing of conditional orders."""

        async def page(below: Mapping[str, str]) -> tuple[list[Row], str]:
            question = {**asked, "limit": "100", **below}
            body = await self._asking.query(credentials, "private/spot", f"spot/{path}", question, account)
            told = rows.child(body, "data", path)
            listed = rows.children(told, "orderList", path, null=True)
            return listed, rows.identifier(listed[-1], "orderId", path) if listed else ""

        return await self._asking.pages(page, path)

    async def _rows(
        self, credentials: Credentials, account: AccountId, path: str, asked: Mapping[str, str]
    ) -> list[Row]:
        body = await self._asking.query(credentials, "private/spot", f"spot/{path}", asked, account)
        return rows.children(body, "data", path, null=True)
