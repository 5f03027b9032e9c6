"""Laws of the order in which requests leave: reducing first, clients in turn, held accounts alone."""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from spider_common.budgets.limits import Limit, Table, Wanted
from spider_common.budgets.local import take_all
from spider_common.budgets.turns import Request, Trial, Turns

MS = 1_000_000
ADDRESS_LIMIT, ACCOUNT_LIMIT, SYMBOL_LIMIT = Limit(8, 1.0), Limit(4, 1.0), Limit(2, 1.0)


class Order(NamedTuple):
    """A request to come. Accounts and symbols are numbers; an account belongs to one client or to two."""

    at_ms: int
    client: str
    account: int
    symbol: int
    reducing: bool

    @property
    def wanted(self) -> Wanted:
        account, symbol = str(self.account), str(self.symbol)
        return (
            (("order", account, symbol), SYMBOL_LIMIT),
            (("account", account), ACCOUNT_LIMIT),
            (("address",), ADDRESS_LIMIT),
        )


class Left(NamedTuple):
    """A departure: when, who, and who of those still waiting could have left in its place."""

    request: Request
    now: int
    could: Sequence[Request]
    waiting: Sequence[Request]


orders = st.lists(
    st.builds(
        Order,
        st.integers(0, 2_000),
        st.sampled_from("abcd"),
        st.integers(0, 3),
        st.integers(0, 1),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def run(coming: Sequence[Order], most: int) -> list[Left]:
    """Lets every order come at its time and leave as soon as its turn and its buckets allow."""
    turns: Turns[Request] = Turns()
    table, log, now = Table(), list[Left](), 0
    coming = sorted(coming, key=lambda order: order.at_ms)

    def ready(request: Request) -> bool:
        return all(table.get(*each, now).ready_at <= now for each in request.wanted)

    def trial() -> Trial:
        return Trial(lambda name, limit: table.get(name, limit, now))

    while True:
        while coming and coming[0].at_ms * MS <= now:
            order = coming.pop(0)
            turns.add(
                Request(
                    order.wanted, client=order.client, reducing=order.reducing, fan_out=str(order.account)
                )
            )
        while chosen := turns.next(now, trial(), most=most):
            for request in chosen:
                waiting = [each for each in turns if each is not request]
                log.append(Left(request, now, [each for each in waiting if ready(each)], waiting))
                assert take_all([table.get(*each, now) for each in request.wanted], now)
                turns.leave([request])
        assert not any(ready(request) for request in turns)  # whoever can leave does
        times = [order.at_ms * MS for order in coming[:1]]
        soonest = turns.ready_at(trial())
        if soonest is not None:
            times.append(soonest)
        if not times:
            return log
        now = min(times)


@given(orders, st.sampled_from([1, 3, 64]))
def test_reducing_orders_leave_first(coming: list[Order], most: int) -> None:
    """When an order that does not reduce leaves, no waiting order that does could have left in its place."""
    log = run(coming, most)
    assert len(log) == len(coming)
    for left in log:
        assert left.request.reducing or not any(each.reducing for each in left.could)


@given(orders, st.sampled_from([1, 3, 64]))
def test_clients_take_turns(coming: list[Order], most: int) -> None:
    """Between two departures of one client, any other client leaves that waited all the time and could."""
    log = run(coming, most)
    for second, left in enumerate(log):
        mine = [
            n for n in range(second) if _class(log[n].request) == _class(left.request) and _same(log[n], left)
        ]
        if not mine:
            continue
        first = mine[-1]
        between = {
            each.request.client
            for each in log[first + 1 : second]
            if _class(each.request) == _class(left.request)
        }
        for other in left.could:
            waited = other in log[first].waiting
            if waited and other.client != left.request.client and _class(other) == _class(left.request):
                assert other.client in between


@given(orders, st.sampled_from([1, 3, 64]))
def test_first_come_first_served_within_a_client(coming: list[Order], most: int) -> None:
    """Of a client's requests of one class, those that can leave do so in the order in which they came."""
    for left in run(coming, most):
        older = [each for each in left.could if each.number < left.request.number]
        assert not any(
            each.client == left.request.client and _class(each) == _class(left.request) for each in older
        )


def test_a_hundred_orders_do_not_starve_one() -> None:
    """The single order of a client that comes last leaves second, whatever the first has waiting."""
    crowd = [Order(0, "crowd", account, 0, reducing=False) for account in range(100)]
    log = run([*crowd, Order(0, "single", 100, 0, reducing=False)], 64)
    assert [left.request.client for left in log].index("single") == 1


def test_a_held_account_holds_up_nobody_else() -> None:
    """Orders of an account at its limit wait alone: everyone else's leave as if they were not there."""
    held = [Order(0, "held", 1, 0, reducing=True) for _ in range(10)]
    log = run([*held, Order(0, "free", 2, 0, reducing=False)], 64)
    assert [left.now for left in log if left.request.client == "free"] == [0]


def _class(request: Request) -> bool:
    return request.reducing


def _same(one: Left, other: Left) -> bool:
    return one.request.client == other.request.client
