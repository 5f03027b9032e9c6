"""A venue and a table that misbehave by script, and tell the truth about what they hold."""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, NoReturn

import msgspec
import trio

from spider_common.clock import NS_PER_S, Clock
from spider_common.domain.identifiers import AccountId, ClientOrderId, Venue, VenueOrderId
from spider_common.domain.instruments import Instrument, InstrumentList, Mark
from spider_common.domain.orders import OrderFact, OrderStatus
from spider_common.domain.products import Account, MarginMode
from spider_common.domain.reasons import Reason
from spider_common.domain.requests import Amendment, OrderRef, OrderRequest
from spider_common.schema import Key
from spider_common.secret import Credentials
from spider_common.stores.memory_queue import MemoryQueue
from spider_common.stores.queue import Outgoing, SendFailed
from spider_common.stores.table import Change, Page, Row, Table
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
    Unsent,
    VenueError,
)
from spider_common.venues.venue import Capabilities, Listing, Told


class Reply(StrEnum):
    """What the venue makes of one order request."""

    ACCEPT = "accept"
    REJECT = "reject"
    LOSE_REPLY = "lose_reply"  # it has the order, and nobody hears of it
    LOSE_REQUEST = "lose_request"  # it never saw the request, and nobody hears of that
    UNSENT = "unsent"
    RATE_LIMIT = "rate_limit"
    REFUSE = "refuse"


class Request(NamedTuple):
    """An order request on the wire."""

    order: ClientOrderId
    account: AccountId
    at: int
    expires: int


