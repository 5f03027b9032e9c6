"""Laws of the simulated venue's matching engine."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.accounts import Credentials
from services.simulator.engine import Exchange
from services.simulator.instruments import OKX_INSTRUMENTS
from services.simulator.ledger import Amended, Canceled, Executed, Placed, Rejected, from_json, to_json
from services.simulator.rules import NewOrder, RefusedError

BTC = "BTC-USDT-SWAP"
ETH = "ETH-USDT-SWAP"
D = Decimal


def venue(mode="net", cash="100000000"):
    exchange = Exchange(OKX_INSTRUMENTS)
    account = exchange.open_account(
        "a", Credentials("key", "secret", "pass"), position_mode=mode, balances={"USDT": D(cash)}
    )
    return exchange, account


def order(side="buy", size="1", kind="market", price=None, symbol=BTC, **more):
    return NewOrder(
        symbol=symbol, side=side, kind=kind, size=D(size), price=None if price is None else D(price), **more
    )


def refused(exchange, account, new):
    with pytest.raises(RefusedError) as caught:
        exchange.place(account, new, 1)
    return caught.value.refusal


sizes = st.integers(1, 500).map(lambda n: str(D(n) / 100))
prices = st.integers(58_000, 62_000).map(str)
actions = st.one_of(
    st.tuples(st.just("price"), prices, st.none() | st.integers(1, 300).map(lambda n: D(n) / 100)),
    st.tuples(st.just("market"), st.sampled_from(["buy", "sell"]), sizes, st.booleans()),
    st.tuples(
        st.sampled_from(["limit", "post_only", "ioc", "fok"]),
        st.sampled_from(["buy", "sell"]),
        sizes,
        prices,
        st.booleans(),
    ),
    st.tuples(st.just("amend"), st.integers(0, 5), sizes, prices),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
)


def act(exchange, account, action, now):
    match action:
        case "price", price, depth:
            exchange.set_price(BTC, D(price), depth, now)
        case "market", side, size, reduce_only:
            exchange.place(account, order(side, size, reduce_only=reduce_only), now)
        case "amend", index, size, price:
            waiting = exchange.open_orders(account)
            found = waiting[index % len(waiting)].order_id if waiting else "0"
            exchange.amend(account, BTC, order_id=found, size=D(size), price=D(price), now=now)
        case "cancel", index:
            waiting = exchange.open_orders(account)
            exchange.cancel(
                account, BTC, order_id=waiting[index % len(waiting)].order_id if waiting else "0", now=now
            )
        case kind, side, size, price, reduce_only:
            exchange.place(account, order(side, size, kind, price, reduce_only=reduce_only), now)


@settings(max_examples=200, deadline=None)
@given(st.lists(actions, max_size=40))
def test_fills_orders_positions_and_balances_add_up(script):
    """Cumulative fill = sum of executions; position = sum of signed executions; cash = start + pnl + fees;
    a reduce-only execution never takes a position through zero; nothing bound is left without open orders.
    """
    exchange, account = venue()
    start = account.balances["USDT"]
    for now, action in enumerate(script):
        try:
            act(exchange, account, action, now)
        except RefusedError:
            assert isinstance(exchange.ledger.entries[-1], Rejected)
    executions = [entry for entry in exchange.ledger.entries if isinstance(entry, Executed)]
    for held in exchange.orders(account):
        mine = [e.execution for e in executions if e.order.order_id == held.order_id]
        assert held.filled == sum(e.size for e in mine)
        assert held.paid == sum(e.size * e.price for e in mine)
        assert held.filled <= held.size
        assert (held.filled == held.size) == (held.status == "filled")
    position = D(0)
    for entry in executions:
        after = position + entry.execution.size * entry.order.sign
        if entry.order.reduce_only:
            assert abs(after) < abs(position)
            assert after * position >= 0
        position = after
    assert account.position(BTC, "net").size == position
    assert account.balances["USDT"] == start + sum(e.execution.pnl + e.execution.fee for e in executions)
    assert list(account.reserved) == [o.order_id for o in reversed(exchange.open_orders(account))]
    assert [entry.seq for entry in exchange.ledger.entries] == list(range(exchange.ledger.next_seq))
    assert from_json(to_json(exchange.ledger.entries)) == exchange.ledger.entries


@given(st.lists(st.tuples(st.sampled_from(["buy", "sell"]), sizes, prices), min_size=1, max_size=20))
def test_a_flat_account_made_what_it_sold_for_less_what_it_paid(trades):
    """Realised profit of a round trip is sales minus purchases, to the step of average prices."""
    exchange, account = venue()
    for side, size, price in trades:
        exchange.set_price(BTC, D(price), None, 0)
        exchange.place(account, order(side, size), 0)
    left = account.position(BTC, "net").size
    if left:
        exchange.place(account, order("sell" if left > 0 else "buy", str(abs(left))), 0)
    executions = [entry for entry in exchange.ledger.entries if isinstance(entry, Executed)]
    paid = sum(-e.order.sign * e.execution.size * e.execution.price * D("0.01") for e in executions)
    assert account.position(BTC, "net").size == 0
    assert account.position(BTC, "net").realised == pytest.approx(paid, abs=D("1e-6"))


def test_bounded_depth_fills_a_market_order_in_parts_at_worse_prices():
    """Each tick away holds twice as much; the order ends filled."""
    exchange, account = venue()
    exchange.set_price(BTC, D(60000), D("0.5"), 0)
    done = exchange.place(account, order(size="3"), 1)
    fills = [e.execution for e in exchange.ledger.entries if isinstance(e, Executed)]
    assert [(f.price, f.size) for f in fills] == [
        (D(60000), D("0.5")),
        (D("60000.1"), D(1)),
        (D("60000.2"), D("1.5")),
    ]
    assert done.status == "filled"


def test_a_limit_order_rests_and_fills_as_the_price_comes():
    """A resting order fills at its own price as maker, a depth at a time."""
    exchange, account = venue()
    resting = exchange.place(account, order(kind="limit", price="59000", size="2"), 1)
    assert resting.status == "live"
    exchange.set_price(BTC, D(58990), D("0.75"), 2)
    exchange.set_price(BTC, D(59001), D(5), 3)
    assert exchange.find(account, resting.order_id, "").filled == D("0.75")
    exchange.set_price(BTC, D(59000), None, 4)
    assert exchange.find(account, resting.order_id, "").status == "filled"
    fills = [e.execution for e in exchange.ledger.entries if isinstance(e, Executed)]
    assert [(f.price, f.size, f.maker) for f in fills] == [
        (D(59000), D("0.75"), True),
        (D(59000), D("1.25"), True),
    ]


@pytest.mark.parametrize(
    ("kind", "price", "filled", "status", "reason"),
    [
        ("post_only", "60000", "0", "canceled", "post_only"),
        ("post_only", "59999.9", "0", "live", ""),
        ("ioc", "60000", "1", "canceled", "ioc"),
        ("ioc", "60000.1", "2", "filled", ""),
        ("fok", "60000", "0", "canceled", "fok"),
        ("fok", "60000.1", "2", "filled", ""),
    ],
)
def test_kinds_of_limit_order(kind, price, filled, status, reason):
    """post_only never takes, ioc takes what there is, fok takes all or nothing."""
    exchange, account = venue()
    exchange.set_price(BTC, D(60000), D(1), 0)
    done = exchange.place(account, order(kind=kind, price=price, size="2"), 1)
    assert (done.filled, done.status, done.canceled_for) == (D(filled), status, reason)


def test_a_client_order_id_is_unique_among_pending_orders_only():
    """The venue's real rule: a pending id is refused, a finished one is accepted again and fills again."""
    exchange, account = venue()
    waiting = order(kind="limit", price="50000", client_order_id="abc")
    first = exchange.place(account, waiting, 1)
    assert refused(exchange, account, waiting) == "duplicate_client_order_id"
    exchange.cancel(account, BTC, client_order_id="abc", now=2)
    again = order(client_order_id="abc")
    second, third = exchange.place(account, again, 3), exchange.place(account, again, 4)
    assert len({first.order_id, second.order_id, third.order_id}) == 3
    assert account.position(BTC, "net").size == D(2)
    assert exchange.find(account, "", "abc") == third


