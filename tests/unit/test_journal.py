"""The journal's transitions: leases, doubts and what proves an order absent."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import ClientOrderId, VenueOrderId
from spider_common.domain.intents import Action, Doubt, Intent, LeaderEvent
from spider_common.domain.journal import (
    Lease,
    Timing,
    accept,
    can_take_over,
    deny,
    doubt,
    first_lease,
    found,
    hold,
    is_fresh,
    miss,
    next_question,
    reject,
    release,
    renew,
    request_expiry,
    take_over,
)
from spider_common.domain.orders import CopyState, ForbiddenTransition, OrderStatus
from spider_common.domain.positions import LegKind
from spider_common.domain.reasons import Reason
from tests.strategies import MS, TS, fact, intent, journal_row

TIMING = Timing()
spans = st.integers(1, 20_000)
moments = st.integers(0, 100_000).map(lambda offset: TS + offset)


@st.composite
def timings(draw: st.DrawFn) -> Timing:
    """Any timing that the protocol allows, down to the tightest."""
    window, skew, visibility = draw(spans), draw(spans), draw(spans)
    return Timing(
        lease=max(window, 2 * skew) + 2 * skew + draw(spans), window=window, skew=skew, visibility=visibility
    )


def in_doubt(expires: int = TS, *, since: int = TS, misses: int = 0, why: str = "timeout") -> Intent:
    """An order in doubt."""
    held = Doubt(expires=expires, why=why, since=since, misses=misses)
    return intent(state=CopyState.IN_DOUBT, doubt=held, waited=True)


def _held(order: Intent) -> Doubt:
    assert order.doubt is not None
    return order.doubt


@given(timings(), moments)
def test_a_new_lease_lets_a_request_go(timing: Timing, now: int) -> None:
    """Every allowed timing lets an owner send with a lease just taken: no livelock by configuration."""
    assert request_expiry(first_lease("one", now, timing), now, timing) is not None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"lease": 0}, "positive"),
        ({"skew": -1}, "positive"),
        ({"visibility": 0}, "positive"),
        ({"window": 0}, "positive"),
        ({"lease": 14, "window": 10, "skew": 2}, r"timing\.lease: 14 leaves no room .* more than .* = 14"),
        ({"lease": 8, "window": 1, "skew": 2}, r"timing\.lease: 8 leaves no room .* more than .* = 8"),
    ],
)
def test_a_timing_without_room_is_refused(fields: dict[str, int], words: str) -> None:
    """The error names the field and the least that would do."""
    with pytest.raises(ValueError, match=words):
        Timing(**fields)


@given(timings(), moments, moments)
def test_a_request_expires_inside_the_lease(timing: Timing, ends: int, now: int) -> None:
    """Never within the margin of its end, never beyond the window, and only while there is time left."""
    expiry = request_expiry(Lease(owner="one", fence=1, ends=ends), now, timing)

    if expiry is None:
        assert now + 2 * timing.margin >= ends
    else:
        assert now < expiry <= ends - timing.margin
        assert expiry <= now + timing.window
        assert expiry in {ends - timing.margin, now + timing.window}


@given(timings(), moments, moments)
def test_renewal_only_prolongs(timing: Timing, ends: int, now: int) -> None:
    """A lease never ends earlier for being renewed, and stays the same owner's."""
    row = journal_row(intent(), ends=ends)
    renewed = renew(row, now, timing)

    assert renewed.lease.ends == max(ends, now + timing.lease)
    assert msgspec.structs.replace(renewed, lease=row.lease) == row
    assert (renewed.lease.owner, renewed.lease.fence) == (row.lease.owner, row.lease.fence)