class ScriptedVenue:
    """A `VenueClient` over an order book of its own. Unscripted requests are accepted.

    Attributes:
        orders: what it holds, by client order id: one that is accepted twice stands in `doubled` too.
        requests, questions: what was asked of it, oldest first.
        hidden_until: orders that queries do not show before a time (Unix ns).
        deaf: it answers no query.
        told: the answers to sweeps, one each, then nothing new; an error is raised.
        busy_until: `ready_to_place` waits until then (Unix ns).
        leverages: what was asked for, oldest first; leverage_replies: the answers, accepted without one.
        prices: what its instruments are marked at; None: it does not answer. marked: how often it was asked.
        capabilities: that an amended order stays the one it is.
    """

    capabilities = Capabilities(
        amends="amend",
        names_parent=True,
        fires_by_name=True,
        expiry="script",
        batch_orders=1,
        hedge_mode=True,
        sockets=None,
        limits={},
    )

    venue = Venue.OKX
    socket_url = "ws://venue.test/private"

    def __init__(self, clock: Clock, instruments: Sequence[Instrument], timeline: list[str]) -> None:
        self._clock, self._timeline = clock, timeline
        self._instruments = tuple(instruments)
        self._replies: defaultdict[AccountId, deque[Reply]] = defaultdict(deque)
        self.orders: dict[ClientOrderId, OrderFact] = {}
        self.doubled: list[ClientOrderId] = []
        self.requests: list[Request] = []
        self.questions: list[ClientOrderId] = []
        self.hidden_until: dict[ClientOrderId, int] = {}
        self.deaf = False
        self.busy_until = 0
        self.busy: dict[str, int] = {}  # account -> until when its rate budget is used up, Unix ns
        self.told: deque[Told | VenueError] = deque()
        self.swept_since: list[int] = []
        self.prices: dict[str, Decimal] | None = {}
        self.marked = 0
        self.leverages: list[tuple[AccountId, str, int, MarginMode]] = []
        self.leverage_replies: deque[Outcome] = deque()
        self.leverage_takes_s = 0.1

    def script(self, account: str, *replies: Reply) -> None:
        """What the account's next requests come to."""
        self._replies[AccountId(account)].extend(replies)

    @property
    def known_instruments(self) -> InstrumentList:
        return InstrumentList(self._instruments)

    async def instruments(self) -> Sequence[Instrument]:
        return self.learn(await self.listing())

    async def listing(self) -> Listing:
        await trio.lowlevel.checkpoint()
        return Listing()

    def learn(self, listing: Listing) -> Sequence[Instrument]:
        return self._instruments

    def session(self, credentials: Credentials, account: AccountId) -> NoReturn:
        raise NotImplementedError("this venue has no sockets")

    async def marks(self) -> Mapping[str, Mark]:
        self.marked += 1
        await trio.lowlevel.checkpoint()
        if self.prices is None:
            raise VenueError("marks: no answer")
        now = self._clock.now()
        return {
            symbol: Mark(symbol=symbol, price=price, ts_venue=now) for symbol, price in self.prices.items()
        }

    async def set_leverage(
        self, credentials: Credentials, account: Account, symbol: str, leverage: int, mode: MarginMode
    ) -> Outcome:
        self.leverages.append((account.account, symbol, leverage, mode))
        self._timeline.append(f"leverage {leverage}")
        await trio.sleep(self.leverage_takes_s)
        return self.leverage_replies.popleft() if self.leverage_replies else Accepted(None)

    async def ready_to_place(self, order: OrderRequest, *, patience_s: float = math.inf) -> bool:
        until = max(self.busy_until, self.busy.get(order.account.account, 0))
        wait_s = max(until - self._clock.now(), 0) / NS_PER_S
        await trio.sleep(min(wait_s, patience_s))
        return wait_s <= patience_s

    async def place(self, credentials: Credentials, order: OrderRequest, *, expires: int) -> Outcome:
        return await self._answer(
            order.account.account, order.client_order_id, expires, partial(self.accept, order)
        )

    async def cancel(self, credentials: Credentials, order: OrderRef, *, expires: int) -> Outcome:
        change = partial(self._change, order.client_order_id, status=OrderStatus.CANCELED)
        return await self._answer(order.account.account, order.client_order_id, expires, change)

    async def amend(self, credentials: Credentials, change: Amendment, *, expires: int) -> Outcome:
        listed = self.known_instruments.get(Venue.OKX, change.ref.symbol)
        wanted = {"quantity": listed.to_base(change.size), "price": change.price}
        made = partial(self._change, change.ref.client_order_id, **wanted)
        return await self._answer(change.ref.account.account, change.ref.client_order_id, expires, made)

    def _change(self, name: ClientOrderId, **changes: object) -> VenueOrderId | None:
        order = self.orders.get(name)
        if order is None or order.status.is_final:
            return None
        self.orders[name] = msgspec.structs.replace(order, **changes)
        return order.venue_order_id

    async def _answer(
        self, account: AccountId, name: ClientOrderId, expires: int, act: Callable[[], VenueOrderId | None]
    ) -> Outcome:
        now = self._clock.now()
        self.requests.append(Request(name, account, now, expires))
        self._timeline.append(f"request {name}")
        await trio.lowlevel.checkpoint()
        replies = self._replies[account]
        match replies.popleft() if replies else Reply.ACCEPT:
            case Reply.ACCEPT:
                acted = act()
                return Rejected("51400", "no such order") if acted is None else Accepted(acted)
            case Reply.LOSE_REPLY:
                act()
                return Unknown("the connection broke")
            case Reply.LOSE_REQUEST:
                return Unknown("the connection broke")
            case Reply.REJECT:
                return Rejected("51008", "not enough margin")
            case Reply.UNSENT:
                return Unsent("nobody listens")
            case Reply.RATE_LIMIT:
                return RateLimited(now + NS_PER_S, "too many requests")
            case Reply.REFUSE:
                return Refused(Reason.INSTRUMENT_CHANGED)

    def accept(self, order: OrderRequest) -> VenueOrderId:
        """Takes an order. As at the venues, an id that was used before does not keep a second one out."""
        name = order.client_order_id
        if name in self.orders:
            self.doubled.append(name)
        number = VenueOrderId(f"v{len(self.orders) + len(self.doubled) + 1}")
        self.orders[name] = OrderFact(
            venue=Venue.OKX,
            account=order.account.account,
            symbol=order.symbol,
            venue_order_id=number,
            client_order_id=name,
            side=order.side,
            position_side=order.position_side,
            reduce_only=order.reduce_only,
            order_type=order.order_type,
            status=OrderStatus.LIVE,
            quantity=self.known_instruments.get(Venue.OKX, order.symbol).to_base(order.size),
            cum_filled=Decimal(0),
            price=order.price,
            average_price=None,
            ts_venue=self._clock.now(),
            ts_seen=self._clock.now(),
        )
        return number

    async def find(self, credentials: Credentials, order: OrderRef) -> Lookup:
        name, now = order.client_order_id, self._clock.now()
        self.questions.append(name)
        await trio.lowlevel.checkpoint()
        if self.deaf:
            return Unknown("no answer")
        if name in self.orders and self.hidden_until.get(name, 0) <= now:
            return Found(self.orders[name])
        return NotFound()

    async def sweep(self, credentials: Credentials, account: AccountId, *, since: int) -> Told:
        self.swept_since.append(since)
        await trio.lowlevel.checkpoint()
        told = self.told.popleft() if self.told else Told()
        if isinstance(told, VenueError):
            raise told
        return told


