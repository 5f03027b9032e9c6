"""How Bitget is asked: within its limits, page by page, with every failure told as one."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import msgspec

from spider_common.budgets.fair import Budgets
from spider_common.budgets.limits import ADDRESS, Limit
from spider_common.clock import Clock
from spider_common.domain.executions import Execution
from spider_common.domain.identifiers import AccountId, VenueOrderId
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.orders import OrderFact
from spider_common.secret import Credentials
from spider_common.venues import rows
from spider_common.venues.bitget import codes, requests
from spider_common.venues.outcomes import VenueError
from spider_common.venues.rest import Rest
from spider_common.venues.rows import Row

PAGE: Final = 100
_MOST_PAGES: Final = 50
_QUERIES: Final = {"mix/position/all-position": Limit(5, 1.0), "spot/account/info": Limit(1, 1.0)}
_QUERY: Final = Limit(10, 1.0)


class Asking:
    """Asks for all accounts. `known_instruments`: what rows may be about."""

    def __init__(self, *, rest: Rest, budgets: Budgets, clock: Clock) -> None:
        self._rest, self._budgets, self.clock = rest, budgets, clock
        self.known_instruments = InstrumentList(())

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
            raise CodeError(path, code, rows.text(reply.body, "msg", path, default=""))
        return reply.body

    async def pages(
        self, ask: Callable[[Mapping[str, str]], Awaitable[tuple[list[Row], str]]], path: str
    ) -> list[Row]:
        """All rows of a listing, which comes newest first and is continued below the last one's id.

        `ask` gets what is added to the question and answers with a page's rows and the id of its last one.
        """
        found: list[Row] = []
        below: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            page, last = await ask(below)
            found.extend(page)
            if len(page) < PAGE:
                return found
            below = {"idLessThan": last}
        raise VenueError(f"{path}: more than {_MOST_PAGES * PAGE} rows; sweep more often")


async def with_orders(
    executions: Iterable[Execution],
    facts: dict[VenueOrderId, OrderFact],
    look_up: Callable[[Execution], Awaitable[OrderFact | None]],
) -> list[Execution]:
    """Fills as their orders have them: fills tell neither our id nor, in hedge mode, the direction.

    History goes by the time an order was made. One made before and ended since is in no listing, but its
    fills, which go by their own time, name it: then it is looked up and added to `facts`.

    Raises:
        VenueError: an order that has a fill is not found.
    """
    completed: list[Execution] = []
    for execution in executions:
        order = execution.venue_order_id
        if order not in facts:
            fact = await look_up(execution)
            if fact is None:
                raise VenueError(f"order {order}: has a fill, and is not found")
            facts[order] = fact
        completed.append(
            msgspec.structs.replace(
                execution, client_order_id=facts[order].client_order_id, side=facts[order].side
            )
        )
    return completed


class CodeError(VenueError):
    """Bitget answered with an error code."""

    def __init__(self, path: str, code: str, words: str) -> None:
        self.code = code
        super().__init__(f"{path}: {code} {words}")
