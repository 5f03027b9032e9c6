"""What followers hold against what was planned for them: drift, its reason, and the order against it. Pure.

`docs/reconciliation.md` tells the rules. A position belongs to an account; several subscriptions may have
a part of it. What the account holds beyond the sum of their parts is shown at the largest of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from spider_common.domain.held import Held
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.instruments import Instrument, InstrumentKind
from spider_common.domain.orders import CopyState, PositionSide
from spider_common.domain.positions import Book, Part, part_key
from spider_common.domain.products import Account, Correction, FixedRatio, Subscription, copied_side
from spider_common.domain.quantities import ZERO, toward_zero
from spider_common.domain.reasons import Reason

AGAIN: Final = 10
"""So many grace times after an order against drift that changed nothing, another one is asked for."""


class DriftReason(StrEnum):
    """Why a position is not where it should be; `DRIFT_WORDS` has the meaning."""

    SETTLING = "settling"
    IN_DOUBT = "in_doubt"
    OPEN_ORDER = "open_order"
    ROUNDING = "rounding"
    MINIMUM = "minimum"
    REJECTED = "rejected"
    DENIED = "denied"
    SKIPPED = "skipped"
    LEVERAGE_CAP = "leverage_cap"
    MISSING_INSTRUMENT = "missing_instrument"
    NOT_COPIED = "not_copied"
    MANUAL_TRADE = "manual_trade"
    TRANSFER = "transfer"
    LEADER_UNKNOWN = "leader_unknown"

    @property
    def is_alarming(self) -> bool:
        """Whether somebody should look: nothing that we plan will change it."""
        return self in _ALARMING


_UNSETTLED: Final = frozenset({DriftReason.IN_DOUBT, DriftReason.OPEN_ORDER})
_ALARMING: Final = frozenset({DriftReason.REJECTED, DriftReason.MANUAL_TRADE, DriftReason.TRANSFER})

DRIFT_WORDS: Final = {
    DriftReason.SETTLING: "The difference is younger than the grace time: orders may be under way.",
    DriftReason.IN_DOUBT: "An order of the client is in doubt or held behind one.",
    DriftReason.OPEN_ORDER: "A copy of the client rests at the venue; what it will fill is not known yet.",
    DriftReason.ROUNDING: "Less than a lot: what rounding left is made up by a later order.",
    DriftReason.MINIMUM: "Less than the instrument's smallest order.",
    DriftReason.REJECTED: "The venue refused an order; a refused close is made up by the next one.",
    DriftReason.DENIED: "We refused an order of the client.",
    DriftReason.SKIPPED: "There was nothing that could be ordered for the client.",
    DriftReason.LEVERAGE_CAP: "The client's leverage limit keeps it from holding more.",
    DriftReason.MISSING_INSTRUMENT: "The follower's venue does not list the instrument.",
    DriftReason.NOT_COPIED: "The leader held it before the client joined.",
    DriftReason.MANUAL_TRADE: "Somebody else traded the account: its owner, or the venue liquidating it.",
    DriftReason.TRANSFER: "Coins were moved in or out, bought or sold by hand, or taken as a fee.",
    DriftReason.LEADER_UNKNOWN: "The leader holds what our book does not know: from before copying began.",
}


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest order of a client in an instrument that came to nothing, and why."""

    state: CopyState
    reason: str
    ts: int

    @property
    def drift(self) -> DriftReason:
        """What it says of a part that is less than the rule gives."""
        if self.reason == Reason.NO_INSTRUMENT:
            return DriftReason.MISSING_INSTRUMENT
        if "leverage" in self.reason:
            return DriftReason.LEVERAGE_CAP
        return {CopyState.DENIED: DriftReason.DENIED, CopyState.REJECTED: DriftReason.REJECTED}.get(
            self.state, DriftReason.SKIPPED
        )


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one subscription's book plans for a position.

    Attributes:
        symbol, leader_side: the leader's position that it copies.
        ruled: what the rule gives for all that the leader holds; None where that depends on how it came.
        unsettled: why what the account holds may still change by our own orders; None: it will not.
        refusal: see `Refusal`; None if there was none.
    """

    product: ProductId
    client: ClientId
    account: Account
    symbol: str
    leader_side: PositionSide
    part: Part
    ruled: Decimal | None = None
    unsettled: DriftReason | None = None
    refusal: Refusal | None = None
    correction: Correction = Correction.OFF

    def side(self) -> PositionSide:
        """The position of the account that the part lives in."""
        exposure = self.part.planned or self.part.target or self.ruled or ZERO
        return copied_side(self.account, -1 if exposure < 0 else 1)


def claims(product: ProductId, subscription: Subscription, symbol: str, book: Book) -> Iterator[Claim]:
    """What a subscription's book of one of the leader's instruments plans, by the leader's position sides."""
    client = subscription.client
    unsettled = None
    if client in book.waiting:
        unsettled = DriftReason.IN_DOUBT
    elif client in book.resting:
        unsettled = DriftReason.OPEN_ORDER
    for side in PositionSide:
        if side not in book.leader and part_key(client, side) not in book.parts:
            continue
        yield Claim(
            product=product,
            client=client,
            account=subscription.account,
            symbol=symbol,
            leader_side=side,
            part=book.part(client, side),
            ruled=_ruled(subscription, book.leader.get(side, ZERO)),
            unsettled=unsettled,
            correction=Correction.OFF if subscription.left else subscription.correction,
        )


