"""What of a follower's account belongs to which subscription, and how a leader's fill moves it.

For each product, shard and leader instrument there is one `Book`. It says what the leader's copied
fills add up to, and for each client what its share should be (`target`, exact) and what its orders
have been planned to make of it (`planned`, whole lots). The difference that rounding leaves is carried
in the target and made up by a later order, so the copies never stray from the rule by a lot or more.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from spider_common.domain.identifiers import ClientId, ClientOrderId, EventId, VenueOrderId
from spider_common.domain.orders import PositionSide
from spider_common.domain.quantities import ZERO


class LegKind(StrEnum):
    OPEN = "open"
    CLOSE = "close"


class Leg(msgspec.Struct, frozen=True):
    """A part of a leader's fill that only opens or only closes: its position, signed, before and after."""

    kind: LegKind
    before: Decimal
    after: Decimal


def legs_of(
    position: Decimal, change: Decimal, *, position_side: PositionSide, reduce_only: bool
) -> tuple[Leg, ...]:
    """Splits a signed change of the leader's position into at most a close and an open.

    A close of more than `position` is cut: the rest closes what was there before we began to copy.
    Only a net-mode order that may increase passes through zero and opens the other side.
    """
    legs = []
    closing = min(abs(change), abs(position)) if position * change < 0 else ZERO
    if closing:
        after = position + closing.copy_sign(change)
        legs.append(Leg(LegKind.CLOSE, position, after))
        position = after
    rest = abs(change) - closing
    own_sign = {PositionSide.LONG: 1, PositionSide.SHORT: -1, PositionSide.NET: 0}[position_side]
    opens = not reduce_only if own_sign == 0 else change * own_sign > 0
    if rest and opens:
        legs.append(Leg(LegKind.OPEN, position, position + rest.copy_sign(change)))
    return tuple(legs)


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subscription's part of a position, signed, base quantity."""

    target: Decimal = ZERO
    planned: Decimal = ZERO

    def follow(self, leg: Leg, ratio: Decimal) -> "Part":
        """The part with its target moved as the rule wants: opens scale, closes are proportional."""
        if leg.kind is LegKind.OPEN:
            target = self.target + ratio * (leg.after - leg.before)
        elif leg.after == 0:
            target = ZERO
        else:
            target = self.target * leg.after / leg.before
        return msgspec.structs.replace(self, target=target)


class Waiting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order in a client's queue: the first one is in doubt, the others are held behind it.

    `signed`: its base quantity, as the part's `planned` counts it.
    """

    client_order_id: ClientOrderId
    event: EventId
    signed: Decimal = ZERO


class Resting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A follower's order that still waits to open what the leader's has filled already.

    `side`: the leader's position that it copies a change of; `exposure`: signed base quantity to be made.
    """

    order: ClientOrderId
    leader_order: VenueOrderId
    side: PositionSide
    exposure: Decimal


class Unseen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What reducing orders closed of a leader's position beyond what the book knew of it.

    It closed what was there before copying began, or what a fact told of that has not come yet. A fact
    from before `until` (Unix ns) that does come is made less by it: its order is closed already.
    """

    change: Decimal
    until: int


class Book(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the module. Replaced as a whole: its mappings are never changed in place.

    Attributes:
        leader: what the leader's copied fills add up to, by position side, signed base quantity.
        parts: by `part_key` of client and the leader's position side.
        waiting: by client, orders in doubt or held, oldest first.
        resting: by client, see `Resting`.
        ahead: by client, leader orders whose resting copy was over before they are: it may hold more or less
            than the part counts for it yet.
        unseen: see `Unseen`.
        latest: the newest venue time (Unix ns) of the leader's facts in it.
    """

    leader: dict[PositionSide, Decimal] = {}
    parts: dict[str, Part] = {}
    waiting: dict[ClientId, tuple[Waiting, ...]] = {}
    resting: dict[ClientId, tuple[Resting, ...]] = {}
    ahead: dict[ClientId, tuple[VenueOrderId, ...]] = {}
    unseen: dict[PositionSide, Unseen] = {}
    latest: dict[PositionSide, int] = {}

    def part(self, client: ClientId, side: PositionSide) -> Part:
        return self.parts.get(part_key(client, side), Part())

    def with_leader(self, side: PositionSide, position: Decimal) -> "Book":
        return msgspec.structs.replace(self, leader={**self.leader, side: position})

    def fill(
        self,
        side: PositionSide,
        change: Decimal,
        *,
        ts_venue: int,
        reduce_only: bool,
        long_only: bool = False,
    ) -> "tuple[Book, tuple[Leg, ...]]":
        """The book after a signed fill of the leader, and its legs. Fills may come in any order.

        A reducing order is cut to what the book holds, unless a newer fill came before it: then what it
        closed was there at its time, whatever the newer one has made of it since. Of what is `long_only`,
        spot, a sale is always cut: nobody sells coins that he has not, so the buy comes yet.
        """
        position = self.leader.get(side, ZERO)
        unseen = self.unseen.get(side)
        if unseen is not None and ts_venue < unseen.until and change * unseen.change < 0:
            known = min(abs(change), abs(unseen.change)).copy_sign(change)
            change -= known
            unseen = msgspec.structs.replace(unseen, change=unseen.change + known)
        is_late = ts_venue < self.latest.get(side, 0)
        is_cut = change < 0 if long_only else reduce_only and not is_late
        legs = legs_of(position, change, position_side=side, reduce_only=is_cut)
        after = legs[-1].after if legs else position
        if cut := position + change - after:
            unseen = Unseen(change=(unseen.change if unseen else ZERO) + cut, until=ts_venue)
        book = msgspec.structs.replace(
            self.with_leader(side, after),
            unseen=self.unseen if unseen is None else {**self.unseen, side: unseen},
            latest={**self.latest, side: max(ts_venue, self.latest.get(side, 0))},
        )
        return book, legs

    def with_parts(self, changed: Mapping[str, Part]) -> "Book":
        return msgspec.structs.replace(self, parts={**self.parts, **changed})

    def with_waiting(self, client: ClientId, queue: tuple[Waiting, ...]) -> "Book":
        waiting = {other: held for other, held in self.waiting.items() if other != client}
        if queue:
            waiting[client] = queue
        return msgspec.structs.replace(self, waiting=waiting)

    def with_resting(self, client: ClientId, resting: tuple[Resting, ...]) -> "Book":
        others = {other: kept for other, kept in self.resting.items() if other != client}
        if resting:
            others[client] = resting
        return msgspec.structs.replace(self, resting=others)

    def without_resting(self, client: ClientId, order: ClientOrderId) -> "Book":
        kept = self.resting.get(client, ())
        if all(each.order != order for each in kept):
            return self
        return self.with_resting(client, tuple(each for each in kept if each.order != order))

    def with_ahead(self, client: ClientId, order: VenueOrderId) -> "Book":
        kept = self.without_ahead(client, order).ahead
        return msgspec.structs.replace(self, ahead={**kept, client: (*kept.get(client, ()), order)})

    def without_ahead(self, client: ClientId, order: VenueOrderId) -> "Book":
        known = self.ahead.get(client, ())
        if order not in known:
            return self
        ahead = {other: orders for other, orders in self.ahead.items() if other != client}
        if kept := tuple(each for each in known if each != order):
            ahead[client] = kept
        return msgspec.structs.replace(self, ahead=ahead)


def part_key(client: ClientId, side: PositionSide) -> str:
    return f"{side}/{client}"
