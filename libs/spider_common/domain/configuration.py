"""What people configure, item by item, and the products that the services read of it.

An item is a product, a client or a subscription: each is changed by itself. `compose` puts them together,
and refuses what does not fit together.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

import msgspec

from spider_common.domain.identifiers import AccountId, ClientId, ProductId, shard_of
from spider_common.domain.products import (
    CLIENTS_A_SHARD,
    Account,
    Client,
    CopyRule,
    Product,
    ProductSettings,
    Subscription,
)

_APART: Final = frozenset("#/")
"""What keeps the parts of keys and names apart, so that it may not stand in one."""


class BadConfig(ValueError):
    """Items that do not fit together. The text names the field and the fix."""


class SubscriptionSettings(CopyRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client follows a product: with which of its accounts, and how.

    Attributes:
        product: what it follows.
        client: who does.
        account: with which account of the client's. It stays until the client has left.
        left: it follows no more. The subscription stays, so that what it still holds can be closed.
    """

    product: ProductId
    client: ClientId
    account: AccountId
    left: bool = False


Item = ProductSettings | Client | SubscriptionSettings


class Name(NamedTuple):
    """Which item: `kind` and the ids that tell it from others of its kind."""

    kind: str
    ids: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join((self.kind, *self.ids))


def name_of(item: Item) -> Name:
    """An item's name: ``product/alpha``, ``client/ana``, ``subscription/alpha/ana``."""
    match item:
        case SubscriptionSettings():
            return Name("subscription", (item.product, item.client))
        case Client():
            return Name("client", (item.client,))
        case ProductSettings():
            return Name("product", (item.product,))


class Desk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Items together: all that there are, or those that a file names."""

    products: tuple[ProductSettings, ...] = ()
    clients: tuple[Client, ...] = ()
    subscriptions: tuple[SubscriptionSettings, ...] = ()

    def __post_init__(self) -> None:
        seen: set[Name] = set()
        for item in self.items:
            name = name_of(item)
            if name in seen:
                raise BadConfig(f"{name}: it stands there twice; keep one")
            seen.add(name)

    @property
    def items(self) -> tuple[Item, ...]:
        """In an order in which each comes after those that it names."""
        return (*self.clients, *self.products, *self.subscriptions)


def desk_of(items: Iterable[Item]) -> Desk:
    """The items by kind, each kind by name."""
    products: list[ProductSettings] = []
    clients: list[Client] = []
    subscriptions: list[SubscriptionSettings] = []
    for item in sorted(items, key=name_of):
        match item:
            case SubscriptionSettings():
                subscriptions.append(item)
            case Client():
                clients.append(item)
            case ProductSettings():
                products.append(item)
    return Desk(products=tuple(products), clients=tuple(clients), subscriptions=tuple(subscriptions))


def compose(desk: Desk, since: Mapping[Name, int]) -> tuple[Product, ...]:
    """The products, by id, each with its subscriptions, by client.

    Nothing is opened for a client whose own trading is off, nor for a subscription whose trading is.

    Args:
        since: when each subscription was joined or left, Unix ns; 0 where nobody knows.

    Raises:
        BadConfig: the items do not fit together.
    """
    check(desk)
    clients = {each.client: each for each in desk.clients}
    followers: dict[ProductId, list[Subscription]] = {each.product: [] for each in desk.products}
    for settings in desk.subscriptions:
        client = clients[settings.client]
        rule = {field: getattr(settings, field) for field in CopyRule.__struct_fields__}
        rule["trading"] = settings.trading and client.trading
        followers[settings.product].append(
            Subscription(
                **rule,
                client=client.client,
                account=next(each for each in client.accounts if each.account == settings.account),
                client_limits=client.limits,
                left=settings.left,
                since=since.get(name_of(settings), 0),
            )
        )
    return tuple(
        Product(
            **msgspec.structs.asdict(each),
            subscriptions=tuple(sorted(followers[each.product], key=lambda one: one.client)),
        )
        for each in sorted(desk.products, key=lambda one: one.product)
    )


def decompose(product: Product) -> tuple[Desk, dict[Name, int]]:
    """The items of a whole product, its clients switched on, and since when: what `compose` gives it from."""
    settings, clients, since = [], [], {}
    for each in product.subscriptions:
        rule = {field: getattr(each, field) for field in CopyRule.__struct_fields__}
        one = SubscriptionSettings(
            **rule,
            product=product.product,
            client=each.client,
            account=each.account.account,
            left=each.left,
        )
        settings.append(one)
        since[name_of(one)] = each.since
        clients.append(
            Client(client=each.client, accounts=(each.account,), trading=True, limits=each.client_limits)
        )
    own = {field: getattr(product, field) for field in ProductSettings.__struct_fields__}
    desk = Desk(products=(ProductSettings(**own),), clients=tuple(clients), subscriptions=tuple(settings))
    return desk, since


def check(desk: Desk) -> None:
    """Refuses items that do not fit together.

    Raises:
        BadConfig: the first thing that is wrong, and how many more there are.
    """
    found = list(problems(desk))
    if found:
        more = f" (and {len(found) - 1} more)" if found[1:] else ""
        raise BadConfig(found[0] + more)


def problems(desk: Desk) -> Iterator[str]:
    """All that is wrong with the items together, each with its field and the fix."""
    for item in desk.items:
        name = name_of(item)
        for part in name.ids:
            if not part or part != part.strip() or _APART & set(part):
                yield f"{name}: {part!r} is no name; write letters without '#', '/' or space around them"
    yield from _account_problems(desk)
    yield from _subscription_problems(desk)
    yield from _shard_problems(desk)
    yield from _loops(desk)


def _account_problems(desk: Desk) -> Iterator[str]:
    """An account's keys are found by its id alone: it is one account, of one client."""
    known: dict[AccountId, Account] = {}
    owners: dict[AccountId, ClientId] = {}
    told = [(f"client/{client.client}", account) for client in desk.clients for account in client.accounts]
    leaders = [(f"product/{product.product}", product.leader) for product in desk.products]
    for where, account in [*told, *leaders]:
        first = known.setdefault(account.account, account)
        if first != account:
            yield (
                f"{where}: account {account.account!r} stands elsewhere with another venue or hedge_mode; "
                "write the same in both"
            )
    for client in desk.clients:
        for account in client.accounts:
            owner = owners.setdefault(account.account, client.client)
            if owner != client.client:
                yield (
                    f"client/{client.client}: accounts: {account.account!r} belongs to client {owner!r}; "
                    "give it to one of them"
                )
        if len({each.account for each in client.accounts}) < len(client.accounts):
            yield f"client/{client.client}: accounts: one stands there twice; keep one"


