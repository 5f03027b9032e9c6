"""What subscriptions' books plan for positions of accounts: what reconciling holds them against. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from spider_common.domain.drafting import followers_instrument
from spider_common.domain.drift import DriftReason
from spider_common.domain.identifiers import ClientId, ProductId, shard_of
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book, Part, part_key
from spider_common.domain.products import (
    Account,
    Correction,
    FixedRatio,
    Product,
    Subscription,
    copied_side,
)
from spider_common.domain.quantities import ZERO


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one subscription's book plans for a position.

    Attributes:
        symbol, leader_side: the leader's position that it copies.
        ruled: what the rule gives for all that the leader holds; None where that depends on how it came.
        fees: of spot, what was taken in the coin itself for this part's orders, negative.
        unsettled: why what the account holds may still change by our own orders; None: it will not.
    """

    product: ProductId
    client: ClientId
    account: Account
    symbol: str
    leader_side: PositionSide
    part: Part
    ruled: Decimal | None = None
    fees: Decimal = ZERO
    unsettled: DriftReason | None = None
    correction: Correction = Correction.OFF

    @property
    def expected(self) -> Decimal:
        """What the account should hold for it."""
        return self.part.planned + self.fees

    def side(self) -> PositionSide:
        """The position of the account that the part lives in."""
        exposure = self.part.planned or self.part.target or self.ruled or ZERO
        return copied_side(self.account, -1 if exposure < 0 else 1)


def claims(
    product: Product, books: Mapping[int, Mapping[str, Book]], listed: InstrumentList
) -> Iterator[tuple[Claim, Instrument | None]]:
    """All that a product's books plan, each with the instrument of the follower's venue; None: it has none.

    `books`: by shard and the leader's symbol. Of those whose instrument the leader's venue lists no more,
    nothing is known.
    """
    for subscription in product.subscriptions:
        shard = shard_of(subscription.client, product.shards)
        for symbol, book in sorted(books[shard].items()):
            leads = listed.get(product.leader.venue, symbol)
            if leads is not None:
                instrument = followers_instrument(listed, leads, subscription)
                for claim in claims_of(product.product, subscription, symbol, book):
                    yield claim, instrument


def claims_of(product: ProductId, subscription: Subscription, symbol: str, book: Book) -> Iterator[Claim]:
    """What a subscription's book of one of the leader's instruments plans, by the leader's position sides."""
    client = subscription.client
    unsettled = None
    if client in book.waiting:
        unsettled = DriftReason.IN_DOUBT
    elif client in book.resting or client in book.ahead:
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