def test_long_short_mode_keeps_two_legs():
    """Each leg opens and closes by itself; a close larger than its leg, or of a flat one, is refused."""
    exchange, account = venue("long_short")
    assert refused(exchange, account, order()) == "position_side"
    exchange.place(account, order("buy", "3", leg="long"), 1)
    exchange.place(account, order("sell", "2", leg="short"), 1)
    exchange.place(account, order("sell", "1", leg="long"), 2)
    assert account.position(BTC, "long").size == D(2)
    assert account.position(BTC, "short").size == D(-2)
    assert refused(exchange, account, order("sell", "2.01", leg="long")) == "close_too_large"
    exchange.place(account, order("buy", "2", leg="short"), 3)
    assert refused(exchange, account, order("buy", "1", leg="short")) == "nothing_to_reduce"


def test_reduce_only_stops_at_flat():
    """A reduce-only order larger than the position closes it and gives the rest back."""
    exchange, account = venue()
    exchange.place(account, order("buy", "3"), 1)
    done = exchange.place(account, order("sell", "5", reduce_only=True), 2)
    assert (done.filled, done.status, done.canceled_for) == (D(3), "canceled", "reduce_only")
    assert refused(exchange, account, order("sell", "5", reduce_only=True)) == "nothing_to_reduce"


