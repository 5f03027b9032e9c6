"""What the order service does with the journal's functions, as steps that take no time.

Each method says where its like is in `services/oms`. Values go in and out by number, so that calls can be
remembered: there are few different ones.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

import msgspec

from spider_common.domain import journal
from spider_common.domain.identifiers import Venue
from spider_common.domain.intents import Action, Cursor, Intent, LeaderEvent, Mirror, mirror_key
from spider_common.domain.journal import JournalRow, Lease
from spider_common.domain.orders import CopyState
from spider_common.domain.positions import Book, LegKind, Part, part_key
from spider_common.domain.quantities import ZERO
from spider_common.domain.reasons import Reason
from tests import strategies
from tests.models import venue
from tests.models.parts import PAST, THROUGH, TICK, Chain, Kept, Rules, Script, Values
from tests.models.venue import Standing

COINS: Final = strategies.spot(Venue.OKX, "BTC-USDT", lot="1")


class Step(NamedTuple):
    """What a pass can do next for one client: in words, the row then, how far the pass is then.

    `lets_go`: it does not wait for its request any more.
    """

    what: str
    local: int
    chain: Chain
    lets_go: bool = False


class Service:
    """The service's decisions for one script under some rules."""

    def __init__(self, script: Script, rules: Rules) -> None:
        self._script, self._rules, self._timing = script, rules, script.timing
        self.rows, self.kept = Values[JournalRow](), Values[Kept]()
        self._events = [_event(number) for number in range(len(script.rows))]
        self._lanes = [_lanes(row) for row in script.rows]
        self.older = cache(self._older)
        self.expiry = cache(self._expiry)
        self.renewed = cache(self._renewed)
        self.taken = cache(self._taken)
        self.planned = cache(self._planned)
        self.saved = cache(self._saved)
        self.fresh = cache(self._fresh)
        self.steps = cache(lambda *where: list(self._steps(*where)))

    def nothing_kept(self) -> int:
        """Book and cursor before the first event; the cursor names all mirrors' orders that will ever be."""
        mirrors: dict[str, Mirror] = {}
        makers = [each for row in self._script.rows for each in row if each.mirrors is not None]
        for intent in makers:
            key = mirror_key(intent.client, intent.leg)
            orders = dict(mirrors[key].orders) if key in mirrors else dict.fromkeys(self._script.there)
            if self._script.makes_order(intent):
                orders[intent.client_order_id] = None
            mirrors[key] = Mirror(orders=orders, quantity=Decimal(1))
        return self.kept.number(Kept(Book(), Cursor(cum_filled=ZERO, ts_venue=0, mirrors=mirrors)))

    def _older(self, number: int) -> int:
        return self._number(self.rows[number], TICK)

    def _number(self, row: JournalRow, passed: int = 0) -> int:
        """Of the row as it is when so much time has passed, without what nothing depends on."""
        lease = Lease(owner="", fence=1, ends=max(row.lease.ends - passed, PAST))
        intents = []
        for intent in row.intents:
            if intent.doubt is not None:
                expires = max(intent.doubt.expires - passed, PAST)
                doubt = msgspec.structs.replace(intent.doubt, expires=expires, why="", since=0)
                intent = msgspec.structs.replace(intent, doubt=doubt)
            intents.append(intent)
        return self.rows.number(msgspec.structs.replace(row, lease=lease, intents=tuple(intents)))

    def _expiry(self, number: int) -> int | None:
        return self._rules.request_expiry(self.rows[number].lease, 0, self._timing)

    def _renewed(self, number: int) -> int | None:
        """`Submitter._with_time`; None: there is time enough."""
        row = self.rows[number]
        if self._expiry(number) is not None and row.lease.ends > self._timing.lease // 2:
            return None
        return self._number(journal.renew(row, 0, self._timing))

    def _taken(self, number: int) -> int | None:
        """`Journal._reopen`; None: it may not be taken over."""
        row = self.rows[number]
        if not row.unfinished or not self._rules.can_take_over(row, 0, self._timing):
            return None
        return self._number(self._rules.take_over(row, "", 0, self._timing))

    def _planned(self, row: int, kept: int) -> tuple[int, int]:
        """`Journal._plan`: the row, and what is kept with it. A sale of what is not planned is skipped."""
        book, intents = self.kept[kept].book, []
        if not self._rules.newest_book:
            book = Book(parts=book.parts)
        for intent in self._script.rows[row]:
            part = book.part(intent.client, intent.leader_side)
            if intent.leg is LegKind.CLOSE and part.planned < intent.quantity:
                intents.append(msgspec.structs.replace(intent, state=CopyState.SKIPPED))
                continue
            intents.append(intent)
            moved = Part(target=part.target + intent.counts, planned=part.planned + intent.counts)
            book = book.with_parts({part_key(intent.client, intent.leader_side): moved})
        queued, book = self._rules.queue_up(intents, book, self._events[row])
        lease = journal.first_lease("", 0, self._timing)
        made = JournalRow(event=self._events[row], intents=queued, lease=lease, ts_received=0, ts_planned=0)
        return self._number(made), self.kept.number(Kept(book, self.kept[kept].cursor))

    def _saved(self, row: int, kept: int, read: int, local: int) -> int:
        """`record`: what is kept when a row is written."""
        book, cursor = self.kept[kept].book, self.kept[kept].cursor
        pairs = zip(self.rows[read].intents, self.rows[local].intents, strict=True)
        moved = [(old, new) for old, new in pairs if old != new]
        for old, new in moved:
            if journal.touches_book(new):
                book = self._rules.settle(book, self._events[row].event_id, old, new)
        for old, new in moved:
            if journal.never_made(old, new):
                cursor, book = self._rules.finish(cursor, book, new, new.client_order_id, ZERO)
        return self.kept.number(Kept(book, cursor))

    def _fresh(self, row: int, number: int) -> tuple[Chain, ...]:
        """The beginning of a pass."""
        intents = self.rows[number].intents
        return tuple(_next(intents, lane, -1) for lane in self._lanes[row])

    def _steps(
        self, row: int, lane: int, chain: Chain, read: int, local: int, kept: int, shown: Standing
    ) -> Iterator[Step]:
        """`Submitter._advance_client`. `shown`: what a query shows of the order that would be asked for."""
        intent = self.rows[local].intents[chain.place]
        for what, after, lets_go in self._outcomes(chain, intent, read, local, kept, shown):
            what = f"{what} {intent.client_order_id}"
            if isinstance(after, Chain):
                yield Step(what, local, after, lets_go)
                continue
            changed = {intent.client_order_id: after}
            following = THROUGH
            if after.state.is_submitted:
                following = _next(self.rows[local].intents, self._lanes[row][lane], chain.place)
            else:
                for place in self._lanes[row][lane]:
                    other = self.rows[local].intents[place]
                    if place > chain.place and other.state is CopyState.PLANNED:
                        changed[other.client_order_id] = journal.hold(other)
            released = (intent.state, after.state) == (CopyState.HELD, CopyState.PLANNED)
            if released and not self._rules.release_is_written:
                following = chain
            yield Step(what, self._number(self.rows[local].with_intents(changed)), following, lets_go)

    def _outcomes(
        self, chain: Chain, intent: Intent, read: int, local: int, kept: int, shown: Standing
    ) -> Iterator[tuple[str, Intent | Chain, bool]]:
        """`Submitter._step`: in words, what becomes of the intent or of the request for it."""
        if chain.waits:
            yield from self._hearing(chain, intent)
        elif intent.state is CopyState.HELD:
            yield from self._releasing(intent, kept)
        elif intent.state is CopyState.IN_DOUBT:
            yield from self._asking(intent, shown)
        else:
            yield from self._sending(chain, intent, read, local)

    def _hearing(self, chain: Chain, intent: Intent) -> Iterator[tuple[str, Intent | Chain, bool]]:
        """The second half of `Submitter._send`."""
        in_doubt = journal.doubt(intent, why="", expires=chain.expiry, now=0)
        if chain.answer == "yes":
            yield "hears yes of", journal.accept(intent, None), False
        elif chain.answer and chain.unheard and self._rules.asks_who_cancelled:
            yield f"hears {chain.answer}, and nothing before, of", in_doubt, False
        elif chain.answer:
            yield f"hears {chain.answer} of", journal.reject(intent, chain.answer), False
        if intent.client in self._script.calm:
            return
        if intent.action in self._rules.sent_again:
            yield (
                "hears nothing and asks again for",
                chain._replace(waits=False, answer="", unheard=True),
                True,
            )
        yield "hears nothing of", in_doubt, True

    def _releasing(self, intent: Intent, kept: int) -> Iterator[tuple[str, Intent, bool]]:
        """`Submitter._release`."""
        book = self.kept[kept].book
        if not self._rules.may_release(book, intent):
            yield "still holds", intent, False
            return
        covered = self._rules.cover(book, intent, COINS) if intent.leg is LegKind.CLOSE else intent
        if covered.state is CopyState.HELD:
            yield "releases", journal.release(covered), False
        else:
            yield "has nothing to sell with", covered, False

    def _asking(self, intent: Intent, shown: Standing) -> Iterator[tuple[str, Intent, bool]]:
        """`Submitter._ask`."""
        fact = venue.fact_of(shown)
        replaces = self._script.replaces and intent.action is Action.AMEND
        if fact is not None and (replaces or self._rules.is_done(intent, fact)):
            yield f"is told by {intent.client}'s venue of", self._rules.found(intent, fact), False
        else:
            missed = self._rules.miss(intent, 0, self._timing)
            yield f"is told by {intent.client}'s venue that it has not", missed, False
        if intent.client not in self._script.calm:
            yield "gets no answer about", intent, False

    def _sending(
        self, chain: Chain, intent: Intent, read: int, local: int
    ) -> Iterator[tuple[str, Intent | Chain, bool]]:
        """The first half of `Submitter._send`."""
        is_cancel, whims = intent.action is Action.CANCEL, intent.client not in self._script.calm
        if not is_cancel and not self._rules.is_free(self.rows[local], intent):
            yield "may not send", journal.deny(intent, Reason.NOT_AMENDABLE), False
            return
        if whims and self._script.whims and not is_cancel:
            yield "drops as stale", journal.deny(intent, Reason.STALE_SIGNAL), False
            if intent.action is Action.PLACE:
                yield "has no budget for", journal.hold(intent), False
        expiry = self._expiry(read)
        if expiry is not None:
            yield "sends", chain._replace(waits=True, expiry=expiry), False
        elif chain.unheard and self._rules.asks_who_cancelled:
            unheard = journal.doubt(intent, why="", expires=chain.expiry, now=0)
            yield "has no time to ask again for", unheard, False
        else:
            yield "has no time for", intent, False


def _next(intents: tuple[Intent, ...], lane: tuple[int, ...], after: int) -> Chain:
    for place in lane:
        if place > after and not intents[place].state.is_submitted:
            return Chain(place)
    return THROUGH


def _lanes(row: tuple[Intent, ...]) -> tuple[tuple[int, ...], ...]:
    clients = dict.fromkeys(intent.client for intent in row)
    return tuple(
        tuple(place for place, intent in enumerate(row) if intent.client == client) for client in clients
    )


def _event(number: int) -> LeaderEvent:
    fact = strategies.fact(ts_venue=strategies.TS + number)
    return LeaderEvent(product=strategies.intent().product, shard=0, shards=1, fact=fact)
