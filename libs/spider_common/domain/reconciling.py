"""What followers hold against what was planned for them: drift, its reason, and the order against it. Pure.

`docs/reconciliation.md` tells the rules. A position belongs to an account; several subscriptions may have
a part of it. What the account holds beyond the sum of their parts is shown at the largest of them.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain.claims import Claim
from spider_common.domain.drift import Drift, DriftKey, DriftReason, Known, Refusal
from spider_common.domain.held import Held
from spider_common.domain.identifiers import ClientId, ProductId
from spider_common.domain.instruments import Instrument, InstrumentKind
from spider_common.domain.intents import DeskAction
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Part
from spider_common.domain.products import Account, Correction
from spider_common.domain.quantities import ZERO, toward_zero

AGAIN: Final = 10
"""So many grace times after an order against drift that changed nothing, another one is asked for."""
_REFUSED: Final = frozenset({DriftReason.REJECTED, DriftReason.DENIED, DriftReason.SKIPPED})
_UNSETTLED: Final = frozenset({DriftReason.IN_DOUBT, DriftReason.OPEN_ORDER})


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
    off = held.quantity - sum((claim.expected for claim in here), ZERO)
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
    part, fees = (claim.part, claim.fees) if claim.side() is side else (Part(), ZERO)
    old = before.get(_key(claim, side))
    unsettled = claim.unsettled if off else None
    since = now
    if old is not None and (old.off, old.planned) == (off, part.planned):
        since = old.since if (old.reason in _UNSETTLED) == (unsettled is not None) else now
    refusal = None
    if old is not None and (old.planned, old.target, old.ruled) == (part.planned, part.target, claim.ruled):
        refusal = old.refusal
    reason = _reason(instrument, claim, part, off, refusal)
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
        held=part.planned + fees + off,
        planned=part.planned,
        target=part.target,
        fees=fees,
        ruled=claim.ruled,
        reason=reason,
        correction=claim.correction,
        since=since,
        seen=held.ts,
        refusal=refusal,
        asked=old.asked if old is not None else None,
    )


def _reason(
    instrument: Instrument, claim: Claim, part: Part, off: Decimal, refusal: Refusal | None
) -> DriftReason | None:
    if abs(off) >= instrument.lot_base:
        return DriftReason.TRANSFER if instrument.kind is InstrumentKind.SPOT else DriftReason.MANUAL_TRADE
    left = abs(part.planned - part.target) + abs(off)
    if left >= instrument.minimum_base:
        return DriftReason.REJECTED if refusal is None else refusal.drift
    short = ZERO if claim.ruled is None else abs(claim.ruled) - abs(part.target)
    if short >= instrument.minimum_base:
        return DriftReason.NOT_COPIED if refusal is None else refusal.drift
    if not left:
        return None
    return DriftReason.ROUNDING if left < instrument.lot_base else DriftReason.MINIMUM


def explain(drift: Drift, refusal: Refusal | None) -> Drift:
    """The drift with the newest order of the client in the instrument that came to nothing, if any did."""
    if refusal is None:
        return drift
    return msgspec.structs.replace(drift, reason=refusal.drift, refusal=refusal)


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
        fees=ZERO,
        ruled=claim.ruled,
        reason=DriftReason.MISSING_INSTRUMENT,
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
        fees=ZERO,
        ruled=None,
        reason=DriftReason.LEADER_UNKNOWN if held.ts - since >= grace else DriftReason.SETTLING,
        correction=Correction.OFF,
        since=since,
        seen=held.ts,
    )


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """An order against drift: signed base quantity; one that `reduces` opens nothing.

    CORRECT: of that quantity. CATCH_UP: of what the part lacks when it is planned.
    """

    action: DeskAction
    quantity: Decimal
    reduces: bool


def repair(drift: Drift, instrument: Instrument) -> Repair | None:
    """The order that takes a drift away, or a first part of it: none passes through zero.

    Closes of ours that were refused are made up for, and what others did to a swap's position is taken
    back. What orders of ours may still change is left to them, and coins that came or went are the client's.
    """
    if drift.correction is not Correction.CORRECT:
        return None
    if drift.reason in _REFUSED and not drift.off:
        missed = drift.target - drift.planned
        enough = abs(missed) >= instrument.minimum_base
        if not enough or missed * drift.planned >= 0 or drift.target * drift.planned < 0:
            return None
        return Repair(action=DeskAction.CATCH_UP, quantity=missed, reduces=True)
    if drift.reason is not DriftReason.MANUAL_TRADE:
        return None
    reduces = drift.off * drift.position > 0
    amount = min(abs(drift.off), abs(drift.position)) if reduces else abs(drift.off)
    amount = toward_zero(amount, instrument.lot_base)
    if amount < instrument.minimum_base:
        return None
    quantity = amount.copy_sign(-drift.off)
    return Repair(action=DeskAction.CORRECT, quantity=quantity, reduces=reduces)


def may_ask(drift: Drift, *, planned: bool, grace: int) -> bool:
    """Whether another order may be asked for: the last one has helped, or was so long ago that it has not.

    `planned`: the last one was, and is done. One that nobody has planned may still be on its way.
    """
    last = drift.asked
    if last is None or (planned and drift.off != last.off):
        return True
    return drift.seen - last.ts >= AGAIN * grace


def reducing_first(repairs: Iterable[tuple[Drift, Repair]]) -> list[tuple[Drift, Repair]]:
    """The orders that may go now: of a client for whom any reduces, only those."""
    wanted = list(repairs)
    reducing = {drift.client for drift, each in wanted if each.reduces}
    return [(drift, each) for drift, each in wanted if each.reduces or drift.client not in reducing]
