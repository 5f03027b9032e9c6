"""What the desk asks for when a client joins or leaves a product, or is to hold nothing any more. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from spider_common.domain.identifiers import shard_of
from spider_common.domain.intents import DeskAction, DeskEvent
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book
from spider_common.domain.products import CopyMode, Joining, Leaving, Product, Subscription

Prices = Mapping[tuple[str, PositionSide], Decimal]


def wanted(product: Product, subscription: Subscription) -> DeskAction | None:
    """What is to be done once about a subscription's joining or leaving; None: nothing (yet).

    Who may not trade is brought in line when it may.
    """
    if not subscription.since:  # it has been there for as long as anybody knows
        return None
    if subscription.left:
        return DeskAction.CLOSE if subscription.leaving is Leaving.CLOSE else None
    trades = product.trading and subscription.trading
    return DeskAction.ALIGN if trades and subscription.joining is Joining.ALIGN else None


def aligning(
    product: Product, subscription: Subscription, books: Mapping[str, Book], entries: Prices
) -> Iterator[DeskEvent]:
    """Asks for what the rule gives of each position that the leader holds. The same events each time.

    Args:
        books: those of the client's shard, by the leader's symbol.
        entries: the prices at which the leader has come by its positions, where they are known.
    """
    for symbol, book in sorted(books.items()):
        for side, position in sorted(book.leader.items()):
            if position:
                yield DeskEvent(
                    product=product.product,
                    shard=shard_of(subscription.client, product.shards),
                    shards=product.shards,
                    client=subscription.client,
                    symbol=symbol,
                    leader_side=side,
                    action=DeskAction.ALIGN,
                    cause="joined",
                    ts_asked=subscription.since,
                    reference=entries.get((symbol, side)),
                )


def closing(
    product: Product, subscription: Subscription, books: Mapping[str, Book], *, cause: str, ts: int
) -> Iterator[DeskEvent]:
    """Asks for the end of each part that a client has, and of the orders that wait or rest for it.

    What a mirrored order rests for stands in no book: who mirrors is asked for in each instrument.
    """
    client = subscription.client
    for symbol, book in sorted(books.items()):
        rests = client in book.waiting or client in book.resting or subscription.mode is CopyMode.ORDERS
        for side in PositionSide:
            part = book.part(client, side)
            if not (part.planned or part.target or (rests and side in book.leader)):
                continue
            yield DeskEvent(
                product=product.product,
                shard=shard_of(subscription.client, product.shards),
                shards=product.shards,
                client=client,
                symbol=symbol,
                leader_side=side,
                action=DeskAction.CLOSE,
                cause=cause,
                ts_asked=ts,
            )
