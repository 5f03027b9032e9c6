"""One round of reconciling: from all that was read to every drift and every order against one. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from spider_common.domain import reconciling
from spider_common.domain.claims import Claim, claims
from spider_common.domain.drift import Drift, DriftKey, DriftReason, Known
from spider_common.domain.held import AccountPositions
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.instruments import InstrumentKind, InstrumentList
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book
from spider_common.domain.products import Account, Product
from spider_common.domain.reconciling import Repair

_SIDES: Final = {False: (PositionSide.NET,), True: (PositionSide.LONG, PositionSide.SHORT)}
_UNTOLD: Final = AccountPositions()

Books = Mapping[ProductId, Mapping[int, Mapping[str, Book]]]
Facts = Mapping[tuple[Venue, AccountId], AccountPositions]
Resting = frozenset[tuple[ClientId, AccountId, str]]
Fees = Mapping[tuple[ProductId, ClientId, AccountId, str], Decimal]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All that a round decides on.

    Attributes:
        books: by product, shard and the leader's symbol.
        facts: what accounts hold; of one that is missing nothing is known.
        drifts: what was known before.
        resting: client, account and symbol of orders that their venue still has.
        fees: by product, client, account and symbol, what of spot was taken in the coin, negative.
    """

    products: tuple[Product, ...]
    instruments: InstrumentList
    books: Books
    facts: Facts
    drifts: Known
    resting: Resting = frozenset()
    fees: Fees = {}


def accounts_of(products: Iterable[Product]) -> list[Account]:
    """Each leader's and follower's account, once."""
    named = [
        account
        for product in products
        for account in (product.leader, *(each.account for each in product.subscriptions))
    ]
    return list({(each.venue, each.account): each for each in named}.values())


def drifts_of(reading: Reading, *, now: int, grace: int) -> list[Drift]:
    """Every drift; one that was known and is not among them is gone. See `reconciling.reconcile`."""
    sharing: dict[tuple[Account, str], list[Claim]] = defaultdict(list)
    drifts: list[Drift] = []
    for product in reading.products:
        drifts += _leaders(product, reading, now, grace)
        for claim, instrument in claims(product, reading.books[product.product], reading.instruments):
            if instrument is not None:
                sharing[claim.account, instrument.symbol].append(_known(claim, instrument.symbol, reading))
            elif missing := reconciling.without_instrument(claim, now=now, before=reading.drifts):
                drifts.append(missing)
    for (account, symbol), parts in sharing.items():
        instrument = reading.instruments.get(account.venue, symbol)
        assert instrument is not None, "a claim is on an instrument that is listed"
        told = reading.facts.get((account.venue, account.account), _UNTOLD)
        for side in _SIDES[account.hedge_mode]:
            held = told.held(instrument, side)
            drifts += reconciling.reconcile(
                instrument, side, held, parts, reading.drifts, now=now, grace=grace
            )
    return drifts


def _known(claim: Claim, symbol: str, reading: Reading) -> Claim:
    """The claim with its fees, and unsettled if an order of the client still rests at the venue."""
    name = (claim.client, claim.account.account, symbol)
    if fees := reading.fees.get((claim.product, *name)):
        claim = msgspec.structs.replace(claim, fees=fees)
    if claim.unsettled is None and name in reading.resting:
        return msgspec.structs.replace(claim, unsettled=DriftReason.OPEN_ORDER)
    return claim


def _leaders(product: Product, reading: Reading, now: int, grace: int) -> Iterator[Drift]:
    """The leader's own swaps against the first shard's books: each shard's say the same.

    Its coins are not compared: what it owned before and what fees took is no news.
    """
    leader = product.leader
    told = reading.facts.get((leader.venue, leader.account), _UNTOLD)
    for symbol, book in sorted(reading.books[product.product][0].items()):
        instrument = reading.instruments.get(leader.venue, symbol)
        if instrument is None or instrument.kind is InstrumentKind.SPOT:
            continue
        for side, position in sorted(book.leader.items()):
            found = reconciling.leader_drift(
                product.product,
                leader,
                symbol,
                side,
                held=told.held(instrument, side),
                known=position,
                before=reading.drifts,
                now=now,
                grace=grace,
            )
            if found is not None:
                yield found


def astray(drifts: Iterable[Drift]) -> list[Drift]:
    """Those of followers that hold something else than was ordered, as far as the books tell: of them more
    is to be read."""
    return [each for each in drifts if each.client and each.off and each.reason is not DriftReason.IN_DOUBT]


def repairs_of(drifts: Iterable[Drift], reading: Reading) -> dict[DriftKey, Repair]:
    """The orders that may go against the drifts: none of a client for whom anything waits."""
    wanted = [
        (drift, order)
        for drift in drifts
        if (instrument := reading.instruments.get(drift.venue, drift.instrument)) is not None
        and (order := reconciling.repair(drift, instrument)) is not None
        and not _waits(drift.client, reading.books)
    ]
    return {drift.key: order for drift, order in reconciling.reducing_first(wanted)}


def _waits(client: ClientId, books: Books) -> bool:
    return any(
        client in book.waiting
        for shards in books.values()
        for by_symbol in shards.values()
        for book in by_symbol.values()
    )
