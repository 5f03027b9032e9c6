"""Sending what is planned: budget, expiry, request, outcome.

One *pass* over a row takes every client a step further, all clients at once and each client's orders
in their sequence. The first pass sends what was planned; `resolve` makes further passes while
something is in doubt or held.
"""

import math
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from itertools import groupby
from typing import Final

import msgspec
import trio
from structlog.typing import FilteringBoundLogger

from services.oms.leverage import Leverages
from services.oms.measures import measure, stages
from services.oms.record import record
from services.oms.reference import Reference
from spider_common.clock import NS_PER_S, Clock
from spider_common.domain import journal
from spider_common.domain.identifiers import ClientOrderId, EventId, Venue
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.intents import Action, Intent
from spider_common.domain.journal import JournalRow, Timing
from spider_common.domain.orders import CopyState
from spider_common.domain.positions import Book, LegKind
from spider_common.domain.reasons import Reason
from spider_common.sdk.pool import Limits as HttpLimits
from spider_common.secret import Credentials
from spider_common.stores.documents import Stored
from spider_common.stores.secrets import Secrets, SecretsUnavailable
from spider_common.stores.table import TableError
from spider_common.stores.trading import TradingStore
from spider_common.telemetry.metrics import Meter
from spider_common.venues.outcomes import (
    Accepted,
    Found,
    NotFound,
    Outcome,
    RateLimited,
    Refused,
    Rejected,
    Unknown,
    Unsent,
)
from spider_common.venues.venue import VenueClient

TRIES: Final = 5
"""Requests without effect in a row, after which the resolver takes over: about a second."""
RESEND_AFTER_S: Final = 0.2
"""Pause after a request that surely had no effect, so that a closed venue is not hammered."""
WRITE_AGAIN_S: Final = 0.5
AT_ONCE: Final = HttpLimits().per_host
"""Orders under way at a venue: as many as there are connections to it. One that had to wait for a
connection would have been signed, and given its expiry, too early."""


