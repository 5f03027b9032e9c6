"""A follower order as the desk keeps it: what it copies, what was asked for, what it has come to."""

from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.executions import Execution, OrderProgress
from spider_common.domain.identifiers import AccountId, EventId, Venue, VenueOrderId
from spider_common.domain.intents import Action, Intent, LeaderEvent
from spider_common.domain.journal import JournalRow
from spider_common.domain.orders import CopyState, OrderFact

_BPS: Final = 10_000
_REFUSED: Final = frozenset({CopyState.REJECTED, CopyState.DENIED, CopyState.SKIPPED})


class LeaderOrderRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A leader's order at its venue."""

    venue: Venue
    account: AccountId
    venue_order_id: VenueOrderId


class FollowerOrder(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One intent of the journal and all that became of it: a line of the blotter.

    Two write it, each its own part, and neither needs the other's: the copier `intent`, whoever counts
    executions `progress`.

    Attributes:
        event, shard, symbol: the journal row it is from; `symbol` is the leader's and names the book.
        leader: the order it copies; None when the desk itself asked for it.
        cause: what it copies, in words.
        ts_signal: when the leader's venue had it; ts_seen: when we read it; ts_received: when its message
            came; ts_planned. All Unix ns.
        intent: as the journal had it at version `revision` of its row.
    """

    event: EventId
    shard: int
    symbol: str
    leader: LeaderOrderRef | None
    cause: str
    ts_signal: int
    ts_seen: int
    ts_received: int
    ts_planned: int
    intent: Intent
    revision: int
    progress: OrderProgress = OrderProgress()

    def submitted(self, intent: Intent, revision: int) -> "FollowerOrder":
        """With what a later version of the journal row says; an older one changes nothing."""
        if revision <= self.revision:
            return self
        return msgspec.structs.replace(self, intent=intent, revision=revision)

    def observe(self, fact: OrderFact) -> "FollowerOrder":
        return msgspec.structs.replace(self, progress=self.progress.observe(fact))

    def execute(self, execution: Execution) -> "FollowerOrder":
        """With an execution that was not counted before."""
        return msgspec.structs.replace(self, progress=self.progress.execute(execution))

    @property
    def state(self) -> CopyState:
        """Where it stands: what its venue has told of it, else what has become of its submission."""
        told, filled = self.progress.state, self.progress.cum_filled
        if filled and told in {CopyState.PLANNED, CopyState.ACCEPTED}:  # a fill proves what no fact has told
            return CopyState.FILLED if filled >= self.intent.quantity else CopyState.PARTIALLY_FILLED
        if not filled and (told is CopyState.PLANNED or self.intent.state in _REFUSED):
            return self.intent.state
        return told

    @property
    def is_over(self) -> bool:
        """Nothing more will come of it. An amendment or a cancel is over once the venue has taken it."""
        acted = self.intent.action is not Action.PLACE and self.state is CopyState.ACCEPTED
        return acted or self.state.is_final

    @property
    def slippage_bps(self) -> Decimal | None:
        """How much worse than the leader's its price is, in hundredths of a percent; better is negative."""
        price, leaders = self.progress.average_price, self.intent.reference_price
        if price is None or not leaders:
            return None
        return self.intent.side.sign * (price - leaders) / leaders * _BPS

    @property
    def ns_to_answer(self) -> int | None:
        """From the leader's push read to the answer to its last request."""
        return self.intent.ts_answered - self.ts_seen if self.intent.ts_answered else None

    @property
    def ns_to_fill(self) -> int | None:
        """From the leader's trade to its own first fill, each by its venue's clock: the copy's latency."""
        return self.progress.ts_first_fill - self.ts_signal if self.progress.ts_first_fill else None


def follower_order(row: JournalRow, intent: Intent, revision: int) -> FollowerOrder:
    """An intent as its journal row has it at version `revision`; nothing has been told of it yet."""
    event = row.event
    leader = None
    if isinstance(event, LeaderEvent):
        fact = event.fact
        leader = LeaderOrderRef(venue=fact.venue, account=fact.account, venue_order_id=fact.venue_order_id)
    return FollowerOrder(
        event=event.event_id,
        shard=event.shard,
        symbol=event.symbol,
        leader=leader,
        cause=event.cause,
        ts_signal=event.ts_signal,
        ts_seen=event.ts_seen,
        ts_received=row.ts_received,
        ts_planned=row.ts_planned,
        intent=intent,
        revision=revision,
    )
