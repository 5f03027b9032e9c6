"""Laws of what is known of an account's positions."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.held import AccountPositions, Held
from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import Instrument, InstrumentKind
from spider_common.domain.orders import PositionSide
from spider_common.domain.requests import PositionFact
from tests.strategies import swap

NET, SWAP = PositionSide.NET, InstrumentKind.SWAP
BTC = swap(Venue.OKX, "BTC", contract_size="1", lot="0.1", minimum="0.1")
ETH = swap(Venue.OKX, "ETH", contract_size="1", lot="0.1", minimum="0.1")


def told(instrument: Instrument, quantity: int, ts: int) -> PositionFact:
    return PositionFact(
        venue=Venue.OKX,
        account="a",
        symbol=instrument.symbol,
        position_side=NET,
        quantity=Decimal(quantity),
        entry_price=None,
        ts_venue=ts,
    )


def test_what_was_never_told_is_not_known() -> None:
    """Silence is not flat: not before a sweep has named all that is held, and not of another kind."""
    assert AccountPositions().held(BTC, NET) is None
    pushed = AccountPositions().observe([told(BTC, 1, 5)])
    assert pushed.held(BTC, NET) == Held(ts=5, quantity=Decimal(1))
    assert pushed.held(ETH, NET) is None
    swept = pushed.observe([], whole=[InstrumentKind.SPOT], asked=9)
    assert swept.held(BTC, NET) == Held(ts=5, quantity=Decimal(1))


def test_a_sweep_makes_flat_what_it_does_not_name() -> None:
    """And what it names is so as of its beginning, however long ago it changed."""
    swept = AccountPositions().observe([told(BTC, 1, 5)], whole=[SWAP], asked=9)
    assert swept.held(BTC, NET) == Held(ts=9, quantity=Decimal(1))
    assert swept.held(ETH, NET) == Held(ts=9, quantity=Decimal(0))
    assert swept.swept == 9


def test_a_push_from_after_the_sweep_began_counts() -> None:
    """Whether the sweep has seen it or not."""
    for before in ([told(BTC, 1, 5)], [told(BTC, 2, 12)], []):
        known = AccountPositions().observe([told(BTC, 2, 12)]).observe(before, whole=[SWAP], asked=9)
        assert known.held(BTC, NET) == Held(ts=12, quantity=Decimal(2))


Word = tuple[list[PositionFact], int]
words = st.tuples(
    st.lists(
        st.builds(told, st.sampled_from([BTC, ETH]), st.integers(-2, 2), st.integers(1, 9)),
        max_size=2,
        unique_by=lambda fact: fact.symbol,
    ),
    st.sampled_from([0, 3, 6, 9]),
)


@given(st.lists(words, max_size=4))
def test_words_count_by_their_time_and_not_by_their_coming(heard: list[Word]) -> None:
    """Law: in any order, and however often repeated, they say the same."""

    def known(order: Sequence[Word]) -> list[Held | None]:
        positions = AccountPositions()
        for facts, asked in [*order, *order]:
            whole = [SWAP] if asked else []
            positions = positions.observe(facts, whole=whole, asked=asked)
        return [positions.held(each, NET) for each in (BTC, ETH)]

    assert len({str(known(order)) for order in permutations(heard)}) <= 1
