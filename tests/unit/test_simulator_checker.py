"""Laws of the judge of copies."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import assume, example, given
from hypothesis import strategies as st

from services.simulator.accounts import Credentials
from services.simulator.checker import CopyRule, judge, totals
from services.simulator.engine import Exchange
from services.simulator.instruments import OKX_INSTRUMENTS
from services.simulator.ledger import Executed
from services.simulator.rules import NewOrder

D = Decimal
BTC = "BTC-USDT-SWAP"
LOT = D("0.01")

deltas = st.integers(-300, 300).filter(bool)
ratios = st.sampled_from(["0.1", "0.33", "1", "2.5"]).map(D)


@dataclass(frozen=True)
class Copy:
    signed: Decimal
    client_order_id: str


def trade(exchange, name, signed, client_order_id=""):
    exchange.place(
        exchange.accounts[name],
        NewOrder(
            symbol=BTC,
            side="buy" if signed > 0 else "sell",
            kind="market",
            size=abs(signed),
            client_order_id=client_order_id,
        ),
        0,
    )


def perfect_copies(moves, ratio):
    """What a copier that loses nothing sends, as orders by the leader move that caused them."""
    held, leader, copies = D(0), D(0), []
    for index, move in enumerate(moves):
        leader += move
        target = leader * ratio // LOT * LOT
        copies.append((index, Copy(target - held, f"c{index}") if target != held else None))
        held = target
    return copies


def run(moves, copies, ratio):
    """Plays the leader's moves, then the copies; returns the findings."""
    exchange = Exchange(OKX_INSTRUMENTS)
    for name in ("leader", "follower"):
        exchange.open_account(name, Credentials(name, "s", "p"), balances={"USDT": D(10) ** 12})
    for move in moves:
        trade(exchange, "leader", move)
    for copy in copies:
        trade(exchange, "follower", copy.signed, copy.client_order_id)
    return judge(
        exchange.ledger.entries,
        instruments=OKX_INSTRUMENTS,
        leader="leader",
        rules=[CopyRule.fixed("follower", ratio)],
    )


moves_lists = st.lists(deltas.map(lambda n: D(n) / 100), min_size=1, max_size=12)


def sent(moves, ratio):
    return [copy for _, copy in perfect_copies(moves, ratio) if copy is not None]


@given(moves_lists, ratios)
@example([D("0.04"), D("-0.05"), D("-0.03")], D("0.33"))  # a flip too small to copy beyond flat
def test_a_perfect_copier_loses_and_doubles_nothing(moves, ratio):
    """Expected = placed, every other step skipped, target = actual."""
    copies = sent(moves, ratio)
    (finding,) = run(moves, copies, ratio)
    assert (finding.lost, finding.duplicated, finding.coalesced) == (0, 0, 0)
    assert finding.expected == finding.placed == len(copies)
    assert finding.expected + finding.skipped == len(moves)
    assert finding.target_low == finding.target_high == finding.actual


@given(moves_lists, ratios, st.data())
def test_any_missing_order_is_lost(moves, ratio, data):
    """Taking out one order of a perfect copier makes lost >= 1."""
    copies = sent(moves, ratio)
    assume(copies)
    index = data.draw(st.integers(0, len(copies) - 1))
    (finding,) = run(moves, copies[:index] + copies[index + 1 :], ratio)
    assert finding.lost >= 1


@given(moves_lists, ratios, st.data())
def test_any_repeated_client_order_id_is_duplicated_and_nothing_is_lost(moves, ratio, data):
    """Sending one order of a perfect copier twice makes duplicated = 1, lost = 0."""
    copies = sent(moves, ratio)
    assume(copies)
    index = data.draw(st.integers(0, len(copies) - 1))
    (finding,) = run(moves, copies[: index + 1] + copies[index:], ratio)
    assert (finding.lost, finding.duplicated) == (0, 1)


@given(st.lists(st.integers(1, 300).map(lambda n: D(n) / 100), min_size=1, max_size=12), ratios, st.data())
def test_any_second_copy_under_a_new_id_leaves_the_path(moves, ratio, data):
    """Sending an order again under a fresh id makes duplicated >= 1."""
    copies = sent(moves, ratio)
    assume(copies)
    index = data.draw(st.integers(0, len(copies) - 1))
    again = Copy(copies[index].signed, "again")
    (finding,) = run(moves, [*copies[: index + 1], again, *copies[index + 1 :]], ratio)
    assert finding.duplicated >= 1


@given(moves_lists, ratios, st.sets(st.integers(0, 11)))
def test_steps_may_be_made_up_together(moves, ratio, missed):
    """A copier that sleeps through some moves and makes them up by the next loses nothing."""
    held, leader, copies = D(0), D(0), []
    for index, move in enumerate(moves):
        leader += move
        if index in missed and index < len(moves) - 1:
            continue
        target = leader * ratio // LOT * LOT
        if target != held:
            copies.append(Copy(target - held, f"c{index}"))
        held = target
    (finding,) = run(moves, copies, ratio)
    assert (finding.lost, finding.duplicated) == (0, 0)


def test_closing_first_and_opening_then_is_one_flip():
    """A flip may be copied by two orders that meet at flat."""
    copies = [Copy(D(1), "a"), Copy(D(-1), "b"), Copy(D(-2), "c")]
    (finding,) = run([D(1), D(-3)], copies, D(1))
    assert (finding.lost, finding.duplicated, finding.expected, finding.placed) == (0, 0, 2, 3)


def test_an_equity_proportional_rule_is_judged_within_its_bounds():
    """Inside the bounds is right, outside is not; flat means flat."""
    rule = CopyRule.proportional("follower", D(2), own=(D(450), D(550)), leaders=(D(10_000), D(10_000)))
    assert (rule.low, rule.high) == (D("0.09"), D("0.11"))

    def verdict(*copies):
        exchange = Exchange(OKX_INSTRUMENTS)
        for name in ("leader", "follower"):
            exchange.open_account(name, Credentials(name, "s", "p"), balances={"USDT": D(10) ** 9})
        trade(exchange, "leader", D(10))
        trade(exchange, "leader", D(-10))
        for copy in copies:
            trade(exchange, "follower", *copy)
        found = judge(exchange.ledger.entries, instruments=OKX_INSTRUMENTS, leader="leader", rules=[rule])
        counts = totals(found)
        return counts["lost"], counts["duplicated"]

    assert verdict((D("0.95"), "a"), (D("-0.95"), "b")) == (0, 0)
    assert verdict((D("0.95"), "a"), (D("-0.94"), "b"))[0] >= 1
    assert verdict((D("1.2"), "a"), (D("-1.2"), "b"))[1] >= 1


def test_an_order_that_waits_unfilled_at_the_end_is_lost():
    """Acceptance alone is no copy: the position counts."""
    exchange = Exchange(OKX_INSTRUMENTS)
    for name in ("leader", "follower"):
        exchange.open_account(name, Credentials(name, "s", "p"), balances={"USDT": D(10) ** 9})
    trade(exchange, "leader", D(1))
    trade(exchange, "follower", D(1), "a")
    (finding,) = judge(
        [
            e
            for e in exchange.ledger.entries
            if not (isinstance(e, Executed) and e.order.account == "follower")
        ],
        instruments=OKX_INSTRUMENTS,
        leader="leader",
        rules=[CopyRule.fixed("follower", D(1))],
    )
    assert finding.lost == 1