def _ruled(subscription: Subscription, leader: Decimal) -> Decimal | None:
    """What a fixed ratio gives; what other rules give depends on each order's price or the equities then."""
    if subscription.left or not isinstance(subscription.sizing, FixedRatio):
        return None
    ratio = subscription.sizing.ratio * subscription.multiplier
    return leader * (-ratio if subscription.reverse else ratio)


class DriftKey(NamedTuple):
    """Names a drift. `client` is empty for the leader's own position."""

    product: ProductId
    client: ClientId
    symbol: str
    leader_side: PositionSide
    position_side: PositionSide


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last order against a drift: asked for at `ts` (Unix ns) because of `off`."""

    ts: int
    quantity: Decimal
    reduces: bool
    off: Decimal


class Drift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One position of one subscription that is not where it should be. Quantities are signed, in base coin.

    Attributes:
        client: empty for the leader's own position; then `planned` and `target` are what our book knows.
        symbol, leader_side: the leader's position that is copied.
        instrument, position_side: the account's.
        position: what the account holds of it, all subscriptions together.
        held: the part of it that counts as this subscription's.
        planned, target: as in `spider_common.domain.positions.Part`.
        ruled: see `Claim`.
        detail: the code of a refusal, where that is the reason.
        since: when this difference was first looked at, Unix ns; anew once orders cannot change it any more.
        seen: the time of the newest fact that was looked at when this was written.
        asked: see `Asked`.
    """

    product: ProductId
    client: ClientId
    venue: Venue
    account: AccountId
    symbol: str
    leader_side: PositionSide
    instrument: str
    position_side: PositionSide
    position: Decimal
    held: Decimal
    planned: Decimal
    target: Decimal
    ruled: Decimal | None
    reason: DriftReason
    detail: str
    correction: Correction
    since: int
    seen: int
    asked: Asked | None = None

    @property
    def key(self) -> DriftKey:
        return DriftKey(self.product, self.client, self.symbol, self.leader_side, self.position_side)

    @property
    def quantity(self) -> Decimal:
        """Position minus target."""
        return self.held - self.target

    @property
    def off(self) -> Decimal:
        """What is held beyond what was ordered: the difference that our own plans do not know."""
        return self.held - self.planned

    def says_more_than(self, before: "Drift | None") -> bool:
        """Whether it is worth keeping: a newer look at the same is not."""
        return before is None or msgspec.structs.replace(self, seen=before.seen) != before


Known = Mapping[DriftKey, Drift]


def reconcile(
    instrument: Instrument,
    side: PositionSide,
    held: Held | None,
    claims: Sequence[Claim],
    before: Known,
    *,
    now: int,
    grace: int,
) -> tuple[Drift, ...]:
    """The drifts of one position of one account.

    Args:
        held: None: the venue has not told, and what was known before stays.
        claims: all that have a part in the instrument, on whichever side.
        now: when it is looked at, Unix ns.
        grace: a difference is believed when a fact shows it that is so much (ns) younger than the look that
            first did. What was planned shortly before that look is done by then, or in doubt.
    """
    here = [claim for claim in claims if claim.side() is side]
    keys = [_key(claim, side) for claim in claims]
    if held is None or any(key in before and before[key].seen > held.ts for key in keys):
        return tuple(before[key] for key in keys if key in before)
    off = held.quantity - sum((claim.part.planned for claim in here), ZERO)
    if off and not here:
        here = [max(claims, key=_weight)] if claims else []
    largest = max(here, key=_weight, default=None)
    drifts = (
        _drift(instrument, side, held, claim, off if claim is largest else ZERO, before, now, grace)
        for claim in here
    )
    return tuple(drift for drift in drifts if drift is not None)


def _weight(claim: Claim) -> tuple[Decimal, str, str]:
    return abs(claim.part.planned), claim.product, claim.client


def _key(claim: Claim, side: PositionSide) -> DriftKey:
    return DriftKey(claim.product, claim.client, claim.symbol, claim.leader_side, side)


