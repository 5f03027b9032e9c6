"""What BingX's REST knows of an account, asked for whole."""

from collections.abc import Awaitable, Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Final

from spider_common.clock import NS_PER_MS, NS_PER_S, Clock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, VenueOrderId
from spider_common.domain.instruments import InstrumentKind, InstrumentList
from spider_common.domain.orders import OrderFact
from spider_common.sdk.ccxt import VenueRequest
from spider_common.secret import Credentials
from spider_common.venues.bingx import parse
from spider_common.venues.bingx.fields import Row, flag, mapping, rows, text
from spider_common.venues.bingx.rest import SWAP_V1, SWAP_V2, SWAP_V3, Rest
from spider_common.venues.outcomes import VenueError
from spider_common.venues.venue import Told

_PAGE: Final = 1000
_WINDOW_MS: Final = 6 * 24 * 3600 * 1000  # BingX takes windows of up to 7 days
_FILLS_PAGE: Final = 512  # as many as allFillOrders ever lists
_MOST_PAGES: Final = 50
LATEST_NS: Final = 24 * 3600 * NS_PER_S  # an order in doubt is looked for among those of the last day
AHEAD_NS: Final = 60 * NS_PER_S  # past the end of a window: our clock is not the venue's


def _windows(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """A time, ns, in windows that BingX takes, ms: the first and last of each belong to it."""
    first, final = begin // NS_PER_MS, end // NS_PER_MS
    while first <= final:
        last = min(first + _WINDOW_MS - 1, final)
        yield first, last
        first = last + 1


async def whole(
    ask: Callable[[int, int], Awaitable[list[Row]]], begin: int, end: int, most: int
) -> list[Row]:
    """All rows in a window of time, ns. An answer as long as answers get is asked for again as two halves,
    since the documentation does not say which end of the window it leaves out.

    Raises:
        VenueError: there are too many.
    """
    found: list[Row] = []
    windows = list(_windows(begin, end))
    for _ in range(_MOST_PAGES):
        if not windows:
            return found
        first, last = windows.pop()
        page = await ask(first, last)
        if len(page) < most or first == last:
            found += page
            continue
        middle = (first + last) // 2
        windows += [(first, middle), (middle + 1, last)]
    raise VenueError(f"a sweep of more than {_MOST_PAGES} pages; sweep more often")


def newest(facts: Iterable[OrderFact]) -> dict[VenueOrderId, OrderFact]:
    """The newest fact of each order; of two that are equally old the later in line."""
    found: dict[VenueOrderId, OrderFact] = {}
    for fact in facts:
        known = found.get(fact.venue_order_id)
        if known is None or fact.age_key >= known.age_key:
            found[fact.venue_order_id] = fact
    return found


class Sweep:
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
        """Open orders, orders and fills that changed since `since` (Unix ns), equity, positions.

        Raises:
            VenueError: one of the questions has no answer; nothing is known then.
        """
        # Open orders first: one that ends before history is asked is then in both, and the later wins.
        opened = self._facts(await self._listed("trade/openOrders", {}))
        begin = since - self._look_back_s * NS_PER_S
        finished = self._facts(await self._orders(begin, self._rest.venue_now() + AHEAD_NS, {}))
        rested = await self._rested(since, {fact.venue_order_id for fact in (*opened, *finished)})
        recent = (fact for fact in finished if fact.ts_venue >= since)
        facts = newest((*opened, *recent, *rested))
        executions = await self._fills(since, facts.values())
        balance = await self._ask(SWAP_V3, "user/balance", {})
        at = self._rest.venue_now()
        equities = (
            parse.equity(row, place=f"balance[{index}]", account=self._account, at=at)
            for index, row in enumerate(rows(balance, "data", "user/balance"))
        )
        hedge = await self.hedge_mode()
        held = rows(await self._ask(SWAP_V2, "user/positions", {}), "data", "user/positions")
        positions = (
            parse.position(row, place=f"positions[{index}]", account=self._account, hedge=hedge)
            for index, row in enumerate(held)
        )
        return Told(
            facts=tuple(sorted(facts.values(), key=lambda fact: (fact.ts_venue, fact.venue_order_id))),
            executions=tuple(sorted(executions, key=lambda each: (each.ts_venue, each.trade_id))),
            equities=tuple(equity for equity in equities if equity is not None),
            positions=tuple(position for position in positions if position.quantity),
            whole=(InstrumentKind.SWAP,),
        )

    async def latest(self, symbol: str) -> Sequence[OrderFact]:
        """An instrument's orders of the last day. Raises VenueError as `everything`."""
        now = self._rest.venue_now()
        return self._facts(await self._orders(now - LATEST_NS, now + AHEAD_NS, {"symbol": symbol}))

    async def hedge_mode(self) -> bool:
        """Whether the account holds long and short apart. Raises VenueError: no answer."""
        body = await self._ask(SWAP_V1, "positionSide/dual", {})
        return flag(mapping(body, "data", "answer"), "dualSidePosition", "data", default=False)

    async def _orders(self, begin: int, end: int, asked: Mapping[str, str]) -> list[Row]:
        """Rows of ``allOrders`` in a window of time, ns."""

        async def ask(first: int, last: int) -> list[Row]:
            window = {"startTime": str(first), "endTime": str(last), "limit": str(_PAGE)}
            return await self._listed("trade/allOrders", {**asked, **window})

        return await whole(ask, begin, end, _PAGE)

    async def _rested(self, since: int, known: Container[VenueOrderId]) -> list[OrderFact]:
        """Orders made long before and filled since, which history does not list: their fills name them."""

        async def ask(first: int, last: int) -> list[Row]:
            # the window is open at its beginning
            asked = {"tradingUnit": "COIN", "startTs": str(first - 1), "endTs": str(last)}
            body = await self._ask(SWAP_V2, "trade/allFillOrders", asked)
            return rows(mapping(body, "data", "allFillOrders"), "fill_orders", "data")

        filled: dict[str, str] = {}
        for row in await whole(ask, since, self._rest.venue_now() + AHEAD_NS, _FILLS_PAGE):
            filled[text(row, "orderId", "fill_orders")] = text(row, "symbol", "fill_orders")
        found = []
        for order, symbol in filled.items():
            if VenueOrderId(order) not in known:
                body = await self._ask(SWAP_V2, "trade/order", {"symbol": symbol, "orderId": order})
                found.append(mapping(mapping(body, "data", "answer"), "order", "data"))
        return self._facts(found)

    async def _fills(self, since: int, facts: Collection[OrderFact]) -> list[Execution]:
        """The fills of the orders: asked for by instrument, and named as their orders are."""
        clients = {fact.venue_order_id: fact.client_order_id for fact in facts if fact.cum_filled}
        symbols = dict.fromkeys(fact.symbol for fact in facts if fact.cum_filled)
        found = []
        for symbol in symbols:
            for index, row in enumerate(await self._fill_rows(since, symbol)):
                place = f"fill_history_orders[{index}]"
                order = VenueOrderId(text(row, "orderId", place))
                found.append(
                    parse.execution(
                        row,
                        place=place,
                        account=self._account,
                        instruments=self._instruments,
                        client=clients.get(order),
                    )
                )
        return found

    async def _fill_rows(self, since: int, symbol: str) -> list[Row]:
        found: list[Row] = []
        for first, last in _windows(since, self._rest.venue_now() + AHEAD_NS):
            # the window is open at its beginning
            asked = {"symbol": symbol, "startTs": str(first - 1), "endTs": str(last), "pageSize": str(_PAGE)}
            for page in range(1, _MOST_PAGES + 1):
                body = await self._ask(SWAP_V2, "trade/fillHistory", {**asked, "pageIndex": str(page)})
                answer = mapping(body, "data", "fillHistory")
                name = "fill_history_orders" if "fill_history_orders" in answer else "fill_orders"
                listed = rows(answer, name, "data")
                found += listed
                if len(listed) < _PAGE:
                    break
            else:
                raise VenueError(f"fillHistory: more than {_MOST_PAGES} pages; sweep more often")
        return found

    async def _listed(self, path: str, asked: Mapping[str, str]) -> list[Row]:
        body = await self._ask(SWAP_V2, path, asked)
        return rows(mapping(body, "data", path), "orders", path)

    async def _ask(self, api: tuple[str, ...], path: str, asked: Mapping[str, str]) -> Row:
        request = VenueRequest(api, "GET", path, asked)
        return await self._rest.ask(self._credentials, request, account=self._account)

    def _facts(self, listed: Sequence[Row]) -> list[OrderFact]:
        return [
            parse.order(
                row,
                place=f"orders[{index}]",
                account=self._account,
                instruments=self._instruments,
                seen=self._clock.now(),
            )
            for index, row in enumerate(listed)
        ]
