"""How much of a leader's trade a follower takes."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import AccountId, ClientId, ProductId, Venue
from spider_common.domain.orders import PositionSide
from spider_common.domain.products import (
    Account,
    CopyRule,
    Equity,
    EquityProportional,
    FixedRatio,
    Product,
    Sizing,
    Subscription,
    copied_side,
)
from spider_common.domain.reasons import WORDS, Reason
from spider_common.domain.sizing import Trade, ratio_of

LEADER, FOLLOWER = AccountId("leader"), AccountId("follower")
worths = st.integers(1, 10**9).map(lambda cents: Decimal(cents).scaleb(-2))


def _equity(account: AccountId, worth: Decimal, ts_venue: int = 100, currency: str = "USDT") -> Equity:
    return Equity(account=account, equity=worth, currency=currency, ts_venue=ts_venue)


def _ratio(sizing: Sizing, *equities: Equity, oldest: int = 0) -> Decimal | Reason:
    known = {equity.account: equity for equity in equities}
    rule = CopyRule(sizing=sizing)
    trade = Trade(leader=LEADER, follower=FOLLOWER, quantity=Decimal(2), price=Decimal(50))
    return ratio_of(rule, trade, equities=known, oldest=oldest)


@given(worths)
def test_fixed_ratio_needs_no_equity(ratio: Decimal) -> None:
    """It is the ratio, known equities or not."""
    assert _ratio(FixedRatio(ratio)) == ratio


@given(worths, st.integers(1, 50), st.integers(1, 10))
def test_equity_proportional(leads: Decimal, times: int, multiplier: int) -> None:
    """Twice the equity, twice the size; times the multiplier."""
    sizing = EquityProportional(Decimal(multiplier))

    assert _ratio(sizing, _equity(LEADER, leads), _equity(FOLLOWER, leads * times)) == times * multiplier
    assert _ratio(sizing, _equity(LEADER, leads), _equity(FOLLOWER, Decimal(0))) == 0
    assert _ratio(sizing, _equity(LEADER, leads), _equity(FOLLOWER, -leads)) == 0


@pytest.mark.parametrize(
    "equities",
    [
        (),
        (_equity(LEADER, Decimal(1)),),
        (_equity(FOLLOWER, Decimal(1)),),
        (_equity(LEADER, Decimal(0)), _equity(FOLLOWER, Decimal(1))),
        (_equity(LEADER, Decimal(-1)), _equity(FOLLOWER, Decimal(1))),
    ],
)
def test_unknown_equity(equities: tuple[Equity, ...]) -> None:
    """Without both equities, or with a leader worth nothing, there is no ratio; never a division by zero."""
    assert _ratio(EquityProportional(), *equities) is Reason.EQUITY_UNKNOWN


@pytest.mark.parametrize(("leads", "follows"), [(99, 100), (100, 99), (1, 1)])
def test_stale_equity(leads: int, follows: int) -> None:
    """One equity from before the oldest time that counts is enough; one of that very time counts."""
    one, two = _equity(LEADER, Decimal(1), leads), _equity(FOLLOWER, Decimal(1), follows)

    assert _ratio(EquityProportional(), one, two, oldest=100) is Reason.EQUITY_STALE
    assert _ratio(EquityProportional(), one, two, oldest=min(leads, follows)) == 1


def test_equities_in_two_currencies_are_not_compared() -> None:
    """One BTC against 60,000 USDT is not a ratio of 60,000."""
    one, two = _equity(LEADER, Decimal(1), currency="BTC"), _equity(FOLLOWER, Decimal(60_000))

    assert _ratio(EquityProportional(), one, two) is Reason.EQUITY_CURRENCY


def test_every_reason_has_words() -> None:
    """A code without its words could not be explained to anybody."""
    assert set(WORDS) == set(Reason)
    assert all(words.endswith(".") for words in WORDS.values())


def test_copied_side() -> None:
    """A net account has one position; a hedged one has the exposure's own."""
    net = Account(account=FOLLOWER, venue=Venue.OKX)
    hedged = msgspec.structs.replace(net, hedge_mode=True)

    assert copied_side(net, 1) is copied_side(net, -1) is PositionSide.NET
    assert (copied_side(hedged, 1), copied_side(hedged, -1)) == (PositionSide.LONG, PositionSide.SHORT)


def test_a_product_is_checked() -> None:
    """A client twice and no shards are errors that name the field."""
    leader = Account(account=LEADER, venue=Venue.OKX)
    subscription = Subscription(client=ClientId("alice"), account=leader, sizing=FixedRatio(Decimal(1)))

    with pytest.raises(ValueError, match=r"subscriptions: client 'alice' stands there twice"):
        Product(product=ProductId("p"), leader=leader, subscriptions=(subscription, subscription))
    with pytest.raises(ValueError, match=r"shards: 0 is not a positive number"):
        Product(product=ProductId("p"), leader=leader, shards=0)


def test_a_product_file_with_an_unknown_field_is_refused() -> None:
    """The error has the path to the field."""
    text = (
        b'{"product":"p","leader":{"account":"a","venue":"okx"},"subscriptions":'
        b'[{"client":"c","account":{"account":"f","venue":"okx"},"sizing":'
        b'{"rule":"fixed_ratio","ratio":"1","ration":"2"}}]}'
    )

    with pytest.raises(
        msgspec.ValidationError, match=r"unknown field `ration` - at `\$.subscriptions\[0\].sizing"
    ):
        msgspec.json.decode(text, type=Product)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"rule":"fixed_ratio","ratio":"-1"}', r"ratio: -1 is below zero"),
        (b'{"rule":"fixed_ratio","ratio":"NaN"}', r"ratio: NaN is not a number"),
        (b'{"rule":"equity_proportional","multiplier":"Infinity"}', r"multiplier: Infinity is not a number"),
    ],
)
def test_a_rule_is_checked(text: bytes, words: str) -> None:
    """A rule that could not be followed is refused where it is read."""
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.json.decode(text, type=Sizing)