class Trouble(NamedTuple):
    """What happens to a write that touches a key containing `touching`: `error`, with or without effect."""

    error: Exception
    touching: str = ""
    effect: bool = False


class TroubledTable:
    """A `Table` over another: what is scripted fails, the rest is passed on, and the writes are noted.

    Attributes:
        calls: how often it was asked for anything.
    """

    def __init__(self, table: Table, timeline: list[str]) -> None:
        self._table, self._timeline = table, timeline
        self.calls = 0
        self._write_troubles: list[Trouble] = []
        self._read_troubles: list[Trouble] = []
        self._query_troubles: list[Trouble] = []

    def trouble_writes(self, *troubles: Trouble) -> None:
        """Each strikes the first write from now on that it matches."""
        self._write_troubles.extend(troubles)

    def trouble_reads(self, *troubles: Trouble) -> None:
        """Each strikes the first `get` or `get_all` from now on that it matches."""
        self._read_troubles.extend(troubles)

    async def get(self, key: Key) -> Row | None:
        await self._strike([key])
        return await self._table.get(key)

    async def get_all(self, keys: Sequence[Key]) -> dict[Key, Row]:
        await self._strike(keys)
        return await self._table.get_all(keys)

    async def _strike(self, keys: Sequence[Key]) -> None:
        self.calls += 1
        for trouble in self._read_troubles:
            if any(trouble.touching in f"{key.pk} {key.sk}" for key in keys):
                self._read_troubles.remove(trouble)
                await trio.lowlevel.checkpoint()
                raise trouble.error

    def trouble_queries(self, *troubles: Trouble) -> None:
        """Each strikes the first query from now on of a partition that it matches."""
        self._query_troubles.extend(troubles)

    async def query(self, pk: str, **arguments: Any) -> Page:
        self.calls += 1
        for trouble in self._query_troubles:
            if trouble.touching in pk:
                self._query_troubles.remove(trouble)
                await trio.lowlevel.checkpoint()
                raise trouble.error
        return await self._table.query(pk, **arguments)

    async def write(self, *changes: Change) -> tuple[Row, ...]:
        self.calls += 1
        names = [f"{change.key.pk} {change.key.sk}" for change in changes]
        for trouble in self._write_troubles:
            if any(trouble.touching in name for name in names):
                self._write_troubles.remove(trouble)
                if trouble.effect:
                    await self._table.write(*changes)
                await trio.lowlevel.checkpoint()
                raise trouble.error
        stored = await self._table.write(*changes)
        self._timeline.append(
            "write " + ", ".join(sorted({change.key.sk.split("#")[0] for change in changes}))
        )
        return stored

    async def put_all(self, rows: Sequence[Row]) -> None:
        self.calls += 1
        await self._table.put_all(rows)


class FailingQueue:
    """A queue that is away for some sends, having taken the first messages of each."""

    def __init__(self, queue: MemoryQueue, times: int, taken: int) -> None:
        self._queue, self._times, self._taken = queue, times, taken

    async def send(self, messages: Sequence[Outgoing]) -> None:
        if not self._times:
            return await self._queue.send(messages)
        self._times -= 1
        await self._queue.send(messages[: self._taken])
        if len(messages) > self._taken:
            raise SendFailed(messages[self._taken :], "no answer")
        return None
