"""Laws of drift: what is known, why it is so, and the order against it."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spider_common.domain import reconciling
from spider_common.domain.claims import Claim, claims_of
from spider_common.domain.drift import DRIFT_WORDS, Asked, Drift, DriftReason, Known, Refusal
from spider_common.domain.held import Held
from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.instruments import InstrumentKind
from spider_common.domain.intents import DeskAction
from spider_common.domain.orders import CopyState, PositionSide
from spider_common.domain.positions import Book, Part, Resting, Waiting, part_key
from spider_common.domain.products import Account, Correction, FixedNotional, FixedRatio, Subscription
from spider_common.domain.reasons import Reason
from spider_common.domain.reconciling import reconcile, repair
from tests.strategies import swap

NET, LONG, SHORT = PositionSide.NET, PositionSide.LONG, PositionSide.SHORT
LOT, MINIMUM = Decimal("0.1"), Decimal("0.5")
BTC = swap(Venue.OKX, "BTC", contract_size="1", lot="0.1", minimum="0.5")
COINS = replace(BTC, symbol="BTC@spot", kind=InstrumentKind.SPOT)
GRACE = 30
ACCOUNT = Account(account=AccountId("ana-account"), venue=Venue.OKX)
HEDGED = replace(ACCOUNT, hedge_mode=True)


def claim(planned: str = "0", target: str | None = None, **changes: Any) -> Claim:
    part = Part(planned=Decimal(planned), target=Decimal(planned if target is None else target))
    fields = {
        "product": ProductId("p"),
        "client": ClientId("ana"),
        "account": ACCOUNT,
        "symbol": "BTC-LEADS",
        "leader_side": NET,
        "part": part,
        "correction": Correction.CORRECT,
    }
    return Claim(**{**fields, **changes})


def held(quantity: str, ts: int = 0) -> Held:
    return Held(ts=ts, quantity=Decimal(quantity))


def look(
    *claims: Claim, holds: Held | None, before: Sequence[Drift] = (), now: int = 0, **changes: Any
) -> tuple[Drift, ...]:
    known = {drift.key: drift for drift in before}
    where = {"instrument": BTC, "side": NET, **changes}
    return reconcile(where["instrument"], where["side"], holds, claims, known, now=now, grace=GRACE)


def believed(*claims: Claim, quantity: str, **changes: Any) -> Drift:
    """The one drift after two looks with a grace time in between."""
    first = look(*claims, holds=held(quantity), **changes)
    (drift,) = look(*claims, holds=held(quantity, ts=GRACE), before=first, now=GRACE, **changes)
    return drift


def test_each_reason_has_its_words() -> None:
    """Law: each code is explained, and docs/reconciliation.md lists them all."""
    assert set(DRIFT_WORDS) == set(DriftReason)
    listed = (Path(__file__).parents[2] / "docs/reconciliation.md").read_text()
    for reason, words in DRIFT_WORDS.items():
        assert f"| `{reason}` | {words} |\n" in listed


def test_in_line_is_no_drift() -> None:
    """Nothing is kept where nothing differs."""
    assert look(claim("1"), holds=held("1")) == ()


@pytest.mark.parametrize(
    ("made", "quantity", "reason"),
    [
        (claim("1", "1.05"), "1", DriftReason.ROUNDING),
        (claim("1", "1.3"), "1", DriftReason.MINIMUM),
        (claim("1", "0"), "1", DriftReason.REJECTED),
        (claim("1", ruled=Decimal(2)), "1", DriftReason.NOT_COPIED),
        (claim("1"), "3", DriftReason.MANUAL_TRADE),
        (claim("1", unsettled=DriftReason.IN_DOUBT), "0", DriftReason.IN_DOUBT),
        (claim("1", unsettled=DriftReason.OPEN_ORDER), "0", DriftReason.OPEN_ORDER),
    ],
)
def test_a_difference_has_its_reason(made: Claim, quantity: str, reason: DriftReason) -> None:
    """What rounding left, what was refused, what the leader had before, what others did."""
    assert believed(made, quantity=quantity).reason is reason


@pytest.mark.parametrize(
    ("state", "code", "reason"),
    [
        (CopyState.DENIED, Reason.TRADING_OFF, DriftReason.DENIED),
        (CopyState.SKIPPED, Reason.EQUITY_STALE, DriftReason.SKIPPED),
        (CopyState.REJECTED, "51008: not enough margin", DriftReason.REJECTED),
        (CopyState.DENIED, "max_leverage", DriftReason.LEVERAGE_CAP),
        (CopyState.SKIPPED, Reason.NO_INSTRUMENT, DriftReason.MISSING_INSTRUMENT),
    ],
)
def test_a_refusal_explains_what_is_missing(state: CopyState, code: str, reason: DriftReason) -> None:
    """With its code."""
    refusal = Refusal(state=state, reason=code, ts=0)
    drift = believed(claim("0", ruled=Decimal(2)), quantity="0")
    assert drift.wants_explaining
    known = reconciling.explain(drift, refusal)
    assert (known.reason, known.refusal) == (reason, refusal)
    assert reconciling.explain(drift, None) == drift
    (later,) = look(claim("0", ruled=Decimal(2)), holds=held("0", ts=99), before=[known], now=99)
    assert not later.says_more_than(known)
    (more,) = look(claim("0", ruled=Decimal(3)), holds=held("0", ts=99), before=[known], now=99)
    assert more.wants_explaining


def test_coins_that_moved_are_the_clients_own() -> None:
    """Spot has deposits and withdrawals: they are told, and nothing is bought or sold for them."""
    drift = believed(claim("1"), quantity="3", instrument=COINS)
    assert drift.reason is DriftReason.TRANSFER
    assert repair(drift, COINS) is None


def test_fees_in_the_coin_and_dust_are_no_drift() -> None:
    """What the venue took of what was bought is where it should be; less than a lot nobody can order."""
    bought = claim("10", fees=Decimal("-0.3"))
    assert look(bought, holds=held("9.7"), instrument=COINS) == ()
    assert believed(bought, quantity="9.75", instrument=COINS).reason is DriftReason.ROUNDING
    missing = believed(bought, quantity="9.2", instrument=COINS)
    assert (missing.reason, missing.off, missing.is_alarming) == (DriftReason.TRANSFER, Decimal("-0.5"), True)
    assert not believed(bought, quantity="12", instrument=COINS).is_alarming


def test_a_young_difference_is_settling() -> None:
    """Only a fact a grace time younger than the first look proves that no order is under way."""
    first = look(claim("1"), holds=held("0"), now=10)
    assert [drift.reason for drift in first] == [DriftReason.SETTLING]
    again = look(claim("1"), holds=held("0", ts=39), before=first, now=90)
    assert [drift.reason for drift in again] == [DriftReason.SETTLING]
    moved = look(claim("2"), holds=held("1", ts=40), before=first, now=90)
    assert [(drift.reason, drift.since) for drift in moved] == [(DriftReason.SETTLING, 90)]
    proved = look(claim("1"), holds=held("0", ts=40), before=first, now=90)
    assert [drift.reason for drift in proved] == [DriftReason.MANUAL_TRADE]


def test_an_age_begins_anew_when_a_doubt_ends() -> None:
    """What an order in doubt did may be told only later."""
    doubtful = look(claim("1", unsettled=DriftReason.IN_DOUBT), holds=held("0"))
    drifts = look(claim("1"), holds=held("0", ts=GRACE), before=doubtful, now=GRACE)
    assert [drift.reason for drift in drifts] == [DriftReason.SETTLING]


def test_two_products_share_an_account() -> None:
    """Its position is the sum of their parts, and what is beyond them is shown once, at the largest."""
    small, large = claim("1"), claim("2", product=ProductId("q"))
    assert look(small, large, holds=held("3")) == ()
    drift = believed(small, large, quantity="2.5")
    assert (drift.product, drift.off, drift.held) == ("q", Decimal("-0.5"), Decimal("1.5"))


def test_both_sides_of_a_hedged_account_are_apart() -> None:
    """A part lives on the side of its sign, and what stands on the other belongs to nobody's part."""
    part = claim("1", account=HEDGED)
    assert look(part, holds=held("1"), side=LONG) == ()
    assert look(part, holds=held("0"), side=SHORT) == ()
    drift = believed(part, quantity="-2", side=SHORT)
    assert (drift.position_side, drift.off, drift.planned) == (SHORT, -2, 0)
    made = repair(drift, BTC)
    assert made is not None
    assert (made.quantity, made.reduces) == (2, True)