def _drift(
    instrument: Instrument,
    side: PositionSide,
    held: Held,
    claim: Claim,
    off: Decimal,
    before: Known,
    now: int,
    grace: int,
) -> Drift | None:
    part = claim.part if claim.side() is side else Part()
    old = before.get(_key(claim, side))
    unsettled = claim.unsettled if off else None
    since = now
    if old is not None and (old.off, old.planned) == (off, part.planned):
        since = old.since if (old.reason in _UNSETTLED) == (unsettled is not None) else now
    reason, detail = _reason(instrument, claim, part, off)
    if reason is None:
        return None
    if unsettled is not None:
        reason = unsettled
    elif off and held.ts - since < grace:
        reason = DriftReason.SETTLING
    return Drift(
        product=claim.product,
        client=claim.client,
        venue=claim.account.venue,
        account=claim.account.account,
        symbol=claim.symbol,
        leader_side=claim.leader_side,
        instrument=instrument.symbol,
        position_side=side,
        position=held.quantity,
        held=part.planned + off,
        planned=part.planned,
        target=part.target,
        ruled=claim.ruled,
        reason=reason,
        detail=detail,
        correction=claim.correction,
        since=since,
        seen=held.ts,
        asked=old.asked if old is not None else None,
    )


def _reason(instrument: Instrument, claim: Claim, part: Part, off: Decimal) -> tuple[DriftReason | None, str]:
    if off:
        spot = instrument.kind is InstrumentKind.SPOT
        return DriftReason.TRANSFER if spot else DriftReason.MANUAL_TRADE, ""
    refused = claim.refusal
    left = abs(part.planned - part.target)
    if left >= max(instrument.minimum_base, instrument.lot_base):
        if refused is not None:
            return refused.drift, refused.reason
        return DriftReason.REJECTED, ""
    short = ZERO if claim.ruled is None else abs(claim.ruled) - abs(part.target)
    if short >= max(instrument.minimum_base, instrument.lot_base):
        if refused is not None:
            return refused.drift, refused.reason
        return DriftReason.NOT_COPIED, ""
    if not left:
        return None, ""
    return DriftReason.ROUNDING if left < instrument.lot_base else DriftReason.MINIMUM, ""


def without_instrument(claim: Claim, *, now: int, before: Known) -> Drift | None:
    """The drift of a subscription whose venue does not list what the leader holds."""
    if not claim.ruled:
        return None
    old = before.get(_key(claim, PositionSide.NET))
    return Drift(
        product=claim.product,
        client=claim.client,
        venue=claim.account.venue,
        account=claim.account.account,
        symbol=claim.symbol,
        leader_side=claim.leader_side,
        instrument="",
        position_side=PositionSide.NET,
        position=ZERO,
        held=ZERO,
        planned=ZERO,
        target=ZERO,
        ruled=claim.ruled,
        reason=DriftReason.MISSING_INSTRUMENT,
        detail=Reason.NO_INSTRUMENT,
        correction=claim.correction,
        since=old.since if old is not None else now,
        seen=now,
    )


def leader_drift(
    product: ProductId,
    leader: Account,
    symbol: str,
    side: PositionSide,
    *,
    held: Held | None,
    known: Decimal,
    before: Known,
    now: int,
    grace: int,
) -> Drift | None:
    """What a product's leader holds beyond what its book adds up to (`known`)."""
    old = before.get(DriftKey(product, ClientId(""), symbol, side, side))
    if held is None or (old is not None and old.seen > held.ts):
        return old
    if held.quantity == known:
        return None
    same = old is not None and (old.held, old.planned) == (held.quantity, known)
    since = old.since if old is not None and same else now
    return Drift(
        product=product,
        client=ClientId(""),
        venue=leader.venue,
        account=leader.account,
        symbol=symbol,
        leader_side=side,
        instrument=symbol,
        position_side=side,
        position=held.quantity,
        held=held.quantity,
        planned=known,
        target=known,
        ruled=None,
        reason=DriftReason.LEADER_UNKNOWN if held.ts - since >= grace else DriftReason.SETTLING,
        detail="",
        correction=Correction.OFF,
        since=since,
        seen=held.ts,
    )


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """An order against drift: signed base quantity; one that `reduces` opens nothing."""

    quantity: Decimal
    reduces: bool


def repair(drift: Drift, instrument: Instrument) -> Repair | None:
    """The order that takes a drift away, or a first part of it: none passes through zero.

    Only what others did to a swap's position is taken back. What orders of ours may still change is left
    to them, and coins that came or went are the client's own.
    """
    if drift.reason is not DriftReason.MANUAL_TRADE or drift.correction is not Correction.CORRECT:
        return None
    reduces = drift.off * drift.position > 0
    amount = min(abs(drift.off), abs(drift.position)) if reduces else abs(drift.off)
    amount = toward_zero(amount, instrument.lot_base)
    if amount < instrument.minimum_base:
        return None
    return Repair(quantity=amount.copy_sign(-drift.off), reduces=reduces)


def may_ask(drift: Drift, *, grace: int) -> bool:
    """Whether another order may be asked for, once the last one is done: it has helped, or long ago it did
    not."""
    last = drift.asked
    return last is None or drift.off != last.off or drift.seen - last.ts >= AGAIN * grace


def reducing_first(repairs: Iterable[tuple[Drift, Repair]]) -> list[tuple[Drift, Repair]]:
    """The orders that may go now: of a client for whom any reduces, only those."""
    wanted = list(repairs)
    reducing = {drift.client for drift, each in wanted if each.reduces}
    return [(drift, each) for drift, each in wanted if each.reduces or drift.client not in reducing]