@given(timings(), moments, moments)
def test_takeover_waits_past_the_lease(timing: Timing, ends: int, now: int) -> None:
    """By any two clocks within the skew, the old owner's last request has expired by then."""
    row = journal_row(intent(), ends=ends)

    assert can_take_over(row, now, timing) == (now >= ends + 2 * timing.skew)
    if can_take_over(row, now, timing):
        for signed in range(ends - timing.lease, ends, max(1, timing.lease // 7)):
            expiry = request_expiry(row.lease, signed, timing)
            assert expiry is None or expiry + timing.skew < now


@pytest.mark.parametrize("state", CopyState)
def test_takeover_doubts_what_may_have_been_sent(state: CopyState) -> None:
    """PLANNED and IN_DOUBT become doubts that count from the old lease end; HELD and finished stay."""
    ends, now = TS + 5, TS + TIMING.takeover + 9
    before = in_doubt(TS - 1, since=TS - 7, misses=1)
    if state is not CopyState.IN_DOUBT:
        before = intent(state=state)
    after = take_over(journal_row(before, ends=ends), "two", now, TIMING)

    assert after.lease == Lease(owner="two", fence=2, ends=now + TIMING.lease)
    (order,) = after.intents
    if state in {CopyState.PLANNED, CopyState.IN_DOUBT}:
        assert order.state is CopyState.IN_DOUBT
        assert (_held(order).expires, _held(order).misses) == (ends, 0)
        known = state is CopyState.IN_DOUBT
        assert (_held(order).since, _held(order).why) == (
            (TS - 7, "timeout") if known else (now, "the owner before stopped")
        )
        assert msgspec.structs.replace(before, state=order.state, doubt=order.doubt, waited=True) == order
    else:
        assert order == before


def test_takeover_counts_owners_and_keeps_order() -> None:
    """Each takeover raises the fence by one; the row's orders keep their places."""
    names = [ClientOrderId(f"c{number}") for number in range(4)]
    states = [CopyState.ACCEPTED, CopyState.PLANNED, CopyState.HELD, CopyState.PLANNED]
    orders = [intent(client_order_id=name, state=state) for name, state in zip(names, states, strict=True)]
    row = journal_row(*orders)
    for fence in (2, 3, 4):
        row = take_over(row, f"owner-{fence}", TS + fence * 10**12, TIMING)
        assert row.lease.fence == fence

    assert [order.client_order_id for order in row.intents] == names
    assert [order.client_order_id for order in row.unfinished] == names[1:]


@given(timings(), moments, st.lists(moments, max_size=8))
def test_misses_count_at_two_moments(timing: Timing, expires: int, asked: list[int]) -> None:
    """The first "not found" counts from after the expiry, the second from after the visibility bound,
    by any clock within the skew; one answer never counts twice."""
    order = in_doubt(expires)
    closed = expires + timing.skew
    for at in sorted(asked):
        if order.state is not CopyState.IN_DOUBT:
            break
        misses = _held(order).misses
        after = miss(order, at, timing)
        if misses == 0 and at > closed:
            assert after == in_doubt(expires, misses=1)
        elif misses == 1 and at > closed + timing.visibility:
            assert (after.state, after.doubt) == (CopyState.PLANNED, None)
        else:
            assert after == order
        order = after


@pytest.mark.parametrize("misses", [0, 1])
def test_a_miss_at_the_very_moment_does_not_count(misses: int) -> None:
    """The venue still takes a request at its expiry, by a clock a whole skew behind ours."""
    moment = TS + TIMING.skew + misses * TIMING.visibility

    assert miss(in_doubt(misses=misses), moment, TIMING) == in_doubt(misses=misses)
    assert miss(in_doubt(misses=misses), moment + 1, TIMING) != in_doubt(misses=misses)


@given(timings(), moments, moments, st.integers(0, 1), moments)
def test_the_next_question_is_later(timing: Timing, expires: int, since: int, misses: int, now: int) -> None:
    """Asking again takes time, always: no loop without a pause."""
    held = Doubt(expires=expires, why="", since=since, misses=misses)

    assert next_question(held, now, timing) > now


@given(st.integers(500, 60_000), st.integers(100, 20_000), st.integers(1, 2_000), st.integers(100, 30_000))
def test_asking_proves_absence_in_time(lease: int, window: int, skew: int, visibility: int) -> None:
    """Asked at the given times and never found, an order is proved absent: in the end at most a pause
    after both bounds, and with no more than a few dozen questions."""
    timing = Timing(
        lease=(lease + window + 4 * skew) * MS, window=window * MS, skew=skew * MS, visibility=visibility * MS
    )
    order = in_doubt(TS + timing.window)
    now, questions = TS, 0
    while order.state is CopyState.IN_DOUBT:
        now = next_question(_held(order), now, timing)
        order = miss(order, now, timing)
        questions += 1

    assert questions < 64
    assert now <= TS + timing.window + timing.skew + timing.visibility + MS


def test_outcomes() -> None:
    """Each outcome ends the doubt and keeps what is known."""
    order = in_doubt()

    assert accept(order, VenueOrderId("9")).venue_order_id == "9"
    assert accept(accept_able := intent(venue_order_id=VenueOrderId("8")), None).venue_order_id == "8"
    assert accept_able.state is CopyState.PLANNED
    for after, state, reason in [
        (accept(order, None), CopyState.ACCEPTED, ""),
        (reject(order, "51008 margin"), CopyState.REJECTED, "51008 margin"),
        (deny(intent(), Reason.STALE_SIGNAL), CopyState.DENIED, "stale_signal"),
    ]:
        assert (after.state, after.reason, after.doubt) == (state, reason, None)


@pytest.mark.parametrize("state", [state for state in CopyState if state.is_submitted])
def test_what_has_an_outcome_gets_no_other(state: CopyState) -> None:
    """A finished submission is neither doubted, held, refused nor accepted again."""
    order = intent(state=state)
    changes: list[Callable[[Intent], Intent]] = [
        lambda order: accept(order, None),
        lambda order: reject(order, "no"),
        lambda order: deny(order, Reason.TRADING_OFF),
        lambda order: doubt(order, why="", expires=TS, now=TS),
        hold,
        release,
    ]

    for change in changes:
        with pytest.raises(ForbiddenTransition):
            change(order)


@given(moments, moments, moments, moments)
def test_a_doubt_only_grows(expires: int, since: int, later: int, now: int) -> None:
    """A new doubt about the same order keeps when it arose and the later of both expiries: each of the
    two requests may still arrive. What was missed before does not count any more."""
    fresh = doubt(intent(), why="reset", expires=expires, now=since)
    assert fresh == in_doubt(expires, since=since, why="reset")

    again = doubt(
        msgspec.structs.replace(fresh, doubt=msgspec.structs.replace(_held(fresh), misses=1)),
        why="timeout",
        expires=later,
        now=now,
    )
    assert again == in_doubt(max(expires, later), since=since)


@pytest.mark.parametrize("status", [status for status in OrderStatus if status.is_final])
@pytest.mark.parametrize("action", Action)
def test_a_cancel_that_came_too_late_is_not_accepted(action: Action, status: OrderStatus) -> None:
    """Of an order that was filled or has fired nothing was taken back; what else was asked for is settled."""
    order = msgspec.structs.replace(in_doubt(), action=action)
    after = found(order, fact(status=status, venue_order_id=VenueOrderId("9")))

    if action is Action.CANCEL and status is not OrderStatus.CANCELED:
        assert (after.state, after.doubt) == (CopyState.REJECTED, None)
        assert status in after.reason
    else:
        assert after == accept(order, VenueOrderId("9"))


def test_held_orders_come_back_planned() -> None:
    """Holding and releasing changes the state, and that it has waited stays known."""
    assert hold(intent()) == intent(state=CopyState.HELD, waited=True)
    assert release(hold(intent())) == intent(waited=True)


def test_only_a_doubt_can_be_missed() -> None:
    """Asking for an order that is not in doubt is a bug and says so."""
    with pytest.raises(AssertionError, match="only an order in doubt"):
        miss(intent(), TS, TIMING)


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_freshness(age_ms: int, limit_ms: int) -> None:
    """Opens have an age limit, itself included; closes have none."""
    event = LeaderEvent(product=intent().product, shard=0, shards=1, fact=fact())
    now = TS + age_ms * MS

    assert is_fresh(intent(), event, now, limit_ms) == (age_ms <= limit_ms)
    assert is_fresh(intent(leg=LegKind.CLOSE), event, now, limit_ms)