class Submitter:
    """Takes rows of this worker forward."""

    def __init__(
        self,
        *,
        timing: Timing,
        clock: Clock,
        venues: Mapping[Venue, VenueClient],
        secrets: Secrets,
        trading: TradingStore,
        reference: Reference,
        meter: Meter,
        log: FilteringBoundLogger,
    ) -> None:
        self._timing, self._clock, self._venues, self._secrets = timing, clock, venues, secrets
        self._trading, self._reference, self._meter, self._log = trading, reference, meter, log
        self._leverages = Leverages(clock=clock, venues=venues, log=log)
        self._lanes = {venue: trio.Semaphore(AT_ONCE) for venue in venues}

    async def advance(
        self, stored: Stored[JournalRow], *, patience_s: float = math.inf
    ) -> Stored[JournalRow]:
        """One pass over the row's unfinished intents, with its results written.

        Args:
            patience_s: how long an order may wait for its rate budget before it is held, so that who has
                budget does not wait for who has none.

        Raises:
            Fenced: another worker has the row now.
            TableError: the table does not answer; nothing was sent in this pass.
        """
        stored = await self._with_time(stored)
        row = stored.value
        book = Book()
        if any(intent.state is CopyState.HELD for intent in row.unfinished):
            held = await self._trading.book(row.event.product, row.event.shard, row.event.symbol)
            book = held.value
        changed: dict[ClientOrderId, Intent] = {}
        await self._secrets.read_ahead([intent.account.account for intent in row.unfinished])
        async with trio.open_nursery() as nursery:
            for _, queue in groupby(row.unfinished, key=lambda intent: intent.client):
                intents = tuple(queue)
                account = intents[0].account
                name = f"oms.copy[{account.venue}/{account.account}]"
                advance = partial(self._advance_client, row, book, intents, changed, patience_s)
                nursery.start_soon(advance, name=name)
        if not changed:
            return stored
        after = row.with_intents(changed)
        event_id = row.event.event_id  # a hash, which is not made for each of them
        for intent in changed.values():
            self._tell(row, event_id, intent)
        return await self._write(stored, after)

    async def _write(self, stored: Stored[JournalRow], after: JournalRow) -> Stored[JournalRow]:
        """Writes what a pass has learned, however long it takes: to forget it and send again would double.

        If this worker dies here, the next owner finds the orders as planned and asks the venue.
        """
        while True:
            try:
                return await record(self._trading, stored, after)
            except TableError as error:
                self._log.warning("journal.unwritten", event_id=after.event.event_id, error=str(error))
                await trio.sleep(WRITE_AGAIN_S)

    async def _with_time(self, stored: Stored[JournalRow]) -> Stored[JournalRow]:
        """The row with a lease that has more than half of its time left, and room for a request."""
        lease, now = stored.value.lease, self._clock.now()
        roomy = journal.request_expiry(lease, now, self._timing) is not None
        if roomy and lease.ends - now > self._timing.lease // 2:
            return stored
        return await record(self._trading, stored, journal.renew(stored.value, now, self._timing))

    async def _advance_client(
        self,
        row: JournalRow,
        book: Book,
        intents: tuple[Intent, ...],
        changed: dict[ClientOrderId, Intent],
        patience_s: float,
    ) -> None:
        """Takes one client's orders in sequence, as far as each one's outcome allows the next."""
        blocked = False
        for intent in intents:
            if not blocked:
                # what is in the place of an order wants to know what has become of that one's cancel
                so_far = row if intent.acts_on is None else row.with_intents(changed)
                after = await self._step(so_far, book, intent, patience_s)
                blocked = not after.state.is_submitted
            else:  # it was not sent: it waits for the one before it
                after = journal.hold(intent) if intent.state is CopyState.PLANNED else intent
            if after != intent:
                changed[intent.client_order_id] = after
                measure(self._meter, row, intent, after)

    async def _step(self, row: JournalRow, book: Book, intent: Intent, patience_s: float) -> Intent:
        if intent.state is CopyState.HELD:
            return self._release(book, intent)
        try:
            credentials = await self._secrets.credentials(intent.account.account)
        except SecretsUnavailable as error:
            self._log.warning("credentials.unavailable", account=intent.account.account, error=str(error))
            await trio.sleep(RESEND_AFTER_S)
            return intent
        if credentials is None:
            if intent.state is CopyState.IN_DOUBT:
                return intent  # without a key nobody can be asked; the doubt stays
            return journal.deny(intent, Reason.NO_CREDENTIALS)
        if intent.state is CopyState.IN_DOUBT:
            return await self._ask(intent, credentials)
        return await self._send(row, intent, credentials, patience_s)

    def _release(self, book: Book, intent: Intent) -> Intent:
        """A held order whose turn it is; a sale of coins only as far as there is something to sell."""
        if not journal.may_release(book, intent):
            return intent
        listed = self._venues[intent.account.venue].known_instruments.get(intent.account.venue, intent.symbol)
        if listed is not None and listed.kind is InstrumentKind.SPOT and intent.leg is LegKind.CLOSE:
            intent = journal.cover(book, intent, listed)
        return journal.release(intent) if intent.state is CopyState.HELD else intent

    async def _send(
        self, row: JournalRow, intent: Intent, credentials: Credentials, patience_s: float
    ) -> Intent:
        """Sends a planned order until something is known, or the lease has no time left for a request.

        A venue that takes nothing for a while must not hold up the other clients of the message: the
        order is then looked after like one in doubt, and sent again once the venue has said that it has none.
        """
        client = self._venues[intent.account.venue]
        last = intent.requests + TRIES
        unheard: int | None = None  # until when a cancel whose answer did not come may be carried out
        while True:
            if held_up := await self._held_up(row, intent, credentials, patience_s):
                return held_up
            is_new = intent.action is Action.PLACE
            async with self._lanes[intent.account.venue] if is_new else nullcontext():
                now = self._clock.now()
                if refused := self._refusal(row, intent, now):
                    return journal.deny(intent, refused)
                expires = journal.request_expiry(row.lease, now, self._timing)
                if expires is None:
                    return intent if unheard is None else _unheard(intent, expires=unheard, now=now)
                outcome = await self._ask_for(client, credentials, intent, expires)
            intent = msgspec.structs.replace(
                intent, requests=intent.requests + 1, ts_sent=now, ts_answered=self._clock.now()
            )
            if isinstance(outcome, Unknown) and intent.action is Action.CANCEL:
                # asked for twice it is one cancel all the same
                outcome, unheard = Unsent(outcome.why), expires
            match outcome:
                case Accepted(venue_order_id=venue_order_id):
                    return journal.accept(intent, venue_order_id)
                case Rejected() if unheard is not None:  # the order may be gone by that very cancel
                    return _unheard(intent, expires=expires, now=self._clock.now())
                case Rejected(code=code, reason=reason):
                    return journal.reject(intent, f"{code} {reason}")
                case Refused(reason=reason):
                    return journal.deny(intent, reason)
                case Unknown(why=why):
                    return journal.doubt(intent, why=why, expires=expires, now=self._clock.now())
                case Unsent(why=why) | RateLimited(why=why) if intent.requests >= last:
                    return journal.doubt(intent, why=why, expires=expires, now=self._clock.now())
                case Unsent(why=why):
                    self._log.info("order.unsent", order=intent.client_order_id, why=why)
                    await trio.sleep(RESEND_AFTER_S)
                case RateLimited(until=until, why=why):
                    self._log.info("order.rate_limited", order=intent.client_order_id, why=why)
                    await trio.sleep(max(until - self._clock.now(), 0) / NS_PER_S)

    async def _held_up(
        self, row: JournalRow, intent: Intent, credentials: Credentials, patience_s: float
    ) -> Intent | None:
        """What becomes of a new order whose rate budget or leverage is not to be had now; None: it may go."""
        if intent.action is not Action.PLACE:
            return None
        client = self._venues[intent.account.venue]
        if not await client.ready_to_place(intent.request, patience_s=patience_s):
            return journal.hold(intent)
        until = min(self._clock.now() + self._timing.window, row.lease.ends - self._timing.margin)
        match await self._leverages.ready(intent, credentials, until=until):
            case Accepted():
                return None
            case Refused(reason=reason):
                return journal.deny(intent, reason)
            case Unknown():
                return journal.hold(intent)

    async def _ask_for(
        self, client: VenueClient, credentials: Credentials, intent: Intent, expires: int
    ) -> Outcome:
        match intent.action:
            case Action.PLACE:
                return await client.place(credentials, intent.request, expires=expires)
            case Action.AMEND:
                return await client.amend(credentials, intent.amendment, expires=expires)
            case Action.CANCEL:
                return await client.cancel(credentials, intent.ref, expires=expires)

    async def _ask(self, intent: Intent, credentials: Credentials) -> Intent:
        """Asks the venue for an order in doubt."""
        asked, client = self._clock.now(), self._venues[intent.account.venue]
        replaces = intent.action is Action.AMEND and intent.account.venue in self._reference.replacing
        ref = msgspec.structs.replace(intent, acts_on=None).ref if replaces else intent.ref
        match await client.find(credentials, ref):
            case Found(fact=fact) if replaces or journal.is_done(intent, fact):
                return journal.found(intent, fact)
            case Found() | NotFound():
                return journal.miss(intent, asked, self._timing)
            case Unknown():
                return intent

    def _refusal(self, row: JournalRow, intent: Intent, now: int) -> Reason | None:
        """Why an order may not be sent (any more), as things are now. What takes back may always go."""
        if intent.action is Action.CANCEL:
            return None
        state = self._reference.controls.state(intent.product, intent.client)
        if refusal := state.refusal(opens=intent.leg is LegKind.OPEN):
            return refusal
        if not journal.is_free(row, intent):
            return Reason.NOT_AMENDABLE
        product = self._reference.product(intent.product)
        if product is None:
            return Reason.TRADING_OFF
        if not journal.is_fresh(intent, row.event, now, product.max_signal_age_ms):
            return Reason.STALE_SIGNAL
        return None

    def _tell(self, row: JournalRow, event_id: EventId, intent: Intent) -> None:
        """The canonical line of one copy."""
        took = stages(row, intent)
        self._log.info(
            "copy",
            event_id=event_id,
            order=intent.client_order_id,
            product=intent.product,
            client=intent.client,
            account=intent.account.account,
            symbol=intent.symbol,
            action=intent.action,
            side=intent.side,
            quantity=str(intent.quantity),
            state=intent.state,
            reason=intent.reason or (intent.doubt.why if intent.doubt else ""),
            requests=intent.requests,
            fence=row.lease.fence,
            latency_ms=took.in_ms if took else None,
        )


def _unheard(cancel: Intent, *, expires: int, now: int) -> Intent:
    """A cancel that was sent without an answer: the venue is to be asked whether the order was taken back."""
    return journal.doubt(cancel, why="a cancel was not answered", expires=expires, now=now)
