"""Closing all that followers hold: what it would take, asking for it, and seeing that it is so."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec
import trio

from services.cli.refusal import Refusal
from services.oms.desk import DeskOrders
from spider_common.clock import Clock
from spider_common.domain.claims import claims
from spider_common.domain.control import Controls, TradingState
from spider_common.domain.identifiers import ClientId, ProductId, shard_of
from spider_common.domain.instruments import Instrument, InstrumentList
from spider_common.domain.intents import DeskEvent
from spider_common.domain.joining import closing
from spider_common.domain.orders import PositionSide
from spider_common.domain.positions import Book
from spider_common.domain.products import Account, Product, Subscription
from spider_common.domain.quantities import ZERO
from spider_common.stores.audit import Audit, Author
from spider_common.stores.config import ConfigStore
from spider_common.stores.config_rows import Scope
from spider_common.stores.positions import PositionStore
from spider_common.stores.trading import TradingStore

IN_EFFECT_S: Final = 1.0
"""By then each service goes by a changed trading state."""
_AGAIN_S: Final = 2.0


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What flattening stands on."""

    config: ConfigStore
    audit: Audit
    positions: PositionStore
    trading: TradingStore
    desk: DeskOrders
    instruments: InstrumentList
    clock: Clock


class Place(NamedTuple):
    """One position of one account."""

    account: Account
    instrument: Instrument
    side: PositionSide


class Stake(msgspec.Struct, frozen=True, kw_only=True):
    """What a client holds for a product, as it was planned, and what its whole account holds, as told last.

    `held`: None: its venue has not told.
    """

    product: ProductId
    client: ClientId
    place: Place
    planned: Decimal
    held: Decimal | None


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What would be done. `asked`: events of the desk, one for each part that is to be closed."""

    scope: Scope
    stakes: tuple[Stake, ...]
    asked: tuple[DeskEvent, ...]


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What is not flat, or not known to be, and why."""

    client: ClientId
    what: str
    why: str


async def look(ports: Ports, scope: Scope, cause: str) -> Outlook:
    """What flattening a scope comes to, as of now.

    Raises:
        Refusal: what is named is not there, or is halted, so that nothing would be sent.
    """
    products = await ports.config.products()
    chosen = [*_chosen(products, scope)]
    if not chosen:
        raise Refusal(f"{scope}: nobody follows there; `spider config export` names who does")
    controls = (await ports.config.watch()).controls
    for product, subscription in chosen:
        _refuse_halted(controls, product, subscription)
    books = await _books(ports, products)
    now = ports.clock.now()
    asked = [
        event
        for product, each in chosen
        for event in closing(
            product,
            each,
            books[product.product][shard_of(each.client, product.shards)],
            cause=cause,
            ts=now,
        )
    ]
    held = [
        Stake(
            product=product,
            client=client,
            place=place,
            planned=planned,
            held=await _held(ports, place, since=0),
        )
        for product, client, place, planned in _parts(ports, products, books)
        if planned and _covers(scope, product, client)
    ]
    return Outlook(scope=scope, stakes=tuple(held), asked=tuple(asked))


async def close(ports: Ports, scope: Scope, by: Author, cause: str) -> Outlook:
    """Lets nothing be opened any more and asks for the end of all that is held then; gives what that is.

    The trading state stays: somebody resumes when it is time.
    """
    await ports.config.set_state(TradingState.REDUCING, scope, by, reason=cause)
    await trio.sleep(IN_EFFECT_S)
    outlook = await look(ports, scope, cause)
    await ports.desk.send(outlook.asked)
    return outlook


async def wait_until_flat(ports: Ports, outlook: Outlook, *, since: int, timeout_s: float) -> list[Left]:
    """Returns when each order is done and the venues have told that nothing is held, or with what is left
    after `timeout_s`. `since`: Unix ns; what was told before does not count."""
    left = await _left(ports, outlook, since)
    with trio.move_on_after(timeout_s):
        while left:
            await trio.sleep(_AGAIN_S)
            left = await _left(ports, outlook, since)
    return left


async def _left(ports: Ports, outlook: Outlook, since: int) -> list[Left]:
    left = [await _unfinished(ports, event) for event in outlook.asked]
    products = await ports.config.products()
    books = await _books(ports, products)
    others: dict[Place, Decimal] = {}
    for product, client, place, planned in _parts(ports, products, books):
        if not _covers(outlook.scope, product, client):
            others[place] = others.get(place, ZERO) + planned
    owners = {stake.place: stake.client for stake in outlook.stakes}
    for place, client in owners.items():
        held = await _held(ports, place, since=since)
        beyond = None if held is None else held - others.get(place, ZERO)
        if beyond is None or abs(beyond) >= place.instrument.minimum_base:
            what = f"{place.account.venue}/{place.account.account} {place.instrument.symbol} {place.side}"
            why = "its venue has not told yet" if beyond is None else f"{beyond} is held"
            left.append(Left(client=client, what=what, why=why))
    return [each for each in left if each is not None]


async def _unfinished(ports: Ports, event: DeskEvent) -> Left | None:
    row = await ports.trading.journal(event.event_id, event.product, event.shard)
    what = f"{event.product} {event.symbol} {event.leader_side}, event {event.event_id}"
    if row is None:
        return Left(client=event.client, what=what, why="no service has planned it")
    states = sorted({intent.state for intent in row.value.unfinished})
    return Left(client=event.client, what=what, why=", ".join(states)) if states else None


async def _held(ports: Ports, place: Place, *, since: int) -> Decimal | None:
    """What an account holds, if it was told after `since`."""
    account = place.account
    told = (await ports.positions.positions(account.venue, account.account)).value
    held = told.held(place.instrument, place.side)
    return None if held is None or held.ts < since else held.quantity


async def _books(ports: Ports, products: Iterable[Product]) -> dict[ProductId, dict[int, dict[str, Book]]]:
    return {
        product.product: {
            shard: await ports.positions.books(product.product, shard) for shard in range(product.shards)
        }
        for product in products
    }


def _parts(
    ports: Ports, products: Iterable[Product], books: dict[ProductId, dict[int, dict[str, Book]]]
) -> Iterator[tuple[ProductId, ClientId, Place, Decimal]]:
    """What is planned for each client of each product, by the position that it is in."""
    for product in products:
        for claim, instrument in claims(product, books[product.product], ports.instruments):
            if instrument is not None:
                place = Place(claim.account, instrument, claim.side())
                yield product.product, claim.client, place, claim.part.planned


def _chosen(products: Sequence[Product], scope: Scope) -> Iterator[tuple[Product, Subscription]]:
    for product in products:
        for subscription in product.subscriptions:
            if _covers(scope, product.product, subscription.client):
                yield product, subscription


def _covers(scope: Scope, product: ProductId, client: ClientId) -> bool:
    return scope.product in (None, product) and scope.client in (None, client)


def _refuse_halted(controls: Controls, product: Product, subscription: Subscription) -> None:
    if controls.state(product.product, subscription.client).refusal(opens=False):
        raise Refusal(
            f"{product.product}/{subscription.client}: is halted, and so would its closes be; "
            "`spider states` names what is, `spider reduce` lets closes go"
        )