def test_the_leaders_unknown_part_is_told_and_left_alone() -> None:
    """What the leader holds from before copying began is no work of ours."""
    found: Drift | None = None
    for now in (0, GRACE):
        before = {found.key: found} if found else {}
        found = reconciling.leader_drift(
            ProductId("p"),
            ACCOUNT,
            "BTC",
            NET,
            held=held("3", ts=now),
            known=Decimal(1),
            before=before,
            now=now,
            grace=GRACE,
        )
    assert found is not None
    assert (found.reason, found.quantity) == (DriftReason.LEADER_UNKNOWN, 2)
    assert repair(found, BTC) is None


def test_a_wrong_side_is_closed_before_the_right_one_is_opened() -> None:
    """No order passes through zero."""
    wrong = believed(claim("1"), quantity="-2")
    first = repair(wrong, BTC)
    assert first is not None
    assert (first.quantity, first.reduces) == (2, True)
    second = repair(believed(claim("1"), quantity="0"), BTC)
    assert second is not None
    assert (second.quantity, second.reduces) == (1, False)


@pytest.mark.parametrize(
    ("planned", "target", "missed"),
    [("3", "1", -2), ("-3", "0", 3), ("3", "2.8", None), ("1", "3", None), ("1", "-2", None)],
)
def test_a_close_that_was_refused_is_caught_up_with(planned: str, target: str, missed: int | None) -> None:
    """Nothing is opened by it, and nothing below the least order is tried."""
    order = repair(believed(claim(planned, target), quantity=planned), BTC)
    assert (order and order.quantity) == missed
    assert order is None or (order.action is DeskAction.CATCH_UP and order.reduces)


