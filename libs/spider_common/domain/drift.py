"""Drift: a position that is not where it should be, and why. `docs/reconciliation.md` tells the reasons."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.intents import DeskAction
from spider_common.domain.orders import CopyState, PositionSide
from spider_common.domain.products import Correction
from spider_common.domain.reasons import Reason


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
    def is_quiet(self) -> bool:
        """Whether it comes and goes with each order, and says nothing of anybody."""
        return self in _QUIET

    @property
    def is_alarming(self) -> bool:
        """Whether it is a reason for somebody to look: nothing that we plan will change it."""
        return self in _ALARMING


_ALARMING: Final = frozenset({DriftReason.REJECTED, DriftReason.MANUAL_TRADE, DriftReason.TRANSFER})

_QUIET: Final = frozenset({DriftReason.SETTLING, DriftReason.ROUNDING, DriftReason.MINIMUM})
_OF_ORDERS: Final = frozenset({DriftReason.REJECTED, DriftReason.NOT_COPIED})

DRIFT_WORDS: Final = {
    DriftReason.SETTLING: "The difference is younger than the grace time: orders may be under way.",
    DriftReason.IN_DOUBT: "An order of the client is in doubt or held behind one.",
    DriftReason.OPEN_ORDER: "A copy of the client rests at the venue; what it will fill is not known yet.",
    DriftReason.ROUNDING: "Less than a lot: what rounding left is made up by a later order.",
    DriftReason.MINIMUM: "Less than the instrument's smallest order.",
    DriftReason.REJECTED: "The venue refused an order or filled less; a later close makes up for a close.",
    DriftReason.DENIED: "We refused an order of the client.",
    DriftReason.SKIPPED: "There was nothing that could be ordered for the client.",
    DriftReason.LEVERAGE_CAP: "The client's leverage limit keeps it from holding more.",
    DriftReason.MISSING_INSTRUMENT: "The follower's venue does not list the instrument.",
    DriftReason.NOT_COPIED: "The leader held it before the client joined.",
    DriftReason.MANUAL_TRADE: "Somebody else traded the account: its owner, or the venue liquidating it.",
    DriftReason.TRANSFER: "Coins were moved in or out, or bought or sold by hand.",
    DriftReason.LEADER_UNKNOWN: "The leader holds what our book does not know: from before copying began.",
}


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The newest order of a client in an instrument, which came to nothing or was not filled whole."""

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
        return {CopyState.DENIED: DriftReason.DENIED, CopyState.SKIPPED: DriftReason.SKIPPED}.get(
            self.state, DriftReason.REJECTED
        )


class DriftKey(NamedTuple):
    """Names a drift. `client` is empty for the leader's own position."""

    product: ProductId
    client: ClientId
    symbol: str
    leader_side: PositionSide
    position_side: PositionSide


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last order against a drift: asked for at `ts` (Unix ns) because of `off`."""

    action: DeskAction
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
        fees, ruled: see `spider_common.domain.claims.Claim`.
        refusal: see `Refusal`, where that is the reason.
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
    fees: Decimal
    ruled: Decimal | None
    reason: DriftReason
    correction: Correction
    since: int
    seen: int
    refusal: Refusal | None = None
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
        """What is held beyond what was ordered, less fees: the difference that our own orders do not know."""
        return self.held - self.planned - self.fees

    @property
    def is_alarming(self) -> bool:
        """Whether somebody should look: nothing that we plan will change it. More coins do no harm."""
        alarming = self.reason.is_alarming and self.correction is not Correction.OFF
        return alarming and not (self.reason is DriftReason.TRANSFER and self.off > 0)

    @property
    def wants_explaining(self) -> bool:
        """Whether an order of ours that came to nothing may be the reason, and none is known."""
        return self.reason in _OF_ORDERS and self.refusal is None

    def says_more_than(self, before: "Drift | None") -> bool:
        """Whether it is worth keeping: a newer look at the same is not."""
        return before is None or msgspec.structs.replace(self, seen=before.seen) != before


Known = Mapping[DriftKey, Drift]
