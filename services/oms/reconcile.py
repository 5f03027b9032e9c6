"""What followers hold against what was planned for them: looked at now and then, kept, and told.

Whatever a round decides on was read by it: when one of its questions has no answer it changes nothing.
`docs/reconciliation.md` tells the rules, `spider_common.domain.reconciling` decides by them.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from services.oms.desk import DeskOrders
from services.oms.executions import Executions
from services.oms.reference import Reference
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain import reconciling
from spider_common.domain.drift import Asked, Drift, DriftKey, Refusal
from spider_common.domain.identifiers import shard_of
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.intents import DeskEvent
from spider_common.domain.products import Product
from spider_common.domain.reconciling import Repair
from spider_common.domain.rounds import (
    Facts,
    Fees,
    Reading,
    Resting,
    accounts_of,
    astray,
    drifts_of,
    repairs_of,
)
from spider_common.schema import Pending
from spider_common.stores.documents import Stored
from spider_common.stores.positions import PositionStore
from spider_common.stores.table import TableError
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.metrics import Meter
from spider_common.telemetry.registry import DRIFTS, DRIFTS_ALARMING

FRESH_NS: Final = 180 * NS_PER_S
"""How old an account's last sweep may be at the start: sweeps come each minute, and may fail once."""
_AGAIN_S: Final = 1.0


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
        meter: Meter,
        log: FilteringBoundLogger,
        pace: Pace,
    ) -> None:
        self._owner, self._clock, self._reference = owner, clock, reference
        self._trading, self._positions, self._desk, self._log = trading, positions, desk, log
        self._told, self._meter, self._pace = told, meter, pace

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
        reading, stored = await self._read()
        now, grace = self._clock.now(), self._pace.grace
        drifts = drifts_of(reading, now=now, grace=grace)
        if odd := astray(drifts):
            resting, fees = await self._resting(odd), await self._fees(odd)
            reading = msgspec.structs.replace(reading, resting=resting, fees=fees)
            drifts = drifts_of(reading, now=now, grace=grace)
        repairs = repairs_of(drifts, reading)
        shards = {each.product: each.shards for each in reading.products}
        changed: dict[DriftKey, Drift] = {}
        events: dict[DriftKey, DeskEvent] = {}
        alarming = 0
        for drift in drifts:
            before = stored.get(drift.key)
            now_known = await self._explained(drift, before)
            if (order := repairs.get(drift.key)) is not None:
                now_known, event = await self._asked(now_known, order, shards.get(drift.product, 1))
                if event is not None:
                    events[drift.key] = event
            alarming += now_known.is_alarming
            if now_known.says_more_than(before.value if before else None):
                changed[drift.key] = now_known
        # What is asked for is written down first; who finds that another task has written, asks for nothing.
        written = await self._positions.save_drifts(
            Stored(drift, stored[key].version if key in stored else 0) for key, drift in changed.items()
        )
        await self._desk.send(event for key, event in events.items() if key in written or key not in changed)
        self._meter.gauge(DRIFTS, len(drifts))
        self._meter.gauge(DRIFTS_ALARMING, alarming)
        gone = stored.keys() - {drift.key for drift in drifts}
        dropped = await self._positions.drop_drifts(stored[key] for key in sorted(gone))
        for key in sorted(written):
            self._tell(changed[key])
        for key in sorted(dropped):
            self._tell_gone(stored[key].value)

    async def _silent(self) -> list[str]:
        """The accounts whose positions no sweep has told lately."""
        oldest = self._clock.now() - FRESH_NS
        facts = await self._facts(self._reference.products)
        return sorted(
            f"{each.venue}/{each.account}"
            for each in accounts_of(self._reference.products)
            if (told := facts.get((each.venue, each.account))) is None or (told.swept or 0) < oldest
        )

    async def _read(self) -> tuple[Reading, Mapping[DriftKey, Stored[Drift]]]:
        products = self._reference.products
        books = {
            product.product: {
                shard: await self._positions.books(product.product, shard) for shard in range(product.shards)
            }
            for product in products
        }
        stored: dict[DriftKey, Stored[Drift]] = {}
        for product in products:
            stored.update(await self._positions.drifts(product.product))
        reading = Reading(
            products=products,
            instruments=self._reference.instruments,
            books=books,
            drifts={key: each.value for key, each in stored.items()},
            # last: an order that a book plans may show in them, so what they show was planned
            facts=await self._facts(products),
        )
        return reading, stored

    async def _facts(self, products: Iterable[Product]) -> Facts:
        venues = sorted({each.venue for each in accounts_of(products)})
        return {
            (venue, account): told
            for venue in venues
            for account, told in (await self._positions.all_positions(venue)).items()
        }

    async def _resting(self, drifts: Iterable[Drift]) -> Resting:
        """What of our own their venues may still fill."""
        accounts = sorted({(each.venue, each.account) for each in drifts})
        found = [
            (order.intent.client, account, order.intent.symbol)
            for venue, account in accounts
            for order in await self._trading.orders.account_pending(Pending.OPEN, venue, account)
        ]
        return frozenset(found)

    async def _fees(self, drifts: Iterable[Drift]) -> Fees:
        """What was taken in the coins that are bought and sold; swaps pay in another."""
        listed = self._reference.instruments
        kinds = ((each, listed.get(each.venue, each.instrument)) for each in drifts)
        clients = {each.client for each, known in kinds if known and known.kind is InstrumentKind.SPOT}
        return {
            (held.product, held.client, held.account.account, held.symbol): fee
            for client in sorted(clients)
            for held in await self._trading.orders.positions(client)
            if (known := listed.get(held.account.venue, held.symbol)) is not None
            and (fee := held.holding.fees.get(known.base))
        }

    async def _explained(self, drift: Drift, before: Stored[Drift] | None) -> Drift:
        """The drift with what was refused, if that may be the reason and was not looked for before."""
        if not drift.wants_explaining or not drift.says_more_than(before.value if before else None):
            return drift
        return reconciling.explain(drift, await self._refusal(drift))

    async def _asked(self, drift: Drift, order: Repair, shards: int) -> tuple[Drift, DeskEvent | None]:
        """The drift as it is asked about, and the event: a new one only when the last is done with.

        Until the last one is in the journal it is sent again, as long as the difference is the same: it may
        have been lost on its way. One that comes later than any order should is denied as stale.
        """
        last, grace = drift.asked, self._pace.grace
        if last is not None:
            event = _event(drift, last, shards)
            row = await self._trading.journal(event.event_id, event.product, event.shard)
            if row is None and drift.off == last.off:
                return drift, event
            if row is not None and row.value.unfinished:
                return drift, None
            if not reconciling.may_ask(drift, planned=row is not None, grace=grace):
                return drift, None
        asked = Asked(
            action=order.action,
            ts=drift.seen,
            quantity=order.quantity,
            reduces=order.reduces,
            off=drift.off,
        )
        return msgspec.structs.replace(drift, asked=asked), _event(drift, asked, shards)

    async def _refusal(self, drift: Drift) -> Refusal | None:
        order = await self._trading.orders.refused(drift.product, drift.client, drift.symbol)
        if order is None:
            return None
        return Refusal(state=order.state, reason=order.intent.reason, ts=order.ts_planned)

    def _tell_gone(self, drift: Drift) -> None:
        tell = self._log.debug if drift.reason.is_quiet else self._log.info
        tell("drift.gone", product=drift.product, client=drift.client, symbol=drift.symbol)

    def _tell(self, drift: Drift) -> None:
        tell = self._log.debug if drift.reason.is_quiet else self._log.info
        if drift.is_alarming:
            tell = self._log.error
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