def test_orders_that_reduce_go_first() -> None:
    """Of a client with both, only those; of other clients all."""
    drifts = [
        believed(claim("1", symbol="A"), quantity="3"),
        believed(claim("3", symbol="B"), quantity="1"),
        believed(claim("3", client=ClientId("bruno")), quantity="1"),
    ]
    wanted = [(drift, order) for drift in drifts if (order := repair(drift, BTC)) is not None]
    kept = reconciling.reducing_first(wanted)
    assert [(drift.client, drift.symbol) for drift, _ in kept] == [("ana", "A"), ("bruno", "BTC-LEADS")]


def test_an_order_that_did_not_help_is_asked_for_again_much_later() -> None:
    """One that did is followed as soon as the rest is believed."""
    drift = believed(claim("1"), quantity="3")
    asked = Asked(action=DeskAction.CORRECT, ts=0, quantity=Decimal(-2), reduces=True, off=drift.off)
    helped = replace(drift, asked=replace(asked, off=Decimal(5)))
    assert reconciling.may_ask(drift, planned=False, grace=GRACE)
    assert not reconciling.may_ask(replace(drift, asked=asked), planned=True, grace=GRACE)
    assert reconciling.may_ask(replace(drift, asked=asked, seen=10 * GRACE), planned=True, grace=GRACE)
    assert reconciling.may_ask(helped, planned=True, grace=GRACE)
    assert not reconciling.may_ask(helped, planned=False, grace=GRACE)


def test_claims_are_read_from_a_book() -> None:
    """A fixed ratio says what the leader's whole position calls for; a doubt and a resting order keep it
    from being corrected; who has left is not corrected."""
    ana = Subscription(client=ClientId("ana"), account=ACCOUNT, sizing=FixedRatio(Decimal(2)))
    book = Book(
        leader={NET: Decimal(3)},
        parts={part_key(ana.client, NET): Part(planned=Decimal(5), target=Decimal(6))},
    )
    waiting = {ana.client: (Waiting("1", "e"),)}  # type: ignore[arg-type]  # any ids
    resting = {ana.client: (Resting(order="1", leader_order="2", side=NET, exposure=Decimal(1)),)}  # type: ignore[arg-type]

    def of(subscription: Subscription, book: Book) -> Claim:
        (one,) = claims_of(ProductId("p"), subscription, "BTC", book)
        return one

    assert (of(ana, book).ruled, of(ana, book).part.planned) == (6, 5)
    assert of(replace(ana, reverse=True, multiplier=Decimal(2)), book).ruled == -12
    assert of(replace(ana, sizing=FixedNotional(Decimal(1))), book).ruled is None
    assert of(replace(ana, left=True, correction=Correction.CORRECT), book).correction is Correction.OFF
    assert of(ana, replace(book, waiting=waiting)).unsettled is DriftReason.IN_DOUBT
    assert of(ana, replace(book, resting=resting)).unsettled is DriftReason.OPEN_ORDER


