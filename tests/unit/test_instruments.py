"""Instruments: two units of size, and the same thing at another venue."""

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.identifiers import Venue
from spider_common.domain.instruments import Instrument, InstrumentKind, InstrumentList
from tests.strategies import swap

positive = st.sampled_from(["0.0001", "0.001", "0.003", "0.01", "0.1", "1", "7", "10", "1000"])


@given(positive, positive, st.integers(-(10**6), 10**6))
def test_contracts_to_base_and_back(contract_size: str, lot: str, lots: int) -> None:
    """A size in lots comes back exactly, whatever a contract is worth."""
    instrument = swap(Venue.OKX, "BTC-USDT-SWAP", contract_size=contract_size, lot=lot, minimum=lot)
    size = lots * Decimal(lot)

    assert instrument.to_size(instrument.to_base(size)) == size
    assert instrument.to_base(Decimal(lot)) == instrument.lot_base == instrument.minimum_base


@given(positive, positive, st.decimals(min_value=-1000, max_value=1000, places=7))
def test_to_size_truncates(contract_size: str, lot: str, quantity: Decimal) -> None:
    """A size is a whole number of lots, never more than asked and less than a lot below."""
    instrument = swap(Venue.OKX, "BTC-USDT-SWAP", contract_size=contract_size, lot=lot, minimum=lot)
    size = instrument.to_size(quantity)

    assert size % instrument.lot == 0
    assert (
        abs(instrument.to_base(size)) <= abs(quantity) < abs(instrument.to_base(size)) + instrument.lot_base
    )


@given(positive, positive, st.integers(1, 10**6), st.integers(1, 10**4))
def test_the_least_that_opens(contract_size: str, lot: str, cents: int, worth: int) -> None:
    """Whole lots, worth the minimum or more; a lot less is below one of the two minimums."""
    listed = swap(Venue.BITGET, "BTCUSDT", contract_size=contract_size, lot=lot, minimum=lot)
    instrument, price = msgspec.structs.replace(listed, minimum_notional=Decimal(worth)), Decimal(cents) / 100
    least = instrument.least_opening(price)

    assert least % instrument.lot_base == 0
    assert least >= instrument.minimum_base
    assert least * price >= worth
    less = least - instrument.lot_base
    assert less < instrument.minimum_base or less * price < worth
    assert instrument.least_opening(None) == listed.least_opening(price) == instrument.minimum_base


def test_counterpart_is_the_same_thing_elsewhere() -> None:
    """It has the same base, quote, settlement and kind; one that differs in any of them is another."""
    okx = swap(Venue.OKX, "BTC-USDT-SWAP", contract_size="0.01", lot="0.01", minimum="0.01")
    bitget = swap(Venue.BITGET, "BTCUSDT", contract_size="1", lot="0.0001", minimum="0.0001")

    assert InstrumentList([okx, bitget]).counterpart(okx, Venue.BITGET) is bitget
    assert InstrumentList([okx, bitget]).counterpart(okx, Venue.OKX) is okx
    assert InstrumentList([okx, bitget]).counterpart(okx, Venue.BINGX) is None
    others: list[dict[str, object]] = [
        {"base": "ETH"},
        {"quote": "USDC"},
        {"settle": "BTC"},
        {"kind": InstrumentKind.SPOT},
    ]
    for other in others:
        differs: Instrument = msgspec.structs.replace(bitget, **other)
        assert InstrumentList([okx, differs]).counterpart(okx, Venue.BITGET) is None


def test_list_finds_by_venue_and_symbol() -> None:
    """One symbol at two venues is two instruments; an unknown one is None, and order is kept."""
    one = swap(Venue.BITGET, "BTC-USDT", contract_size="1", lot="0.01", minimum="0.01")
    two = swap(Venue.BINGX, "BTC-USDT", contract_size="1", lot="0.001", minimum="0.001")
    known = InstrumentList([two, one])

    assert known.get(Venue.BITGET, "BTC-USDT") is one
    assert known.get(Venue.BINGX, "BTC-USDT") is two
    assert known.get(Venue.OKX, "BTC-USDT") is None
    assert list(known) == [two, one]