@pytest.mark.parametrize(
    ("new", "refusal"),
    [
        (order(symbol="NOPE"), "instrument"),
        (order(size="0.001"), "below_minimum"),
        (order(size="0.015"), "not_a_lot"),
        (order(size="1000000.01"), "above_maximum"),
        (order(size="-1"), "parameter"),
        (order(price="60000"), "parameter"),
        (order(kind="limit"), "parameter"),
        (order(kind="limit", price="60000.05"), "parameter"),
        (order(leg="long"), "position_side"),
        (order(size="5000", kind="limit", price="60000"), "insufficient_margin"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_reason(new, refusal):
    """A refused order changes nothing but the ledger."""
    exchange, account = venue(cash="1000")
    assert refused(exchange, account, new) == refusal
    assert not exchange.open_orders(account)
    assert account.reserved == {}
    (entry,) = exchange.ledger.entries
    assert isinstance(entry, Rejected)


def test_margin_is_bound_while_an_order_waits_and_while_a_position_is_held():
    """Available = cash - margin of open orders and positions + open profit."""
    exchange, account = venue(cash="1000")
    exchange.place(account, order(kind="limit", price="59000", size="1"), 1)  # 590 USDT at 10x: 59
    assert exchange.available(account, "USDT") == D(941)
    exchange.set_price(BTC, D(59000), None, 2)
    assert exchange.available(account, "USDT") == D(1000) - D(59) - D("0.118")
    exchange.set_price(BTC, D(60000), None, 3)
    assert exchange.available(account, "USDT") == D(1000) - D(60) - D("0.118") + D(10)


def test_amend_and_cancel_speak_of_open_orders_only():
    """An amendment moves the order and may fill it; what is gone cannot be amended or cancelled."""
    exchange, account = venue()
    resting = exchange.place(account, order(kind="limit", price="59000", size="2"), 1)
    exchange.amend(account, BTC, order_id=resting.order_id, size=D(3), request_id="r1", now=2)
    done = exchange.amend(account, BTC, order_id=resting.order_id, price=D(60000), now=3)
    assert (done.status, done.size) == ("filled", D(3))
    kinds = [type(entry) for entry in exchange.ledger.entries]
    assert kinds == [Placed, Amended, Amended, Executed]
    for call in (exchange.amend, exchange.cancel):
        with pytest.raises(RefusedError, match="not_found"):
            call(account, BTC, order_id=resting.order_id, now=4)
    other = exchange.place(account, order(kind="limit", price="59000"), 5)
    exchange.cancel(account, BTC, order_id=other.order_id, now=6)
    assert isinstance(exchange.ledger.entries[-1], Canceled)


def test_contract_value_and_multiplier_scale_money():
    """10 contracts of 0.1 ETH that gain 100 USDT an ETH make 100 USDT before fees."""
    exchange, account = venue()
    exchange.place(account, order(symbol=ETH, size="10"), 1)
    exchange.set_price(ETH, D(3100), None, 2)
    exchange.place(account, order("sell", symbol=ETH, size="10"), 3)
    assert account.position(ETH, "net").realised == D(100)
    assert account.balances["USDT"] == D(100000000) + 100 - D(3000) * D("0.0005") - D(3100) * D("0.0005")


def test_spot_swaps_coins_and_takes_its_fee_from_what_is_received():
    """Buying pays its fee in base, selling in quote; more than one has is refused."""
    exchange, account = venue(cash="60000")
    exchange.place(account, order(symbol="BTC-USDT", size="0.5", margin_mode="cash"), 1)
    assert account.balances == {"USDT": D(30000), "BTC": D("0.49975")}
    assert refused(exchange, account, order("sell", symbol="BTC-USDT", size="0.5")) == "insufficient_margin"
    exchange.place(account, order("sell", symbol="BTC-USDT", size="0.4"), 2)
    assert account.balances == {"USDT": D(53988), "BTC": D("0.09975")}


def test_secrets_are_not_shown():
    """Neither an account nor its credentials print a secret."""
    _, account = venue()
    assert "secret" not in repr(account)
    assert "pass" not in repr(account.credentials)