def _subscription_problems(desk: Desk) -> Iterator[str]:
    products = {each.product for each in desk.products}
    clients = {each.client: each for each in desk.clients}
    for each in desk.subscriptions:
        name = name_of(each)
        if each.product not in products:
            yield f"{name}: product: there is no {each.product!r}; add it under products or correct the name"
        client = clients.get(each.client)
        if client is None:
            yield f"{name}: client: there is no {each.client!r}; add it under clients or correct the name"
            continue
        accounts = [account.account for account in client.accounts]
        if each.account not in accounts:
            yield (
                f"{name}: account: {each.account!r} is no account of client {each.client!r}; "
                f"add it to its accounts or name one of {', '.join(accounts) or 'them'}"
            )


def _shard_problems(desk: Desk) -> Iterator[str]:
    for product in desk.products:
        clients = [each.client for each in desk.subscriptions if each.product == product.product]
        fullest = _fullest_shard(clients, product.shards)
        if fullest > CLIENTS_A_SHARD:
            enough = next(n for n in count(product.shards) if _fullest_shard(clients, n) <= CLIENTS_A_SHARD)
            yield (
                f"product/{product.product}: shards: {fullest} clients fall into one of {product.shards}, "
                f"which holds {CLIENTS_A_SHARD}; write {enough} or, where it is stored already, "
                "add a product and move clients there"
            )


def _fullest_shard(clients: Sequence[ClientId], shards: int) -> int:
    """The most clients that fall into one shard."""
    if len(clients) <= CLIENTS_A_SHARD:
        return len(clients)
    return max(Counter(shard_of(client, shards) for client in clients).values())


def _loops(desk: Desk) -> Iterator[str]:
    """Leaders that follow themselves, on whatever way: each trade would call for the next, without end."""
    leader_of = {each.product: each.leader.account for each in desk.products}
    copied_to: dict[AccountId, set[AccountId]] = {}
    for each in desk.subscriptions:
        if each.product in leader_of:
            copied_to.setdefault(leader_of[each.product], set()).add(each.account)
    for product, leader in leader_of.items():
        reached: set[AccountId] = set()
        ahead = sorted(copied_to.get(leader, ()))
        while ahead:
            account = ahead.pop()
            if account not in reached:
                reached.add(account)
                ahead += sorted(copied_to.get(account, ()))
        if leader in reached:
            yield (
                f"product/{product}: leader: {leader!r} follows itself, by this product or through others; "
                "take one of the subscriptions away"
            )


def check_change(before: Item | None, after: Item) -> None:
    """Refuses a change that what is stored by the old setting would not survive.

    Raises:
        BadConfig: shards or leader of a product, or the account of somebody who still follows.
    """
    name = name_of(after)
    match before, after:
        case ProductSettings(), ProductSettings() if before.shards != after.shards:
            raise BadConfig(
                f"{name}: shards: {before.shards} cannot become {after.shards}, as books are kept by shard; "
                "add a product and move the clients"
            )
        case ProductSettings(), ProductSettings() if before.leader != after.leader:
            raise BadConfig(
                f"{name}: leader: {before.leader.account!r} cannot be replaced or changed, as its orders are "
                "known by its product; add a product and move the clients"
            )
        case SubscriptionSettings(), SubscriptionSettings() if before.account != after.account and not (
            before.left and after.left
        ):
            raise BadConfig(
                f"{name}: account: {before.account!r} cannot become {after.account!r} while it follows, as "
                "what it holds is there; write left: true, wait until it holds nothing, then change the "
                "account and after that join again"
            )
        case _:
            pass