amounts = st.integers(-30, 30).map(lambda tenths: Decimal(tenths).scaleb(-1))
claims_of_one = st.builds(
    claim,
    amounts.map(str),
    st.none() | amounts.map(str),
    unsettled=st.none() | st.sampled_from([DriftReason.IN_DOUBT, DriftReason.OPEN_ORDER]),
    correction=st.sampled_from(Correction),
    ruled=st.none() | amounts,
    account=st.sampled_from([ACCOUNT, HEDGED]),
)
several = st.lists(claims_of_one, max_size=3).map(
    lambda found: [
        replace(each, client=ClientId(f"c{at}"), account=found[0].account) for at, each in enumerate(found)
    ]
)
looks = st.lists(
    st.tuples(st.none() | st.builds(held, amounts.map(str), st.integers(0, 200)), st.integers(0, 200)),
    max_size=4,
)


def after(seen: Sequence[tuple[Held | None, int]], claims: Sequence[Claim], side: PositionSide) -> Known:
    """What is known after some looks."""
    known: Known = {}
    for holds, now in seen:
        drifts = reconcile(BTC, side, holds, claims, known, now=now, grace=GRACE)
        known = {drift.key: drift for drift in drifts}
    return known


def side_of(claims: Sequence[Claim], choice: bool) -> PositionSide:
    hedged = bool(claims) and claims[0].account.hedge_mode
    return (LONG if choice else SHORT) if hedged else NET


@given(several, looks, st.booleans())
def test_looking_twice_is_looking_once(
    claims: list[Claim], seen: list[tuple[Held | None, int]], choice: bool
) -> None:
    """Law: the same facts again, whenever, change nothing that was known, not even a time."""
    side = side_of(claims, choice)
    known = after(seen, claims, side)
    again = [(seen[-1][0], 999)] if seen else []
    assert after([*seen, *again], claims, side) == known


@given(several, looks, st.booleans())
def test_no_answer_changes_nothing(
    claims: list[Claim], seen: list[tuple[Held | None, int]], choice: bool
) -> None:
    """Law: what the venue has not told is not flat; what was known stays."""
    side = side_of(claims, choice)
    assert after([*seen, (None, 999)], claims, side) == after(seen, claims, side)


@given(several, looks, st.booleans())
def test_the_drift_prefix_an_account_add_up(
    claims: list[Claim], seen: list[tuple[Held | None, int]], choice: bool
) -> None:
    """Law: what all subscriptions count as theirs is what the account holds."""
    side = side_of(claims, choice)
    holds = next((told for told, _ in reversed(seen) if told is not None), None)
    known = after([(holds, 0)], claims, side)
    if holds is None or not claims:
        assert not known
        return
    planned = sum((each.expected for each in claims if each.side() is side), Decimal(0))
    assert planned + sum((drift.off for drift in known.values()), Decimal(0)) == holds.quantity


@given(several, looks, st.booleans())
def test_an_order_against_drift_does_no_harm(
    claims: list[Claim], seen: list[tuple[Held | None, int]], choice: bool
) -> None:
    """Law: it makes the difference smaller and never passes it nor zero, takes away only what is there, is
    one the venue takes, and there is none while an order of ours may still change what is held."""
    side = side_of(claims, choice)
    unsettled = {each.client for each in claims if each.unsettled}
    for drift in after(seen, claims, side).values():
        order = repair(drift, BTC)
        if order is None:
            continue
        if order.action is DeskAction.CATCH_UP:
            assert drift.planned * (drift.planned + order.quantity) >= 0
            assert drift.off == 0
            continue
        assert drift.client not in unsettled
        assert drift.seen - drift.since >= GRACE
        assert order.quantity * drift.off < 0
        assert abs(order.quantity) <= abs(drift.off)
        assert BTC.takes(abs(order.quantity))
        position = drift.position + order.quantity
        assert position * drift.position >= 0
        assert order.reduces == (abs(position) < abs(drift.position))
