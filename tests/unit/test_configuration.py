"""Laws of items and the products composed of them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spider_common.domain.configuration import (
    BadConfig,
    Desk,
    SubscriptionSettings,
    check_change,
    compose,
    decompose,
    desk_of,
    name_of,
)
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.products import (
    Account,
    Client,
    CopyMode,
    FixedRatio,
    Limits,
    Product,
    ProductSettings,
    Subscription,
)

LEADER = Account(account=AccountId("lead"), venue=Venue.OKX)
ALPHA = ProductSettings(product=ProductId("alpha"), leader=LEADER, shards=2)
ANA = Client(
    client=ClientId("ana"),
    accounts=(Account(account=AccountId("okx-ana"), venue=Venue.OKX),),
    trading=True,
    limits=Limits(max_open_orders=3),
)
JOINED = SubscriptionSettings(
    product=ALPHA.product,
    client=ANA.client,
    account=AccountId("okx-ana"),
    sizing=FixedRatio(Decimal("0.5")),
    mode=CopyMode.ORDERS,
)
DESK = Desk(products=(ALPHA,), clients=(ANA,), subscriptions=(JOINED,))


@st.composite
def whole_products(draw: st.DrawFn) -> Product:
    clients = draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=5))
    return Product(
        product=ProductId("p"),
        leader=LEADER,
        shards=draw(st.integers(1, 4)),
        trading=draw(st.booleans()),
        subscriptions=tuple(
            Subscription(
                client=ClientId(client),
                account=Account(
                    account=AccountId(f"{client}-account"),
                    venue=draw(st.sampled_from(Venue)),
                    hedge_mode=draw(st.booleans()),
                ),
                sizing=FixedRatio(draw(st.decimals(0, 5, places=2))),
                trading=draw(st.booleans()),
                left=draw(st.booleans()),
                since=draw(st.integers(0, 10)),
                client_limits=Limits(max_open_orders=draw(st.integers(0, 5))),
            )
            for client in sorted(clients)
        ),
    )


@given(whole_products())
def test_a_product_taken_apart_is_put_together_again(product: Product) -> None:
    """Law: `compose` gives back what `decompose` was given, field by field."""
    assert compose(*decompose(product)) == (product,)


@given(whole_products(), st.randoms())
def test_the_order_of_items_says_nothing(product: Product, rng: Any) -> None:
    """Law: items in any order compose to the same products."""
    desk, since = decompose(product)
    items = list(desk.items)
    rng.shuffle(items)
    assert compose(desk_of(items), since) == (product,)


@pytest.mark.parametrize("client_trades", [False, True])
@pytest.mark.parametrize("subscription_trades", [False, True])
def test_nothing_opens_unless_both_are_switched_on(client_trades: bool, subscription_trades: bool) -> None:
    """Law: a composed subscription trades when client and subscription do; limits of both are there."""
    limits = Limits(max_leverage=Decimal(2))
    desk = Desk(
        products=(ALPHA,),
        clients=(replace(ANA, trading=client_trades),),
        subscriptions=(replace(JOINED, trading=subscription_trades, limits=limits),),
    )
    ((composed,),) = [each.subscriptions for each in compose(desk, {name_of(JOINED): 7})]
    assert composed.trading is (client_trades and subscription_trades)
    assert (composed.limits, composed.client_limits, composed.since) == (limits, ANA.limits, 7)
    assert (composed.mode, composed.account) == (CopyMode.ORDERS, ANA.accounts[0])


def test_a_new_client_does_not_trade() -> None:
    """Law: whoever writes nothing of trading gets a client for whom nothing is opened."""
    assert not Client(client=ClientId("new")).trading


def _with(**changes: Any) -> Desk:
    return replace(DESK, **changes)


BRUNO = replace(ANA, client=ClientId("bruno"))
BACK = SubscriptionSettings(
    product=ProductId("beta"), client=ClientId("leads"), account=LEADER.account, sizing=JOINED.sizing
)
LOOP = Desk(
    products=(ALPHA, replace(ALPHA, product=ProductId("beta"), leader=ANA.accounts[0])),
    clients=(ANA, Client(client=ClientId("leads"), accounts=(LEADER,))),
    subscriptions=(JOINED, BACK),
)


@pytest.mark.parametrize(
    ("desk", "words"),
    [
        (_with(products=()), "subscription/alpha/ana: product: there is no 'alpha'; add it"),
        (_with(clients=()), "subscription/alpha/ana: client: there is no 'ana'; add it"),
        (
            _with(subscriptions=(replace(JOINED, account=AccountId("x")),)),
            "account: 'x' is no account of client 'ana'; add it to its accounts or name one of okx-ana",
        ),
        (_with(clients=(ANA, BRUNO)), "client/bruno: accounts: 'okx-ana' belongs to client 'ana'"),
        (_with(products=(ALPHA, replace(ALPHA, product=ProductId("a#b")))), "'a#b' is no name"),
        (
            _with(clients=(replace(ANA, accounts=(replace(ANA.accounts[0], hedge_mode=True),) * 2),)),
            "accounts: one stands there twice",
        ),
        (
            _with(
                products=(
                    ALPHA,
                    replace(ALPHA, product=ProductId("b"), leader=replace(LEADER, hedge_mode=True)),
                )
            ),
            "product/b: account 'lead' stands elsewhere with another venue or hedge_mode",
        ),
        (LOOP, "product/alpha: leader: 'lead' follows itself"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(desk: Desk, words: str) -> None:
    """Law: the error names the item, its field and what to write."""
    with pytest.raises(BadConfig, match=words.replace("(", r"\(")):
        compose(desk, {})


def test_one_item_stands_once() -> None:
    """Law: of two items of one name nobody can say which counts."""
    with pytest.raises(BadConfig, match="client/ana: it stands there twice"):
        _with(clients=(ANA, replace(ANA, name="other")))


def test_a_chain_of_leaders_is_no_loop() -> None:
    """Law: a follower's account may lead another product."""
    desk = replace(LOOP, subscriptions=(JOINED,))
    assert [each.product for each in compose(desk, {})] == ["alpha", "beta"]


@pytest.mark.parametrize(
    ("before", "change", "words"),
    [
        (ALPHA, lambda: replace(ALPHA, shards=4), "shards: 2 cannot become 4"),
        (ALPHA, lambda: replace(ALPHA, leader=ANA.accounts[0]), "leader: 'lead' cannot be"),
        (JOINED, lambda: replace(JOINED, account=AccountId("x")), "account: 'okx-ana' cannot become 'x'"),
        (JOINED, lambda: replace(JOINED, account=AccountId("x"), left=True), "cannot become"),
    ],
)
def test_what_is_stored_by_an_old_setting_keeps_it(
    before: Any, change: Callable[[], Any], words: str
) -> None:
    """Law: shards, leader and a follower's account stay, as books, orders and positions are kept by them."""
    with pytest.raises(BadConfig, match=words):
        check_change(before, change())
    check_change(None, change())


def test_who_has_left_may_name_another_account() -> None:
    """Law: once a subscription is left, its account may change, to join again with it."""
    left = replace(JOINED, left=True)
    check_change(left, replace(left, account=AccountId("x")))
    check_change(left, JOINED)
