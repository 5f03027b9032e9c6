"""What BingX's REST knows of an account's spot orders, asked for whole."""

from collections.abc import Mapping, Sequence
from typing import Final

from spider_common.clock import NS_PER_MS, NS_PER_S, Clock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, TradeId, VenueOrderId
from spider_common.domain.instruments import InstrumentKind, InstrumentList, venue_symbol
from spider_common.domain.orders import OrderFact
from spider_common.sdk.ccxt import VenueRequest
from spider_common.secret import Credentials
from spider_common.venues.bingx import spot
from spider_common.venues.bingx.fields import Row, mapping, rows, text
from spider_common.venues.bingx.rest import SPOT, Rest
from spider_common.venues.bingx.sweep import AHEAD_NS, LATEST_NS, newest, whole
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import Told

_PAGE: Final = 100
_MOST_PAGES: Final = 100  # pages times rows are 10,000 at the most
_FILLS_PAGE: Final = 500  # the documentation says 500 and 1000
_FILLS_KEPT_NS: Final = 7 * 24 * 3600 * NS_PER_S


class SpotSweep:
    """The questions of one sweep of one account."""

    def __init__(
        self,
        rest: Rest,
        credentials: Credentials,
        account: AccountId,
        *,
        instruments: InstrumentList,
        clock: Clock,
        look_back_s: int,
    ) -> None:
        self._rest, self._credentials, self._account = rest, credentials, account
        self._instruments, self._clock, self._look_back_s = instruments, clock, look_back_s

    async def everything(self, since: int) -> Told:
        """Open orders, orders and fills that changed since `since` (Unix ns), and what is held of each coin.

        Fills are asked for by pair, so those of an order made before the look-back and filled since are told
        only while it is open.

        Raises:
            VenueError: one of the questions has no answer; nothing is known then.
        """
        # Open orders first: one that ends before history is asked is then in both, and the later wins.
        opened = self._facts(await self._listed("trade/openOrders", {}))
        finished = await self._history(since - self._look_back_s * NS_PER_S, {})
        facts = newest((*opened, *(each for each in finished if each.ts_venue >= since)))
        filled = {fact.venue_order_id: fact for fact in facts.values() if fact.cum_filled}
        executions: list[Execution] = []
        for symbol in dict.fromkeys(fact.symbol for fact in filled.values()):
            executions += await self._fills(since, symbol, filled)
        coins = mapping(await self._ask("account/balance", {}), "data", "account/balance")
        at = self._rest.venue_now()
        held = (
            spot.holding(
                row,
                place=f"balances[{index}]",
                account=self._account,
                instruments=self._instruments,
                at=at,
            )
            for index, row in enumerate(rows(coins, "balances", "data"))
        )
        return Told(
            facts=tuple(sorted(facts.values(), key=lambda fact: (fact.ts_venue, fact.venue_order_id))),
            executions=tuple(sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))),
            positions=tuple(each for each in held if each is not None and each.quantity),
            whole=(InstrumentKind.SPOT,),
        )

    async def latest(self, symbol: str) -> Sequence[OrderFact]:
        """A pair's finished orders of the last day. Raises VenueError as `everything`."""
        begin = self._rest.venue_now() - LATEST_NS
        return await self._history(begin, {"symbol": venue_symbol(symbol)})

    async def _history(self, begin: int, asked: Mapping[str, str]) -> list[OrderFact]:
        """Finished orders made since a time, ns, of the pairs that we know."""
        end = self._rest.venue_now() + AHEAD_NS
        window = {"startTime": str(begin // NS_PER_MS), "endTime": str(end // NS_PER_MS)}
        found: list[Row] = []
        for page in range(1, _MOST_PAGES + 1):
            pages = {"pageIndex": str(page), "pageSize": str(_PAGE)}
            listed = await self._listed("trade/historyOrders", {**asked, **window, **pages})
            found += listed
            if len(listed) < _PAGE:
                return self._facts(found)
        raise VenueError(f"historyOrders: more than {_MOST_PAGES} pages; sweep more often")

    async def _fills(
        self, since: int, symbol: str, filled: Mapping[VenueOrderId, OrderFact]
    ) -> list[Execution]:
        async def ask(first: int, last: int) -> list[Row]:
            asked = {
                "symbol": venue_symbol(symbol),
                "startTime": str(first),
                "endTime": str(last),
                "limit": str(_FILLS_PAGE),
            }
            return rows(
                mapping(await self._ask("trade/myTrades", asked), "data", "myTrades"), "fills", "data"
            )

        now = self._rest.venue_now()
        found: dict[TradeId, Execution] = {}
        listed = await whole(ask, max(since, now - _FILLS_KEPT_NS), now + AHEAD_NS, _FILLS_PAGE)
        for index, row in enumerate(listed):
            order = filled.get(VenueOrderId(text(row, "orderId", "fills")))
            execution = spot.execution(
                row,
                place=f"fills[{index}]",
                account=self._account,
                instruments=self._instruments,
                client=None if order is None else order.client_order_id,
            )
            found[execution.trade_id] = execution
        return list(found.values())

    async def _listed(self, path: str, asked: Mapping[str, str]) -> list[Row]:
        """Orders of the pairs that we know: an account may hold others, quoted in coins that are not ours."""
        listed = rows(mapping(await self._ask(path, asked), "data", path), "orders", path)
        known = {venue_symbol(each.symbol) for each in self._instruments if each.kind is InstrumentKind.SPOT}
        return [row for row in listed if text(row, "symbol", path) in known]

    async def _ask(self, path: str, asked: Mapping[str, str]) -> Row:
        return await self._rest.ask(
            self._credentials, VenueRequest(SPOT, "GET", path, asked), account=self._account
        )

    def _facts(self, listed: Sequence[Row]) -> list[OrderFact]:
        return [
            spot.order(
                row,
                place=f"orders[{index}]",
                account=self._account,
                instruments=self._instruments,
                seen=self._clock.now(),
            )
            for index, row in enumerate(listed)
        ]
