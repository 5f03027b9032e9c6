"""Laws of a follower order: two write it, each its own part, and what it says follows from both."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain import journal
from spider_common.domain.follower_orders import FollowerOrder, follower_order
from spider_common.domain.intents import Action, DeskAction, DeskEvent
from spider_common.domain.orders import CopyState, OrderStatus, PositionSide, Side
from tests.strategies import MS, TS, execution, fact, intent, journal_row


def order(**fields: object) -> FollowerOrder:
    """An order that was just planned, its intent with `fields`."""
    made = intent(**fields)
    return follower_order(journal_row(made), made, 1)


def filled(before: FollowerOrder, quantity: str = "1", price: str = "60000", at: int = 0) -> FollowerOrder:
    told = execution(quantity=Decimal(quantity), price=Decimal(price), ts_venue=TS + at)
    return before.execute(told)


versions = st.lists(st.tuples(st.integers(1, 9), st.sampled_from(CopyState)), min_size=1, max_size=6)


@given(versions, st.data())
def test_the_latest_version_of_the_journal_counts(
    told: list[tuple[int, CopyState]], data: st.DataObject
) -> None:
    """Law: versions of the row, told in any order and number, come to the latest of them."""
    by_version = dict(told)
    heard = data.draw(st.permutations([*by_version, *by_version]))
    after = order()
    for version in heard:
        after = after.submitted(intent(state=by_version[version]), version)
    latest = max(by_version)
    if latest > 1:
        assert (after.revision, after.intent.state) == (latest, by_version[latest])
    else:
        assert after == order()


@given(st.permutations(range(4)))
def test_submission_and_progress_do_not_disturb_each_other(sequence: list[int]) -> None:
    """Law: outcome, fill and facts come to the same in any order."""
    accepted = journal.accept(intent(), None)
    partly = fact(status=OrderStatus.PARTIALLY_FILLED, cum_filled=Decimal("0.4"), ts_venue=TS + 1)
    done = fact(status=OrderStatus.FILLED, ts_venue=TS + 2)
    after = order()
    for step in sequence:
        match step:
            case 0:
                after = after.submitted(accepted, 2)
            case 1:
                after = filled(after)
            case 2:
                after = after.observe(partly)
            case _:
                after = after.observe(done)
    assert after.state is CopyState.FILLED
    assert after.intent == accepted
    assert after.progress.average_price == 60_000


@pytest.mark.parametrize("state", CopyState)
def test_without_news_it_stands_where_its_submission_does(state: CopyState) -> None:
    """Denied, skipped, rejected and in doubt are seen with their reason."""
    made = order(state=state, reason="why")
    assert (made.state, made.intent.reason) == (state, "why")
    assert made.is_over is (state.is_final)


def test_news_prove_that_the_order_is_there() -> None:
    """A fill or a fact tells more than a submission in doubt; a refusal is undone by a fill only."""
    doubtful = order(state=CopyState.IN_DOUBT)
    assert filled(doubtful, "0.4").state is CopyState.PARTIALLY_FILLED
    assert filled(doubtful).state is CopyState.FILLED
    live = fact(status=OrderStatus.LIVE, cum_filled=Decimal(0))
    assert doubtful.observe(live).state is CopyState.ACCEPTED
    rejected = order(state=CopyState.REJECTED)
    gone = fact(status=OrderStatus.CANCELED, cum_filled=Decimal(0))
    assert rejected.observe(gone).state is CopyState.REJECTED
    assert filled(rejected).state is CopyState.FILLED


@pytest.mark.parametrize(("side", "worse"), [(Side.BUY, "60060"), (Side.SELL, "59940")])
def test_slippage_is_positive_where_the_follower_did_worse(side: Side, worse: str) -> None:
    """Of a buy more, of a sale less than the leader's price; in hundredths of a percent."""
    made = order(side=side, reference_price=Decimal(60_000))
    assert made.slippage_bps is None
    assert filled(made, price=worse).slippage_bps == 10
    assert filled(order(side=side), price=worse).slippage_bps is None


def test_latencies() -> None:
    """To the answer by our clock; to the first fill by the venues'."""
    made = order()
    assert (made.ns_to_answer, made.ns_to_fill) == (None, None)
    answered = made.submitted(intent(ts_sent=TS + 7 * MS, ts_answered=TS + 9 * MS), 2)
    assert answered.ns_to_answer == TS + 9 * MS - made.ts_seen
    later = filled(filled(answered, "0.5", at=40 * MS), "0.5", at=30 * MS)
    assert later.ns_to_fill == TS + 30 * MS - made.ts_signal
    assert later.progress.ts_last_fill == TS + 40 * MS


@pytest.mark.parametrize("action", [Action.AMEND, Action.CANCEL])
def test_an_amendment_is_over_when_the_venue_has_taken_it(action: Action) -> None:
    """It is no order; one that becomes an order is not over while that is filled."""
    assert order(action=action, state=CopyState.ACCEPTED).is_over
    assert not order(state=CopyState.ACCEPTED).is_over
    assert not filled(order(action=action, state=CopyState.ACCEPTED), "0.4").is_over


def test_an_order_says_what_it_copies() -> None:
    """The leader's order, or what the desk wanted."""
    made = order()
    assert made.leader is not None
    assert (made.leader.account, made.leader.venue_order_id) == ("leader", "1")
    asked = DeskEvent(
        product=made.intent.product,
        shard=0,
        shards=1,
        client=made.intent.client,
        symbol="BTC-USDT-SWAP",
        leader_side=PositionSide.NET,
        action=DeskAction.CLOSE,
        cause="flatten by ana",
        ts_asked=TS,
    )
    row = msgspec.structs.replace(journal_row(intent()), event=asked)
    desk = follower_order(row, row.intents[0], 1)
    assert (desk.leader, desk.cause) == (None, "flatten by ana")
