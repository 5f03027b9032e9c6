"""What an account's equity has been, from facts in any order, and what its positions are worth."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spider_common.domain.held import AccountPositions, Held
from spider_common.domain.identifiers import AccountId, Venue
from spider_common.domain.instruments import InstrumentKind, InstrumentList, Mark
from spider_common.domain.orders import PositionSide
from spider_common.domain.products import Equity
from spider_common.domain.standing import DAY, Worth, notional
from tests.strategies import spot, swap

HOUR = DAY // 24
times = st.integers(0, 4 * DAY)
facts = st.builds(
    Equity,
    account=st.just(AccountId("follower")),
    equity=st.integers(-10_000, 10_000).map(Decimal),
    currency=st.just("USDT"),
    ts_venue=times,
)
histories = st.lists(facts, min_size=1, max_size=12)


def _told(equity: int, ts: int, currency: str = "USDT") -> Equity:
    return Equity(account=AccountId("follower"), equity=Decimal(equity), currency=currency, ts_venue=ts)


def _after(history: list[Equity]) -> Worth:
    worth = Worth.of(history[0])
    for fact in history[1:]:
        worth = worth.observe(fact)
    return worth


@given(histories, st.data())
def test_order_and_repeats_change_nothing(history: list[Equity], data: st.DataObject) -> None:
    """Facts that come late, twice or the other way round come to the same."""
    again = data.draw(st.lists(st.sampled_from(history), max_size=5))
    mixed = data.draw(st.permutations(history + again))

    assert _after(mixed) == _after(history)


@given(histories)
def test_it_is_what_the_facts_say(history: list[Equity]) -> None:
    """The newest, the last from before that day's midnight or else the day's first, and the highest."""
    worth, told = _after(history), sorted(history, key=lambda fact: (fact.ts_venue, fact.equity))
    midnight = told[-1].ts_venue // DAY * DAY
    before = [fact for fact in told if fact.ts_venue < midnight]

    assert worth.latest == told[-1]
    assert worth.opening == (before[-1] if before else told[0])
    assert worth.peak == max(fact.equity for fact in told)


@given(histories, st.integers(0, 3 * DAY))
def test_what_was_lost_today(history: list[Equity], later: int) -> None:
    """It counts from the day's opening; nothing is known to be lost on a day of which nothing was told."""
    worth = _after(history)
    now = worth.latest.ts_venue + later
    same_day = now // DAY == worth.latest.ts_venue // DAY

    assert worth.lost(now) == (worth.opening.equity - worth.latest.equity if same_day else 0)


def test_a_day_rolls_over_at_midnight_utc() -> None:
    """A loss over midnight counts to the day on which it is told; the peak stays."""
    evening, morning = DAY - HOUR, DAY + HOUR
    worth = _after([_told(1_000, HOUR), _told(900, evening)])
    assert worth.lost(evening) == 100
    assert worth.lost(DAY) == 0

    worth = worth.observe(_told(850, morning))
    assert worth.lost(morning) == 50
    assert worth.peak == 1_000
    assert worth.observe(_told(870, DAY - 1)).lost(morning) == 20
    assert worth.observe(_told(2_000, HOUR + 1)).lost(morning) == 50


@given(histories, histories)
def test_anew_is_as_if_nothing_had_been(before: list[Equity], then: list[Equity]) -> None:
    """What was told of the time before counts no more, even if it comes late."""
    anew = _after(before).anew()
    later = [fact for fact in then if fact.ts_venue >= anew.latest.ts_venue]
    worth = anew
    for fact in [*then, *before]:
        worth = worth.observe(fact)

    same_moment = [fact for fact in before if fact.ts_venue == anew.latest.ts_venue]
    assert worth == replace(_after([anew.latest, *later, *same_moment]), since=anew.latest.ts_venue)


@given(histories, times)
def test_another_currency_begins_anew(history: list[Equity], ts: int) -> None:
    """What is counted in another unit is compared with nothing; an older such fact changes nothing."""
    worth, other = _after(history), _told(5, ts, "BTC")

    newer = ts > worth.latest.ts_venue
    assert worth.observe(other) == (Worth.of(other) if newer else worth)


LISTED = InstrumentList(
    [
        swap(Venue.OKX, "BTC-USDT-SWAP", contract_size="0.01", lot="0.1", minimum="0.1"),
        swap(Venue.OKX, "ETH-USDT-SWAP", contract_size="0.1", lot="0.1", minimum="0.1"),
        spot(Venue.OKX, "BTC-USDT", lot="0.001"),
    ]
)


def _marks(**prices: int) -> dict[str, Mark]:
    named = {f"{coin}-USDT-SWAP": Decimal(price) for coin, price in prices.items()}
    return {symbol: Mark(symbol=symbol, price=price, ts_venue=0) for symbol, price in named.items()}


def _holds(whole: bool = True, **held: tuple[int, int]) -> AccountPositions:
    """Longs and shorts by coin."""
    sides = (PositionSide.LONG, PositionSide.SHORT)
    return AccountPositions(
        positions={
            f"{coin}-USDT-SWAP": {
                side: Held(ts=1, quantity=Decimal(quantity))
                for side, quantity in zip(sides, quantities, strict=True)
            }
            for coin, quantities in held.items()
        },
        whole={InstrumentKind.SWAP: 1} if whole else {},
    )


@pytest.mark.parametrize(
    ("positions", "worth"),
    [
        (_holds(), 0),
        (_holds(BTC=(3, 0)), 300),
        (_holds(BTC=(3, -1)), 400),
        (_holds(BTC=(3, -1), ETH=(0, -2)), 420),
        (_holds(SOL=(0, 0)), None),
        (_holds(BTC=(3, 0), SOL=(1, 0)), None),
        (_holds(whole=False, BTC=(3, 0)), None),
    ],
)
def test_positions_are_worth_their_sum(positions: AccountPositions, worth: int | None) -> None:
    """Longs and shorts add up. It is not known without a sweep, nor with an instrument that is not listed."""
    assert notional(Venue.OKX, positions, LISTED, _marks(BTC=100, ETH=10)) == worth


def test_positions_without_a_mark() -> None:
    """One that is held makes the sum unknown; one that is flat, or flat by a later sweep, does not."""
    assert notional(Venue.OKX, _holds(BTC=(1, 0), ETH=(1, 0)), LISTED, _marks(BTC=100)) is None
    assert notional(Venue.OKX, _holds(BTC=(1, 0), ETH=(0, 0)), LISTED, _marks(BTC=100)) == 100
    closed = replace(_holds(BTC=(1, 0), ETH=(1, 0)), whole={InstrumentKind.SWAP: 2})
    assert notional(Venue.OKX, closed, LISTED, {}) == 0


def test_coins_are_no_debt() -> None:
    """What a spot account holds is its own, and adds nothing to leverage."""
    coins = AccountPositions(
        positions={"BTC-USDT": {PositionSide.NET: Held(ts=1, quantity=Decimal(5))}},
        whole={InstrumentKind.SWAP: 1, InstrumentKind.SPOT: 1},
    )
    assert notional(Venue.OKX, coins, LISTED, {}) == 0
