"""What followers hold against what was planned for them: looked at now and then, kept, and told.

Whatever a round decides on was read by it: when one of its questions has no answer it changes nothing.
`docs/reconciliation.md` tells the rules, `spider_common.domain.reconciling` decides by them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from services.oms.desk import DeskOrders
from services.oms.executions import Executions
from services.oms.reference import Reference
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain import reconciling
from spider_common.domain.claims import Claim, claims
from spider_common.domain.drift import Asked, Drift, DriftKey, Known
from spider_common.domain.held import AccountPositions
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue, shard_of
from spider_common.domain.instruments import InstrumentList
from spider_common.domain.intents import DeskEvent
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book
from spider_common.domain.products import Account, Correction, Product
from spider_common.domain.reconciling import Repair
from spider_common.stores.documents import Stored
from spider_common.stores.positions import PositionStore, known
from spider_common.stores.table import Conflict, TableError
from spider_common.stores.trading import TradingStore

FRESH_NS: Final = 180 * NS_PER_S
"""How old an account's last sweep may be at the start: sweeps come each minute, and may fail once."""
_AT_ONCE: Final = 16  # questions to the table at a time
_AGAIN_S: Final = 1.0

_SIDES: Final = {False: (PositionSide.NET,), True: (PositionSide.LONG, PositionSide.SHORT)}
Books = Mapping[tuple[ProductId, int], Mapping[str, Book]]
Facts = Mapping[tuple[Venue, AccountId], AccountPositions]


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The reconciler's times.

    Attributes:
        every_s: from one round to the next.
        grace: how long (ns) a difference lasts before it is believed: no order of ours takes so long unless
            it is in doubt.
        wait_s: how long the start waits for accounts that have not told: one whose key is refused never will.
    """

    every_s: float = 30.0
    grace: int = 30 * NS_PER_S
    wait_s: float = 60.0


class _Read(msgspec.Struct, frozen=True):
    """All that a round decides on."""

    products: tuple[Product, ...]
    instruments: InstrumentList
    books: Books
    facts: Facts
    drifts: Mapping[DriftKey, Stored[Drift]]


class _Place(NamedTuple):
    account: Account
    symbol: str


class Reconciler:
    """Looks at every account of every product. One task of several does so at a time; two do no harm."""

    def __init__(
        self,
        *,
        owner: str,
        clock: Clock,
        reference: Reference,
        trading: TradingStore,
        positions: PositionStore,
        told: Executions,
        desk: DeskOrders,
        log: FilteringBoundLogger,
        pace: Pace,
    ) -> None:
        self._owner, self._clock, self._reference = owner, clock, reference
        self._trading, self._positions, self._desk, self._log = trading, positions, desk, log
        self._told, self._pace = told, pace

    async def begin(self) -> None:
        """Returns when every account has told lately what it holds and was looked at.

        One that does not tell in time does not keep the others from being served: it is named.

        Raises:
            TableError: our own records do not answer, so nothing is known.
        """
        with trio.move_on_after(self._pace.wait_s):
            while await self._silent():
                with trio.move_on_after(_AGAIN_S):  # another task may have kept it
                    await self._told.positions()
        if silent := await self._silent():
            self._log.error("reconcile.accounts_silent", accounts=silent, waited_s=self._pace.wait_s)
        await self.look()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Looks when it is this task's turn, until cancelled."""
        task_status.started()
        while True:
            await trio.sleep(self._pace.every_s)
            try:
                now = self._clock.now()
                until = now + round(2 * self._pace.every_s * NS_PER_S)
                if await self._positions.take_turn(self._owner, now, until):
                    await self.look()
            except TableError as error:
                self._log.warning("reconcile.postponed", error=str(error))

    async def look(self) -> None:
        """One round.

        Raises:
            TableError: the table does not answer. What was written and asked for is right for itself.
        """
        read = await self._read()
        drifts = self._drifts(read)
        repairs = reconciling.reducing_first(
            (drift, order)
            for drift in drifts
            if (instrument := read.instruments.get(drift.venue, drift.instrument)) is not None
            and (order := reconciling.repair(drift, instrument)) is not None
            and not _waits(read.books, drift.client)
        )
        wanted = {drift.key: order for drift, order in repairs}
        shards = {each.product: each.shards for each in read.products}
        for drift in drifts:
            before = read.drifts.get(drift.key)
            await self._keep(drift, before, wanted.get(drift.key), shards.get(drift.product, 1))
        gone = set(read.drifts) - {drift.key for drift in drifts}
        for key in sorted(gone):
            await self._drop(read.drifts[key])

    async def _silent(self) -> list[str]:
        """The accounts whose positions no sweep has told lately."""
        oldest = self._clock.now() - FRESH_NS
        facts = await self._facts(_accounts(self._reference.products))
        return sorted(
            f"{venue}/{account}" for (venue, account), told in facts.items() if (told.swept or 0) < oldest
        )

    async def _read(self) -> _Read:
        products = self._reference.products
        books = {
            (product.product, shard): await self._positions.books(product.product, shard)
            for product in products
            for shard in range(product.shards)
        }
        drifts: dict[DriftKey, Stored[Drift]] = {}
        for product in products:
            drifts.update(await self._positions.drifts(product.product))
        # The facts last: an order that a book plans may show in them, so what they show was planned.
        facts = await self._facts(_accounts(products))
        return _Read(products, self._reference.instruments, books, facts, drifts)

    async def _facts(self, accounts: Iterable[Account]) -> Facts:
        found: dict[tuple[Venue, AccountId], AccountPositions] = {}
        places = trio.CapacityLimiter(_AT_ONCE)

        async def ask(venue: Venue, account: AccountId) -> None:
            async with places:
                found[venue, account] = (await self._positions.positions(venue, account)).value

        try:
            async with trio.open_nursery() as nursery:
                for each in accounts:
                    nursery.start_soon(ask, each.venue, each.account, name="oms.reconcile.facts")
        except* TableError as errors:
            raise errors.exceptions[0] from errors
        return found

    def _drifts(self, read: _Read) -> list[Drift]:
        before, now = known(read.drifts), self._clock.now()
        sharing: dict[_Place, list[Claim]] = defaultdict(list)
        drifts: list[Drift] = []
        for product in read.products:
            drifts += self._leaders(product, read, before, now)
            books = {shard: read.books[product.product, shard] for shard in range(product.shards)}
            for claim, instrument in claims(product, books, read.instruments):
                if instrument is not None:
                    sharing[_Place(claim.account, instrument.symbol)].append(claim)
                elif missing := reconciling.without_instrument(claim, now=now, before=before):
                    drifts.append(missing)
        for (account, symbol), parts in sharing.items():
            instrument = read.instruments.get(account.venue, symbol)
            assert instrument is not None, "a claim is on an instrument that is listed"
            told = read.facts[account.venue, account.account]
            for side in _SIDES[account.hedge_mode]:
                held = told.held(instrument, side)
                drifts += reconciling.reconcile(
                    instrument, side, held, parts, before, now=now, grace=self._pace.grace
                )
        return drifts

    def _leaders(self, product: Product, read: _Read, before: Known, now: int) -> Iterator[Drift]:
        """The leader's own position against the first shard's books: each shard's say the same."""
        leader = product.leader
        told = read.facts[leader.venue, leader.account]
        for symbol, book in sorted(read.books[product.product, 0].items()):
            instrument = read.instruments.get(leader.venue, symbol)
            for side, position in sorted(book.leader.items()):
                found = reconciling.leader_drift(
                    product.product,
                    leader,
                    symbol,
                    side,
                    held=told.held(instrument, side) if instrument is not None else None,
                    known=position,
                    before=before,
                    now=now,
                    grace=self._pace.grace,
                )
                if found is not None:
                    yield found

    async def _keep(
        self, drift: Drift, before: Stored[Drift] | None, order: Repair | None, shards: int
    ) -> None:
        """Stores a drift that says something new, tells of it, and asks for the order against it."""
        event = None
        if order is not None:
            drift, event = await self._ask(drift, order, shards)
        try:
            if drift.says_more_than(before.value if before else None):
                await self._positions.save_drift(Stored(drift, before.version if before else 0))
                self._tell(drift)
        except Conflict:
            return  # another task has looked meanwhile; it asks for what it has written
        if event is not None:
            await self._desk.send([event])

    async def _ask(self, drift: Drift, order: Repair, shards: int) -> tuple[Drift, DeskEvent | None]:
        """The drift as it is asked about, and the event: a new one only when the last is done with.

        Until the last one is in the journal it is sent again: it may have been lost on its way.
        """
        last = drift.asked
        if last is not None:
            event = _event(drift, last, shards)
            row = await self._trading.journal(event.event_id, event.product, event.shard)
            if row is None:
                return drift, event
            if row.value.unfinished or not reconciling.may_ask(drift, grace=self._pace.grace):
                return drift, None
        asked = Asked(
            action=order.action,
            ts=drift.seen,
            quantity=order.quantity,
            reduces=order.reduces,
            off=drift.off,
        )
        return msgspec.structs.replace(drift, asked=asked), _event(drift, asked, shards)

    async def _drop(self, drift: Stored[Drift]) -> None:
        try:
            await self._positions.drop_drift(drift)
        except Conflict:
            return
        value = drift.value
        self._log.info("drift.gone", product=value.product, client=value.client, symbol=value.symbol)

    def _tell(self, drift: Drift) -> None:
        alarming = drift.reason.is_alarming and drift.correction is not Correction.OFF
        tell = self._log.error if alarming else self._log.info
        tell(
            "drift",
            product=drift.product,
            client=drift.client,
            account=drift.account,
            symbol=drift.symbol,
            side=drift.position_side,
            reason=drift.reason,
            refusal=drift.refusal.reason if drift.refusal else "",
            held=str(drift.held),
            planned=str(drift.planned),
            target=str(drift.target),
        )


def _accounts(products: Iterable[Product]) -> list[Account]:
    """Each account that is named, once."""
    named = [
        account
        for product in products
        for account in (product.leader, *(each.account for each in product.subscriptions))
    ]
    return list({(each.venue, each.account): each for each in named}.values())


def _waits(books: Books, client: ClientId) -> bool:
    """Whether anything of a client is in doubt or held."""
    return any(client in book.waiting for each in books.values() for book in each.values())


def _event(drift: Drift, asked: Asked, shards: int) -> DeskEvent:
    return DeskEvent(
        product=drift.product,
        shard=shard_of(drift.client, shards),
        shards=shards,
        client=drift.client,
        symbol=drift.symbol,
        leader_side=drift.leader_side,
        action=asked.action,
        reduces=asked.reduces,
        cause=f"drift: {drift.reason}",
        ts_asked=asked.ts,
        quantity=asked.quantity,
    )
